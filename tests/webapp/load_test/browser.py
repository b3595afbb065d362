"""A simulated browser: it loads a page's files, polls, and books."""

import asyncio
import contextlib
import itertools
import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, cast

from api.schemas import BUILT_IN_EVENT
from tests.webapp.load_test.plan import Measured

POLL_EVERY_S = 2.0

EVENT_EVERY = 7
"""Rounds of polling after which a page reads the event as well: every 15 s."""

RESPONSE_TIMEOUT_S = 45.0
"""Longer than a page waits for the outcome of a purchase."""

BOOKING_TRIES = 5
"""Number of times that a page sends a booking with one key while the API is busy."""

_QUERY = f"?event={BUILT_IN_EVENT}"
_POLLED = (f"/api/tickets/availability{_QUERY}", f"/api/tickets/states{_QUERY}")
_EVENT = f"/api/events/{BUILT_IN_EVENT}"
_PAGE = f"/event/{BUILT_IN_EVENT}"
_FILE = re.compile(rb'"(/assets/[^"]+\.js)"')
_ETAG = re.compile(rb"\r\netag: ([^\r]+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True)
class Response:
    status: int
    head: bytes
    body: bytes


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection that sends a request after the response to the last one."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._response: asyncio.Future[Response] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports have another base

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._response is None:
            return
        head = bytes(self._received[: end + 2])
        length = _LENGTH.search(head)
        body_end = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < body_end:
            return
        response = Response(int(head[9:12]), head, bytes(self._received[end + 4 : body_end]))
        self._received.clear()
        if not self._response.done():
            self._response.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(ConnectionError(f"connection lost: {exc!r}"))

    async def request(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Response:
        """Send a request and wait for its response.

        Raises:
            ConnectionError, TimeoutError: there is none.
        """
        assert self._transport is not None
        self._response = asyncio.get_running_loop().create_future()
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._transport.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n".encode() + body)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            return await self._response

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Poller(asyncio.Protocol):
    """A browser's connection for polling. It needs no task, so that ten thousand of them are cheap."""

    def __init__(self, origin: str, measured: Measured) -> None:
        self._origin = origin
        self._measured = measured
        self._etags: dict[str, str] = {}
        self._turns = itertools.count()
        self._waiting: list[str] = []
        self._received = b""
        self._sent_at = 0.0
        self._next: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._begin_turn()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        self._measured.poll_ms.append((time.perf_counter() - self._sent_at) * 1000)
        self._measured.polls[head[9:12].decode()] += 1
        if etag := _ETAG.search(head):
            self._etags[self._waiting[0]] = etag[1].decode()
        del self._waiting[0]
        if self._waiting:
            self._send_next()
        else:
            self._next = asyncio.get_running_loop().call_later(POLL_EVERY_S, self._begin_turn)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self._measured.errors[f"poll: connection lost ({exc!r})"] += 1

    def close(self) -> None:
        self._closing = True
        if self._next is not None:
            self._next.cancel()
        if self._transport is not None:
            self._transport.close()

    def _begin_turn(self) -> None:
        reads_event = next(self._turns) % EVENT_EVERY == 0
        self._waiting = [*_POLLED, *([_EVENT] if reads_event else [])]
        self._send_next()

    def _send_next(self) -> None:
        assert self._transport is not None
        path = self._waiting[0]
        known = f"If-None-Match: {self._etags[path]}\r\n" if path in self._etags else ""
        self._sent_at = time.perf_counter()
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{self._origin}{known}\r\n".encode())


class Browser:
    """A browser on the event's page: it loads the files, polls, and may book."""

    def __init__(self, name: str, ports: tuple[int, int], measured: Measured) -> None:
        self._name = name
        self._web_port, self._api_port = ports
        self._origin = f"Origin: http://localhost:{self._web_port}\r\n"
        self._measured = measured
        self._poller: Poller | None = None

    async def arrive(self, _due: float) -> None:
        """Load the page's files, and begin to poll."""
        began = time.perf_counter()
        with self._counting("load"):
            connection = await Connection.open(self._web_port)
            encoding = "Accept-Encoding: br\r\n"
            page = await connection.request("GET", _PAGE)
            self._measured.files[str(page.status)] += 1
            for path in sorted(set(_FILE.findall(page.body))):
                file = await connection.request("GET", path.decode(), encoding)
                self._measured.files[str(file.status)] += 1
            connection.close()
            self._measured.load_ms.append((time.perf_counter() - began) * 1000)
        with self._counting("poll"):
            loop = asyncio.get_running_loop()
            _, self._poller = await loop.create_connection(
                lambda: Poller(self._origin, self._measured), "127.0.0.1", self._api_port
            )

    async def book(self, due: float) -> None:
        """Book one ticket as the page does: preflight, booking, and the order's page."""
        self._measured.sent += 1
        began = time.perf_counter()
        self._measured.late_ms.append((began - due) * 1000)
        reference = "bk_" + "".join(secrets.choice(_BASE32) for _ in range(26))
        body = {"tier": "GA", "quantity": 1, "userId": self._name, "bookingReference": reference}
        requested = "booking-secret,content-type"
        preflight = f"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: {requested}\r\n"
        secret = f"Booking-Secret: {secrets.token_urlsafe(32)}\r\n"
        with self._counting("booking"):
            connection = await Connection.open(self._api_port)
            await connection.request("OPTIONS", f"/api/bookings{_QUERY}", self._origin + preflight)
            for attempt in range(1, BOOKING_TRIES + 1):
                response = await connection.request(
                    *("POST", f"/api/bookings{_QUERY}"),
                    f"{self._origin}{secret}Content-Type: application/json\r\n",
                    json.dumps(body).encode(),
                )
                if response.status != 503 or attempt == BOOKING_TRIES:
                    break
                self._measured.repeats += 1
                await asyncio.sleep(1)
            if response.status != 201:
                raise ConnectionError(f"status {response.status}")
            self._measured.book_ms.append((time.perf_counter() - began) * 1000)
            self._measured.acknowledged.add(reference)
            await connection.request("GET", f"/api/bookings/{reference}", self._origin + secret)
            connection.close()

    def leave(self) -> None:
        """Close the tab."""
        if self._poller is not None:
            self._poller.close()

    @contextlib.contextmanager
    def _counting(self, action: str) -> Iterator[None]:
        """Count a failure instead of raising it."""
        try:
            yield
        except (OSError, TimeoutError) as error:
            self._measured.errors[f"{action}: {error!r}"] += 1
