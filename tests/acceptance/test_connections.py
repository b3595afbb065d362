"""Slow, broken and useless connections: they end in time, and neither operators nor buyers notice them."""

import contextlib
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from api.payments.signatures import sign
from tests.acceptance.system import SECURITY_HEADERS, Buyer, assert_problem, client_of, running_system
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, Stack, free_port

pytestmark = pytest.mark.xdist_group("connections")

CONNECTIONS_MAX = 12
SECRET = "whsec_" + "A" * 40
BODY = b'{"tier": "GA", "quantity": 1, "userId": "u"}'
POST = b"POST /api/bookings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
UNREAD = b"GET /schema-assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20
"""Requests with more responses than the buffers of a connection can hold."""
SLOW_BODY = POST + b"Content-Length: 100\r\n\r\n" + BODY[:10]
BROKEN = [
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"5\r\n" + BODY[:5] + b"\r\nzz\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"-1\r\n",
    POST + b"X-Unlisted: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"5\r\n" + BODY[:9] + b"\r\n",
    POST.replace(b"/bookings", b"/bookings/r/cancel") + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    POST.replace(b"/bookings", b"/payments/webhook") + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
]
"""Requests whose body does not have the encoding of its header."""


@pytest.fixture(scope="module")
def stack(server: EmbeddedServer) -> Iterator[Stack]:
    settings = {
        "CONNECTIONS_MAX": str(CONNECTIONS_MAX),
        "HEADER_TIMEOUT_MS": "1000",
        "BODY_TIMEOUT_MS": "500",
        "WRITE_TIMEOUT_MS": "500",
        "OPERATIONS_PORT": str(free_port()),
        "PAYMENT_WEBHOOK_SECRET": SECRET,
    }
    with running_system(server, **settings) as stack:
        yield stack
        assert "Traceback" not in stack.logs()
        assert "failed" not in stack.logs()


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with client_of(stack) as client:
        yield client


def operations(stack: Stack, path: str) -> httpx.Response:
    url = f"http://127.0.0.1:{stack.environment['OPERATIONS_PORT']}{path}"
    return httpx.get(url, timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP)


def connect(stack: Stack, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", stack.api_port), timeout=HTTP_TIMEOUT_S)
    connection.sendall(sent)
    return connection


def receive_all(connection: socket.socket) -> bytes:
    """Return everything that the server sends until it closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            received += part
    return received


def problem_in(received: bytes) -> dict[str, object]:
    """Return the problem document of a raw response."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"x-content-type-options: nosniff" in head
    problem: dict[str, object] = json.loads(body)
    return problem


@pytest.mark.parametrize(
    "sent", [b"", b"GET /api/events HTTP/1.1\r\nX-Slow: ", SLOW_BODY], ids=["idle", "slow headers", "slow body"]
)
def test_operators_and_buyers_do_not_notice_slow_connections(stack: Stack, sent: bytes, client: httpx.Client) -> None:
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(connect(stack, sent)) for _ in range(3 * CONNECTIONS_MAX)]
        for path in ("/health/live", "/health/ready", "/health/system", "/metrics"):
            assert operations(stack, path).status_code == 200
        assert Buyer(client).book().status_code == 201
        received = [receive_all(connection) for connection in connections]
    assert not any(response.startswith(b"HTTP/1.1 2") for response in received)


def test_clients_that_never_read_do_not_stop_buyers(stack: Stack, client: httpx.Client) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(2 * CONNECTIONS_MAX):
            opened.enter_context(connect(stack, UNREAD))
        assert operations(stack, "/health/ready").status_code == 200
        assert Buyer(client).book().status_code == 201


def test_a_slow_request_after_another_one_ends_too(stack: Stack) -> None:
    with connect(stack, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /health/live HTTP/1.1\r\nX-Slow: ")
        assert receive_all(connection) in {b"", b"HTTP/1.1 408 Request Timeout"}


@pytest.mark.parametrize("unlisted", [b"", b"X-Unlisted: 1\r\n"], ids=["fast path", "framework"])
def test_a_late_body_gets_408_and_books_nothing(stack: Stack, unlisted: bytes) -> None:
    with connect(stack, SLOW_BODY.replace(b"Host:", unlisted + b"Host:")) as connection:
        received = receive_all(connection)
    assert received.startswith(b"HTTP/1.1 408 ")
    problem = problem_in(received)
    assert (problem["status"], problem["code"], problem["success"]) == (408, "request_timeout", False)


@pytest.mark.parametrize("sent", BROKEN)
def test_a_broken_body_gets_400(stack: Stack, sent: bytes) -> None:
    with connect(stack, sent) as connection:
        problem = problem_in(receive_all(connection))
    assert (problem["status"], problem["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("sent", [SLOW_BODY, SLOW_BODY.replace(b"Host:", b"X-Unlisted: 1\r\nHost:"), BROKEN[0][:-6]])
def test_a_client_that_leaves_during_its_body_causes_no_error(stack: Stack, sent: bytes, client: httpx.Client) -> None:
    connect(stack, sent).close()
    assert client.get("/health/live").status_code == 200  # The fixture checks the log.


def test_a_deeply_nested_webhook_is_refused(client: httpx.Client) -> None:
    for body in (b'{"type": ' + b"[" * 8000 + b"]" * 8000 + b"}", b"[" * 16_000, b'{"a":' * 3000):
        headers = sign(SECRET, "deep", body, datetime.now(UTC))
        assert_problem(client.post("/api/payments/webhook", content=body, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize("path", ["%00", "a%00.js", "%ff", "..%2f..%2fetc/passwd", "%2e%2e/x"])
def test_a_strange_path_of_a_file_is_not_found(client: httpx.Client, path: str) -> None:
    assert_problem(client.get(f"/schema-assets/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    "line",
    [
        "GET /api%2fevents",
        "GET /api/events/..%2f..%2fschema",
        "GET /_reflex/..%2fbookings/index.html",
        "GET //api/events",
        "GET /api/events/",
        "GET /schema/..%2f..%2fetc/passwd",
        "GET /schema/%00",
        "GET /api/bookings/%0d%0aX-Injected:1",
        "GET /%E2%82%AC",
        "GET http://elsewhere.example/api/events",
        "OPTIONS *",
        "OPTIONS /api/events",
        "TRACE /api/events",
        "BREW /api/bookings",
        "HEAD /api/events",
        "POST /health/live",
    ],
)
def test_every_response_has_the_security_headers(stack: Stack, line: str) -> None:
    with connect(stack, f"{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()) as connection:
        received = receive_all(connection)
    first, *lines = received.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(first.split(" ")[1]) in {200, 204, 400, 404, 405}
    assert {name: headers.get(name.lower()) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "x-injected" not in headers


def test_files_of_the_docs_are_compressed_and_sent_once(client: httpx.Client) -> None:
    path = "/schema-assets/swagger-ui-bundle.js"
    compressed, plain = (client.get(path, headers={"Accept-Encoding": kind}) for kind in ("gzip", "identity"))
    assert (compressed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert compressed.content == plain.content
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2
    assert plain.headers["content-type"].startswith("text/javascript")
    assert client.get(path, headers={"If-None-Match": plain.headers["etag"]}).status_code == 304


def test_the_port_of_operations_serves_operators_only(stack: Stack, client: httpx.Client) -> None:
    for path in ("/metrics", "/health/system"):
        assert_problem(client.get(path), 404, "not_found")
    for path in ("/health/live", "/health/ready"):
        assert client.get(path).status_code == 200
    for path in ("/api/events", "/schema", "/"):
        assert_problem(operations(stack, path), 404, "not_found")
    assert "http_requests_total" in operations(stack, "/metrics").text
    url = f"http://127.0.0.1:{stack.environment['OPERATIONS_PORT']}/health/ready"
    assert httpx.head(url, timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP).status_code == 200


def test_the_api_has_no_websocket(stack: Stack) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + "A" * 22
    for path in ("/", "/api/events", "/_event/", "/_event/?EIO=4&transport=websocket", "/ws"):
        with connect(stack, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}==\r\n\r\n".encode()) as connection:
            status = int(connection.recv(65_536).split(b" ", 2)[1])
        assert status in {200, 404}, path
