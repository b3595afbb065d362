"""Messages of HTTP/1.1 that uvicorn alone would serve without a limit, or in another way."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.server.refusals import Refusals, refusal
from api.server.sockets import open_listener
from api.server.uvicorn_patch import HEADERS_BYTES_MAX, HEADERS_MAX, PIPELINED_MAX, LimitedProtocol, Port, Server
from tests.stack import eventually

TIMEOUT_S = 30.0
LONG_S = 600.0
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
REFUSALS = Refusals(malformed=refusal(body=b"malformed"), oversized=refusal(body=b"oversized"))


class App:
    """Responds with the path, the number of the request, its headers and its body, once `may_respond` is set."""

    def __init__(self) -> None:
        self.may_respond = asyncio.Event()
        self.may_respond.set()
        self.requests: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        self.requests.append(scope)
        number = len(self.requests)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message.get("more_body", False)
        await self.may_respond.wait()
        text = b"%d %b %b;" % (number, scope["path"].encode(), body)
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


class Client:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self._reader.readuntil(end), TIMEOUT_S)

    async def all(self) -> bytes:
        """Return everything until the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            return await asyncio.wait_for(self._reader.read(), TIMEOUT_S)
        return b""


class Running:
    """A running server."""

    def __init__(self, app: App, server: Server, port: int) -> None:
        self.app = app
        self.server = server
        self._port = port

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def running(header_timeout_s: float = LONG_S, protocol: Any = LimitedProtocol) -> AsyncIterator[Running]:
    app = App()
    listener = open_listener("127.0.0.1", 0, write_timeout_ms=60_000)
    port = Port(listener, app, 100, header_timeout_s, LONG_S, REFUSALS, protocol)
    server = Server([port])
    before = signal.getsignal(signal.SIGTERM)
    task = asyncio.create_task(server.serve())
    try:
        yield Running(app, server, listener.getsockname()[1])
    finally:
        app.may_respond.set()
        server.stop()
        await asyncio.wait_for(task, TIMEOUT_S)
    assert signal.getsignal(signal.SIGTERM) == before
    assert listener.fileno() == -1


async def test_a_response_is_sent_in_one_piece() -> None:
    async with running() as system, system.connection() as client:
        await client.send(GET)
        assert await client.until(b"1 / ;")


@pytest.mark.parametrize("parts", [1, 3])
async def test_pipelined_requests_get_responses_in_their_order(parts: int) -> None:
    async with running() as system, system.connection() as client:
        sent = b"".join(GET.replace(b"/", b"/%d" % number, 1) for number in range(6))
        size = len(sent) // parts + 1
        for start in range(0, len(sent), size):
            await client.send(sent[start : start + size])
            await asyncio.sleep(0.01)
        received = b"".join([await client.until(b"%d /%d ;" % (number + 1, number)) for number in range(6)])
        assert received.count(b"HTTP/1.1 200") == 6


async def test_too_many_pipelined_requests_end_the_connection() -> None:
    async with running() as system, system.connection() as client:
        system.app.may_respond.clear()
        await client.send(GET * (PIPELINED_MAX + 10))
        await asyncio.sleep(0.01)
        system.app.may_respond.set()
        assert (await client.all()).count(b"200 OK") == PIPELINED_MAX + 1


@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\nX-Long: ", b"GET /", GET + GET + b"GET / HTTP/1.1\r\n"],
    ids=["header", "path", "later"],
)
async def test_long_headers_are_refused(first: bytes) -> None:
    async with running() as system, system.connection() as client:
        await client.send(first)
        await client.until(b"2 / ;") if first.startswith(GET) else await asyncio.sleep(0.05)
        filler = b"a: b\r\n" * 1000 if first.startswith(GET) else b"a" * 6000
        for _ in range(HEADERS_BYTES_MAX // len(filler) + 2):
            await client.send(filler)
        assert (await client.all()).endswith(b"oversized")


@pytest.mark.parametrize(
    ("size", "number", "response"),
    [
        (HEADERS_BYTES_MAX - 100, 3, b"2 / ;"),
        (HEADERS_BYTES_MAX, 3, b"oversized"),
        (HEADERS_MAX, HEADERS_MAX, b"2 / ;"),
        (HEADERS_MAX, HEADERS_MAX + 1, b"oversized"),
    ],
    ids=["long", "too long", "many", "too many"],
)
async def test_the_limits_of_headers_are_exact(size: int, number: int, response: bytes) -> None:
    headers = b"".join(b"a: %b\r\n" % (b"b" * (size // (number - 1))) for _ in range(number - 1))
    async with running() as system, system.connection() as client:
        await client.send(GET[:-2] + headers + b"\r\n" + GET[:-2] + b"Connection: close\r\n\r\n")
        assert (await client.all()).endswith(response)


async def test_long_headers_behind_a_request_in_progress_are_not_read() -> None:
    async with running() as system, system.connection() as client:
        system.app.may_respond.clear()
        await client.send(GET + b"GET / HTTP/1.1\r\nX-Long: ")
        for _ in range(8):
            await client.send(b"a" * (HEADERS_BYTES_MAX // 2))
        connections = system.server.server_state.connections
        assert await asyncio.to_thread(eventually, lambda: [c.transport.is_reading() for c in connections] == [False])
        system.app.may_respond.set()
        received = await client.all()
        assert received.endswith(b"1 / ;") or not received  # The kernel may discard the response with the unread data.
        assert len(system.app.requests) == 1


async def test_long_trailers_are_refused() -> None:
    async with running() as system, system.connection() as client:
        await client.send(POST + b"\r\n1\r\na\r\n0\r\nX-Long: ")
        assert await asyncio.to_thread(eventually, lambda: bool(system.app.requests))
        for _ in range(3):  # The data that arrives with the body does not count.
            await client.send(b"a" * (HEADERS_BYTES_MAX // 2))
        assert (await client.all()).endswith(b"oversized")


async def test_long_bodies_and_many_requests_do_not_count_as_headers() -> None:
    async with running() as system, system.connection() as client:
        await client.send(POST + b"\r\n")
        for _ in range(3):
            await client.send(b"%x\r\n%b\r\n" % (HEADERS_BYTES_MAX, b"a" * HEADERS_BYTES_MAX))
        await client.send(b"0\r\n\r\n")
        assert len(await client.until(b"a;")) > 3 * HEADERS_BYTES_MAX
        for number in range(2, 20):
            await client.send(GET[:-2] + b"X-Long: " + b"a" * 8000 + b"\r\n\r\n")
            await client.until(b"%d / ;" % number)


async def test_trailers_are_not_headers() -> None:
    async with running() as system, system.connection() as client:
        system.app.may_respond.clear()
        await client.send(POST + b"\r\n1\r\na\r\n0\r\nContent-Type: forged\r\nX-Trailer: 1\r\n\r\n")
        system.app.may_respond.set()
        assert await client.until(b"1 / a;")
        assert [name for name, _ in system.app.requests[0]["headers"]] == [b"host", b"transfer-encoding"]
        await client.send(GET)
        assert await client.until(b"2 / ;")
        assert [name for name, _ in system.app.requests[1]["headers"]] == [b"host"]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"WORD / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        POST.replace(b"1.1", b"1.0") + b"\r\n",
    ],
)
async def test_malformed_requests_are_refused(sent: bytes) -> None:
    async with running() as system, system.connection() as client:
        await client.send(GET)
        await client.until(b"1 / ;")
        await client.send(sent)
        assert (await client.all()).endswith(b"malformed")


async def test_a_broken_body_is_refused_for_the_application() -> None:
    async with running() as system, system.connection() as client:
        await client.send(POST + b"\r\n1\r\na\r\nzz\r\n")
        assert (await client.all()).endswith(b"malformed")


@pytest.mark.parametrize("parts", [(GET, b"hello\r\n\r\n"), (GET + b"hello\r\n\r\n",)], ids=["apart", "together"])
async def test_a_request_before_a_malformed_one_gets_its_response(parts: tuple[bytes, ...]) -> None:
    async with running() as system, system.connection() as client:
        system.app.may_respond.clear()
        for part in parts:
            await client.send(part)
            await asyncio.sleep(0.01)
        system.app.may_respond.set()
        received = await client.all()
        assert received.endswith(b"1 / ;")
        assert b"malformed" not in received


@pytest.mark.parametrize("earlier", [1, 2])
async def test_requests_before_a_broken_body_get_their_responses(earlier: int) -> None:
    async with running() as system, system.connection() as client:
        system.app.may_respond.clear()
        await client.send(GET * earlier + POST + b"\r\nzz\r\n")
        await asyncio.sleep(0.01)
        system.app.may_respond.set()
        received = await client.all()
        assert received.count(b"200 OK") == earlier
        assert received.endswith(b"%d / ;" % earlier)


async def test_an_expected_continuation_is_sent_once() -> None:
    async with running() as system, system.connection() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"a")
        assert (await client.until(b"1 / a;")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_an_upgrade_is_ignored(protocol: bytes) -> None:
    async with running() as system, system.connection() as client:
        # uvicorn drops the second request, so the response tells the client that the connection ends.
        await client.send(GET[:-2] + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n" + GET)
        received = await client.all()
        assert received.endswith(b"1 / ;")
        assert b"connection: close" in received


@pytest.mark.parametrize(("version", "close"), [(b"1.0", b""), (b"1.1", b"Connection: close\r\n")])
async def test_the_connection_ends_where_the_client_does_not_keep_it(version: bytes, close: bytes) -> None:
    async with running() as system, system.connection() as client:
        await client.send(b"GET / HTTP/" + version + b"\r\nHost: x\r\n" + close + b"\r\n")
        received = await client.all()
        assert received.endswith(b"1 / ;")
        assert b"connection: close" in received


@pytest.mark.parametrize(
    "sent", [b"", GET[:10], GET, GET + GET[:10]], ids=["nothing", "a part", "one", "one and a part"]
)
async def test_late_headers_end_the_connection(sent: bytes) -> None:
    async with running(header_timeout_s=0.05) as system, system.connection() as client:
        await client.send(sent)
        assert (await client.all()).count(b"200 OK") == sent.count(GET)


async def test_a_request_in_progress_is_not_late() -> None:
    async with running(header_timeout_s=0.05) as system, system.connection() as client:
        system.app.may_respond.clear()
        await client.send(GET + GET)
        await asyncio.sleep(0.2)
        system.app.may_respond.set()
        assert await client.until(b"2 / ;")
        assert await client.all() == b""


async def test_a_stop_finishes_the_requests_in_progress() -> None:
    async with running() as system, system.connection() as client, system.connection() as idle:
        system.app.may_respond.clear()
        await client.send(GET)
        await idle.send(GET[:10])
        assert await asyncio.to_thread(eventually, lambda: bool(system.app.requests))
        system.server.stop()
        assert await idle.all() == b""
        system.app.may_respond.set()
        received = await client.all()
        assert received.endswith(b"1 / ;")
        assert b"connection: close" in received
