"""A uvicorn server with limits for connections, several ports and the signal handlers of its process.

uvicorn has no limit for the time of a request's headers, their size, pipelined requests or waiting connections. So the
classes override undocumented methods and use undocumented attributes.

On an upgrade of uvicorn compare `HttpToolsProtocol` and `RequestResponseCycle` in
`uvicorn/protocols/http/httptools_impl.py`, and `Server` in `uvicorn/server.py`. `api/fast_protocol.py` overrides the
same callbacks. Then run `tests/unit/server`, `tests/acceptance/endpoints`, `tests/acceptance/test_fast_protocol.py`,
`tests/acceptance/test_connections.py`, `tests/acceptance/test_full_port.py`, `tests/acceptance/test_shutdown.py` and
`tests/faults/test_processes.py`, and change `VERSION`.
"""

import asyncio
import contextlib
import importlib.metadata
import math
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.server.acceptor import Acceptor, Connection
from api.server.deadlines import Deadlines
from api.server.joined_writes import JoinedWrites
from api.server.refusals import BARE_REFUSALS, Refusals

VERSION = "0.54"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("uvicorn")).startswith(f"{VERSION}."):
    raise ImportError(f"uvicorn {_installed} is not {VERSION}: check {__name__} first")

HEADERS_BYTES_MAX = 65_536
"""Size of a request's target, headers and trailers, in bytes. A request with more is refused."""
HEADERS_MAX = 100
"""Number of a request's headers. A request with more is refused."""
PIPELINED_MAX = 64
"""Requests of one connection that may wait for the response to an earlier one. `FastProtocol` serves some at once."""


class LimitedProtocol(HttpToolsProtocol, Connection):
    """A connection whose headers arrive in time and have a limited size."""

    transport: Any
    """A `JoinedWrites`, which has the interface of a transport."""

    def __init__(self, *arguments: Any, acceptor: Acceptor, deadlines: Deadlines, refusals: Refusals) -> None:
        super().__init__(*arguments)
        self._acceptor = acceptor
        self._deadlines = deadlines
        """The deadlines for the headers of each connection's next request."""
        self._refusals = refusals
        self._unread_bytes = 0
        """Bytes that arrived since the last complete part of a request, which the parser may keep."""
        self._fields_bytes = 0
        """Bytes of the request's target, headers and trailers."""
        self._is_oversized = False
        self._is_refused = False
        self._previous: Any = None
        """The cycle of the request before the last one."""
        self._active_since = 0.0
        self._unsent_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Start the time for the first request."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        self._active_since = self.loop.time()
        self._deadlines.start(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection's slot."""
        self._deadlines.end(self)
        self._acceptor.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse a part of a request. Data behind a refused request is discarded."""
        if self._is_refused:
            return
        self._active_since = self.loop.time()
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > HEADERS_BYTES_MAX:
            self._refuse(self._refusals.oversized)

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a request."""
        self._fields_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a part of the request's target.

        Raises:
            RefusedError: the target is too long.
        """
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header, or discard a trailer.

        Raises:
            RefusedError: the headers are too long or too many.
        """
        self._count(len(name) + len(value), number=len(self.headers) + 1)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the time for the headers, and begin the request.

        Raises:
            RefusedError: too many requests wait, or the request is not HTTP/1.
        """
        self.end_part()
        self._deadlines.end(self)
        version = self.parser.get_http_version()
        has_encoding = any(name == b"transfer-encoding" for name, _ in self.headers)
        if len(self.pipeline) >= PIPELINED_MAX or version not in ("1.0", "1.1") or (version == "1.0" and has_encoding):
            raise RefusedError
        self._previous = self.cycle
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # The parser stops here, and uvicorn drops the data behind the request.
        self.headers = _NO_TRAILERS  # The list remains a part of the request.

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self.end_part()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self.end_part()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the time for the next request, unless that has arrived already."""
        super().on_response_complete()
        self._active_since = self.loop.time()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._deadlines.start(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text
        """Refuse a malformed request, or one that a callback of the parser has refused."""
        self._refuse(self._refusals.oversized if self._is_oversized else self._refusals.malformed)

    def is_free(self) -> bool:
        """Return True if a response may be written now: no other is under way, and the connection stays open."""
        cycle = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and self.parser.get_http_version() == "1.1"
            and bool(self.parser.should_keep_alive())
        )

    def await_headers(self) -> None:
        """Start the time for the headers of the next request."""
        self._deadlines.start(self)

    def end_part(self) -> None:
        """Reset the count of unread bytes, because the parser has passed on a complete part of a request."""
        self._unread_bytes = 0

    def begin_response(self) -> "PendingResponse":
        """Take the place of the application for a complete request. Later requests wait for `end_response`."""
        self._deadlines.end(self)
        pending = PendingResponse()
        self.cycle = pending  # type: ignore[assignment]
        return pending

    def run_response(self, response: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that ends with `end_response`. The server's stop waits for it."""
        task = self.loop.create_task(response)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def end_response(self, pending: "PendingResponse", response: bytes) -> None:
        """Write a complete response, and begin the next request if one waits."""
        pending.response_complete = True
        if not self.transport.is_closing():
            self.transport.write(response)
            if not pending.keep_alive:
                self.transport.close()
        self.on_response_complete()

    def abandon_response(self, pending: "PendingResponse") -> None:
        """Close the connection without the response."""
        pending.response_complete = True
        self.transport.close()

    def expire(self) -> None:
        """Close the connection, because the headers of its next request are late."""
        self.transport.close()

    def active_since(self) -> float:
        """Return the time at which data was last received, a response ended, or unsent data decreased."""
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            self._unsent_bytes = unsent_bytes
            self._active_since = self.loop.time()
        return self._active_since

    def close_silent(self) -> None:
        """Close the connection. The kernel still sends the data that it has accepted."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _count(self, size: int, number: int = 0) -> None:
        self._fields_bytes += size
        if self._fields_bytes > HEADERS_BYTES_MAX or number > HEADERS_MAX:
            self._is_oversized = True
            raise RefusedError

    def _refuse(self, response: bytes) -> None:
        """Send a response and close the connection. Earlier requests get their responses before its end."""
        self._is_refused = True
        self.flow.pause_reading()
        if self.pipeline and self.cycle.more_body:
            self.pipeline.popleft()  # It is the last request, whose body is broken.
            self.cycle = self._previous
        cycle = self.cycle
        is_next = cycle is None or cycle.response_complete
        if not is_next and not cycle.more_body:
            cycle.keep_alive = False
            return
        has_begun = not is_next and (cycle.response_started or self.pipeline)
        if not has_begun and not self.transport.is_closing():
            self.transport.write(response)
        self.transport.close()


class RefusedError(Exception):
    """A callback of the parser refuses a request. The parser reports the error as a malformed request."""


class PendingResponse:
    """A response of the protocol itself, with the attributes of a `RequestResponseCycle` that uvicorn uses."""

    def __init__(self) -> None:
        self.keep_alive = True
        """uvicorn sets it to False when the server stops."""
        self.response_complete = False
        self.response_started = True
        self.disconnected = False
        self.more_body = False
        self.message_event = asyncio.Event()
        """uvicorn sets it when the connection ends. `end_response` checks the transport instead."""


class _NoTrailers(list[tuple[bytes, bytes]]):
    """Discards the trailers of a request, which would become headers."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Discard a trailer."""


_NO_TRAILERS: Final = _NoTrailers()


class Port(NamedTuple):
    """An application behind a listening socket."""

    listener: socket.socket
    app: Any
    """An ASGI application."""
    connections_max: int
    header_timeout_s: float
    """Time in which a connection must send the next request's headers."""
    silence_min_s: float
    """Time after which a silent connection is closed for one that waits."""
    refusals: Refusals = BARE_REFUSALS
    protocol: Callable[..., LimitedProtocol] = LimitedProtocol


class Server(uvicorn.Server):
    """A server of several ports in one event loop. The lifespan is that of the first port's application.

    The process installs its own signal handlers, which call `stop`.
    """

    def __init__(self, ports: Sequence[Port], *, finish_within_s: int | None = None) -> None:
        """Prepare a server.

        Args:
            ports: the ports; there is at least one.
            finish_within_s: time after which a stopped server cancels its requests; None for no limit.
        """
        self._ports = ports
        self._configs = [_config(port, "on" if port is ports[0] else "off", finish_within_s) for port in ports]
        self._acceptors: list[Acceptor] = []
        super().__init__(self._configs[0])

    def stop(self) -> None:
        """Finish the requests in progress and return from `run`. A signal handler may call this method."""
        self.should_exit = True

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """Leave the signal handlers unchanged. uvicorn's own would replace those of the process."""
        return contextlib.nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin the lifespan, then accept connections."""
        await super().startup(sockets=sockets or [])
        for port, config in zip(self._ports, self._configs, strict=True):
            if not config.loaded:
                config.load()
            self._acceptors.append(self._accept(port, config))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no further connection, finish the requests, and end the lifespan."""
        for acceptor in self._acceptors:
            await acceptor.stop()
        await super().shutdown(sockets=sockets)

    def _accept(self, port: Port, config: uvicorn.Config) -> Acceptor:
        def new_connection() -> LimitedProtocol:
            # All ports share the state, so the shutdown waits for the connections of each.
            return port.protocol(
                *(config, self.server_state, self.lifespan.state),
                acceptor=acceptor,
                deadlines=deadlines,
                refusals=port.refusals,
            )

        deadlines = Deadlines(port.header_timeout_s)
        acceptor = Acceptor(
            port.listener,
            new_connection,
            connections_max=port.connections_max,
            silence_min_s=port.silence_min_s,
        )
        return acceptor


def _config(port: Port, lifespan: Any, finish_within_s: int | None) -> uvicorn.Config:
    return uvicorn.Config(
        port.app,
        loop="uvloop",
        http=port.protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan=lifespan,
        interface="asgi3",
        log_config=None,
        log_level="error",  # Clients could fill the log with uvicorn's warnings about their requests.
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=math.ceil(port.header_timeout_s),  # `Deadlines` is exact.
        timeout_graceful_shutdown=finish_within_s,
    )
