"""Requests served below ASGI: over a real connection, their responses equal the framework's to the byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from schemathesis import GenerationMode

from api import fast_path
from api.app import connection_refusals, create_app, protocol_of
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.fast_path import HARMLESS, HARMLESS_WITH_BODY
from api.routes import bookings, tickets
from api.schemas import BUILT_IN_EVENT
from api.server.sockets import open_listener
from api.server.uvicorn_patch import LimitedProtocol, Port, Server
from tests.acceptance.test_fast_path import FORMATS, HOST, HOT, Sent, book, generated
from tests.stack import HTTP_TIMEOUT_S, cloned_database, temporary_directory

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("fast_protocol")]

AVAILABILITY = Sent("GET", tickets.AVAILABILITY)


class Received(NamedTuple):
    """A response without its date."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def as_of(self) -> bytes | None:
        return dict(self.headers).get(b"x-as-of")


class Wire:
    """A server with two ports: one whose protocol serves simple requests, one without it and the fast path."""

    def __init__(self, listeners: Sequence[Any], application: Any) -> None:
        self.fast_port, self.framework_port = (listener.getsockname()[1] for listener in listeners)
        self.asgi_calls = 0
        self._application = application

    async def counted(self, scope: Any, receive: Any, send: Any) -> None:
        self.asgi_calls += scope["type"] == "http"
        await self._application(scope, receive, send)

    async def send(self, port: int, *parts: bytes, responses: int = 1) -> list[Received]:
        """Send the parts of one or more requests; return the responses."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(HTTP_TIMEOUT_S):
                for part in parts:
                    writer.write(part)
                    await asyncio.sleep(0.005 if len(parts) > 1 else 0)
                return [await _receive(reader, parts[0].startswith(b"HEAD")) for _ in range(responses)]
        finally:
            writer.transport.abort()

    async def compare(self, sent: Sent) -> tuple[Received, bool]:
        """Assert that both ports send the same response; return it, and True if it was sent below ASGI."""
        request = encoded(sent)
        if sent.method == "POST":
            await self.send(self.framework_port, request)  # Afterwards both ports handle a repeat.
        while True:
            calls = self.asgi_calls
            (received,) = await self.send(self.fast_port, request)
            is_fast = self.asgi_calls == calls and received.body != _malformed_body()
            (expected,) = await self.send(self.framework_port, request)
            if received.as_of == expected.as_of:  # Otherwise a new snapshot appeared between the two.
                break
        assert received == expected, sent
        return received, is_fast


def _malformed_body() -> bytes:
    return connection_refusals().malformed.partition(b"\r\n\r\n")[2]


async def _receive(reader: asyncio.StreamReader, is_head: bool) -> Received:  # noqa: FBT001
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    status = int(first.split(b" ")[1])
    length = 0 if is_head or status == 304 else int(dict(headers)[b"content-length"])
    return Received(status, sorted(each for each in headers if each[0] != b"date"), await reader.readexactly(length))


def encoded(sent: Sent) -> bytes:
    """Return a request as a client sends it."""
    target = sent.path.encode() + (b"?" + sent.query if sent.query else b"")
    headers = [*(() if b"host" in dict(sent.headers) else [HOST]), *sent.headers]
    lines = [b"%b %b HTTP/1.1" % (sent.method.encode(), target), *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"", sent.body])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(server: EmbeddedServer) -> AsyncIterator[Wire]:
    with cloned_database(server) as url, temporary_directory() as directory:
        options = Settings(database_url=url, data_dir=directory, endpoint_rps=0, bookings_per_minute=0)
        app = create_app(options)
        listeners = [open_listener("127.0.0.1", 0, write_timeout_ms=60_000) for _ in range(2)]
        wire = Wire(listeners, app)
        served = ((wire.counted, protocol_of(app)), (app.framework, LimitedProtocol))
        ports = [
            Port(listener, application, 1000, 600.0, 600.0, connection_refusals(), protocol)
            for listener, (application, protocol) in zip(listeners, served, strict=True)
        ]
        running = Server(ports)
        task = asyncio.create_task(running.serve())
        try:
            await wire.send(wire.fast_port, encoded(AVAILABILITY))
            yield wire
        finally:
            running.stop()
            await task


def simple(method: str, path: str) -> Sent:
    return book("key-1") if method == "POST" else Sent(method, path.format(slug=BUILT_IN_EVENT))


@pytest.mark.parametrize(("method", "path"), HOT)
async def test_a_simple_request_needs_no_asgi(wire: Wire, method: str, path: str) -> None:
    received, is_fast = await wire.compare(simple(method, path))
    assert (received.status, is_fast) == (201 if method == "POST" else 200, True)


async def test_the_secret_of_a_booking_needs_no_asgi(wire: Wire) -> None:
    secret, foreign = "s" * 43, "t" * 43
    received, is_fast = await wire.compare(book("key-secret").with_headers((b"booking-secret", secret.encode())))
    assert (received.status, is_fast) == (201, True)
    assert json.loads(received.body)["bookingSecret"] == secret
    received, is_fast = await wire.compare(book("key-secret").with_headers((b"booking-secret", foreign.encode())))
    assert (received.status, is_fast) == (422, True)


@pytest.mark.parametrize("name", sorted(HARMLESS_WITH_BODY))
async def test_a_listed_header_has_the_same_effect(wire: Wire, name: bytes) -> None:
    requests = [*([AVAILABILITY] if name in HARMLESS else ()), book("key-1"), book("key-1", tier="Balcony")]
    values = FORMATS.get(name, (b"a value", b"\xe4, ?1;q=0.5", b""))
    compared = [await wire.compare(sent.with_headers((name, value))) for sent in requests for value in values]
    if name not in {b"content-type", b"content-length"}:
        assert any(is_fast for _, is_fast in compared)


@pytest.mark.parametrize(
    "headers",
    [
        ((b"authorization", b"Bearer x"),),
        ((b"x-unknown", b"1"),),
        ((b"transfer-encoding", b"chunked"),),
        ((b"accept-encoding", b"gzip"), (b"accept-encoding", b"identity")),
        ((b"origin", b"https://elsewhere.example"),),
        ((b"host", b"odd host/?"),),
        ((b"connection", b"close"),),
    ],
    ids=str,
)
@pytest.mark.parametrize("sent", [AVAILABILITY, book("key-1")], ids=["GET", "POST"])
async def test_a_request_with_any_other_header_goes_to_the_application(
    wire: Wire, sent: Sent, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    if sent.method == "GET" and headers[0][0] == b"transfer-encoding":
        sent = sent._replace(body=b"0\r\n\r\n")
    assert not (await wire.compare(sent.with_headers(*headers)))[1]


@pytest.mark.parametrize(
    "sent",
    [
        Sent("GET", tickets.AVAILABILITY, b"event="),
        Sent("GET", tickets.AVAILABILITY, b"event=a%20b"),
        Sent("GET", tickets.AVAILABILITY, b"event=" + b"e" * 129),
        Sent("GET", tickets.AVAILABILITY.replace("/tickets", "/%74ickets")),
        Sent("HEAD", tickets.AVAILABILITY),
        Sent("GET", f"/api/events/-{BUILT_IN_EVENT}-"),
        Sent("GET", bookings.BOOKINGS, b"userId=u"),
        book("key-1", quantity="2"),
        book("key-1", userId="u" * 20_000),
        book("key-1").with_headers((b"content-type", b"text/plain")),
        book("key-1").with_headers((b"sec-fetch-site", b"cross-site")),
    ],
    ids=lambda sent: f"{sent.method} {sent.path} {sent.query[:20]!r}",
)
async def test_a_request_that_is_not_simple_goes_to_the_application(wire: Wire, sent: Sent) -> None:
    received, is_fast = await wire.compare(sent)
    # The path of an encoded letter is decoded before the application's own fast path.
    assert received.status == (200 if sent.method == "HEAD" or "%74" in sent.path else received.status)
    assert not is_fast


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *((*endpoint, GenerationMode.POSITIVE) for endpoint in HOT),
        ("GET", tickets.AVAILABILITY, GenerationMode.NEGATIVE),
        ("POST", bookings.BOOKINGS, GenerationMode.NEGATIVE),
    ],
)
async def test_generated_requests_get_the_same_response(
    wire: Wire, method: str, path: str, mode: GenerationMode
) -> None:
    requests = [sent for sent in generated(method, path, mode) if is_sendable(sent)]
    compared = [await wire.compare(sent) for sent in requests]
    if mode is GenerationMode.POSITIVE:
        assert {200, 201} & {received.status for received, is_fast in compared if is_fast}


def is_sendable(sent: Sent) -> bool:
    """Return True if the line of the request has no character that would end it."""
    return not any(character in sent.path for character in " ?#\r\n\t") and sent.path.isascii()


async def test_a_body_in_several_parts_gets_the_same_response(wire: Wire) -> None:
    request = encoded(book("key-1"))
    (expected,) = await wire.send(wire.framework_port, request)
    (expected,) = await wire.send(wire.framework_port, request)
    end_of_headers = request.index(b"\r\n\r\n") + 4
    for cut in (1, 20, end_of_headers - 2, end_of_headers, end_of_headers + 1, len(request) - 1):
        assert await wire.send(wire.fast_port, request[:cut], request[cut:]) == [expected], cut


async def test_pipelined_requests_get_responses_in_their_order(wire: Wire) -> None:
    booking = book("pipelined")
    requests = [booking, AVAILABILITY, Sent("GET", "/health/live"), booking, AVAILABILITY]
    received = await wire.send(wire.fast_port, b"".join(map(encoded, requests)), responses=len(requests))
    assert [each.status for each in received] == [201, 200, 200, 201, 200]
    bodies = [each.body[:10] for each in received]
    assert bodies[0] == bodies[3] != bodies[1] == bodies[4]
    assert received[2].body.startswith(b'{"status":"live"')
    in_parts = encoded(AVAILABILITY) + encoded(booking)[:-5]
    first, second = await wire.send(wire.fast_port, in_parts, encoded(booking)[-5:], responses=2)
    assert (first.status, second.status) == (200, 201)


async def test_a_stop_waits_for_a_booking_below_asgi(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with cloned_database(server) as url, temporary_directory() as directory, contextlib.ExitStack() as opened:
        app = create_app(Settings(database_url=url, data_dir=directory, bookings_per_minute=0))
        began, may_end = asyncio.Event(), asyncio.Event()
        respond = app.respond

        async def slow(request: Any) -> Any:
            began.set()
            await may_end.wait()
            return await respond(request)

        monkeypatch.setattr(app, "respond", slow)
        listener = opened.enter_context(open_listener("127.0.0.1", 0, write_timeout_ms=60_000))
        wire = Wire([listener, listener], app)
        port = Port(listener, app, 10, 600.0, 600.0, connection_refusals(), protocol_of(app))
        running = Server([port])
        serving = asyncio.create_task(running.serve())
        booking = asyncio.create_task(wire.send(wire.fast_port, encoded(book("key-1"))))
        await began.wait()
        running.stop()
        await asyncio.sleep(0.3)
        may_end.set()
        ((received,), _) = await asyncio.gather(booking, serving)
        assert received.status == 201
        assert dict(received.headers)[b"connection"] == b"close"


@pytest.mark.parametrize("differ", ["body", "header"])
async def test_another_response_is_found(wire: Wire, differ: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = fast_path._cached

    def different(*arguments: Any) -> Any:
        response = cached(*arguments)
        if differ == "body":
            return response._replace(body=response.body + b" ")
        return response._replace(headers={**response.headers, "X-More": "1"})

    monkeypatch.setattr(fast_path, "_cached", different)
    with pytest.raises(AssertionError):
        await wire.compare(AVAILABILITY)
