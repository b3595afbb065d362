"""The web server's responses to strange addresses and its end of slow connections."""

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, ROOT, Process, clean_environment, free_port, responds

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("serve")]

CONNECTIONS_MAX = 12
HEADERS = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}
STRANGE = [
    ("GET", "/_reflex/..%2fbookings/index.html", 404),
    ("GET", "/..%2fbookings/index.html", 404),
    ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
    ("GET", "/bookings%2findex.html", 200),
    ("GET", "//bookings", 404),
    ("GET", "/assets/..%5cindex.html", 404),
    ("GET", "/%00", 404),
    ("GET", "/booking/%00", 200),
    ("GET", "/%E2%82%AC", 404),
    ("GET", "/%FF", 404),
    ("GET", "/event/%0d%0aX-Injected:1", 200),
    ("GET", "/" + "a" * 8000, 404),
    ("POST", "/", 405),
    ("PUT", "/bookings", 405),
    ("DELETE", "/no-such-page", 405),
    ("HEAD", "/", 200),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def port(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[int]:
    """The port of a web server with narrow limits."""
    directory: Path = tmp_path_factory.mktemp("web")
    port = free_port()
    limits = {"CONNECTIONS_MAX": str(CONNECTIONS_MAX), "HEADER_TIMEOUT_MS": "1000", "WRITE_TIMEOUT_MS": "500"}
    environment = {**clean_environment(), "DATA_DIR": str(directory), "WEB_PORT": str(port), **limits}
    process = Process(["webapp"], environment, directory / "web.log")
    await process.wait_until(lambda: responds(f"http://127.0.0.1:{port}"), "web app")
    yield port
    await process.stop()
    assert process.output() == ""  # No request caused an error.


def connect(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=HTTP_TIMEOUT_S)
    connection.sendall(sent)
    return connection


@pytest.mark.parametrize(("method", "path", "status"), STRANGE, ids=[f"{each[0]} {each[1][:40]}" for each in STRANGE])
async def test_every_response_has_the_security_headers(port: int, method: str, path: str, status: int) -> None:
    with connect(port, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()) as connection:
        received = b""
        while part := connection.recv(65_536):
            received += part
    first, *lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(first.split(" ")[1]) == status
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert "x-injected" not in headers


@pytest.mark.parametrize("headers", [{"Range": "bytes=x"}, {"If-Modified-Since": "no date"}, {"If-None-Match": '"'}])
async def test_strange_headers_get_the_page(port: int, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=PLAIN_HTTP) as http:
        response = await http.get("/", headers=headers)
    assert response.status_code == 200
    assert response.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\nX-Slow: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"],
    ids=["idle", "slow headers", "slow body"],
)
async def test_slow_connections_do_not_stop_visitors(port: int, sent: bytes) -> None:
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(connect(port, sent)) for _ in range(2 * CONNECTIONS_MAX)]
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", verify=PLAIN_HTTP, timeout=HTTP_TIMEOUT_S
        ) as http:
            assert (await http.get("/")).status_code == 200
        for connection in connections:
            with contextlib.suppress(ConnectionResetError):
                while connection.recv(65_536):  # Until the server closes the connection.
                    pass


async def test_clients_that_never_read_do_not_stop_visitors(port: int) -> None:
    client = ROOT / ".web" / "build" / "client"
    script = max((client / "assets").glob("*.js"), key=lambda path: path.stat().st_size)
    request = f"GET /assets/{script.name} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with contextlib.ExitStack() as opened:
        for _ in range(2 * CONNECTIONS_MAX):
            opened.enter_context(connect(port, request * 100))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", verify=PLAIN_HTTP, timeout=HTTP_TIMEOUT_S
        ) as http:
            assert (await http.get("/")).status_code == 200


async def test_the_web_server_has_no_websocket(port: int) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + "A" * 22
    for path in ("/", "/_event/", "/_event/?EIO=4&transport=websocket", "/_upload"):
        with connect(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}==\r\n\r\n".encode()) as connection:
            assert int(connection.recv(65_536).split(b" ", 2)[1]) in {200, 404}
