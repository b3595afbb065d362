"""All connections of the API's port are in use: operators and buyers still get responses there."""

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, client_of, running_system
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, POLL_S, Stack

pytestmark = pytest.mark.xdist_group("full-port")

CONNECTIONS_MAX = 12
WAITING = 4
"""Connections beyond the limit. One search finds room for all of them."""
LONG_MS = "600000"
"""A limit of a connection's own that no test reaches."""
HOST = b"Host: localhost\r\n"
SILENT = {
    "idle": b"",
    "idle after a request": b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n",
    "slow headers": b"GET /api/events HTTP/1.1\r\nX-Slow: ",
    "slow body": b"POST /api/bookings HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{",
    "unread responses": 4 * (b"GET /schema-assets/swagger-ui-bundle.js HTTP/1.1\r\n" + HOST + b"\r\n"),
}


@pytest.fixture(scope="module")
def stack(server: EmbeddedServer) -> Iterator[Stack]:
    limits = dict.fromkeys(("HEADER_TIMEOUT_MS", "BODY_TIMEOUT_MS", "WRITE_TIMEOUT_MS"), LONG_MS)
    short = {"BOOKING_WAIT_MS": "500", "STATEMENT_TIMEOUT_MS": "500"}
    with running_system(server, CONNECTIONS_MAX=str(CONNECTIONS_MAX), **limits, **short) as stack:
        yield stack
        assert "Traceback" not in stack.logs()
        assert "All connections are in use" in stack.logs()


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with client_of(stack) as client:
        yield client


def connect(stack: Stack, sent: bytes) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(HTTP_TIMEOUT_S)
    connection.connect(("127.0.0.1", stack.api_port))
    connection.sendall(sent)
    return connection


def get(stack: Stack, path: str) -> httpx.Response:
    return httpx.get(f"{stack.api_url}{path}", timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP)


@pytest.mark.parametrize("sent", SILENT.values(), ids=SILENT)
def test_operators_and_buyers_get_responses(stack: Stack, client: httpx.Client, sent: bytes) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(CONNECTIONS_MAX + WAITING):
            opened.enter_context(connect(stack, sent))
        for path in ("/health/ready", "/health/live", "/health/system", "/metrics"):
            assert get(stack, path).status_code == 200
        assert Buyer(client).book().status_code == 201


def test_a_connection_in_use_stays_open(stack: Stack) -> None:
    request = b"GET /health/live HTTP/1.1\r\n" + HOST + b"\r\n"
    with connect(stack, b"") as used, contextlib.ExitStack() as opened, ThreadPoolExecutor() as executor:
        for _ in range(CONNECTIONS_MAX + WAITING):
            opened.enter_context(connect(stack, b""))
        checking = executor.submit(get, stack, "/health/ready")
        while not checking.done():
            used.sendall(request)
            assert used.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(POLL_S)
        assert checking.result().status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
@pytest.mark.parametrize("path", ["/metrics", "/health/system"])
def test_a_proxy_passes_nothing_for_operators_on(client: httpx.Client, path: str, header: str) -> None:
    assert client.get(path).status_code == 200
    assert_problem(client.get(path, headers={header: "for=127.0.0.1"}), 403, "forbidden")
    assert client.get("/health/ready", headers={header: "for=127.0.0.1"}).status_code == 200
