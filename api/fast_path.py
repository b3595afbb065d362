"""The short way of the requests that come by the thousands: what is counted once for all who ask, and bookings.

The framework takes several times longer over such a request than its answer does. So one that is plain, with
nothing about it that takes thought, is answered here, by the same functions as on its route; every other goes the
framework's way, as if nothing stood in front of it. Errors, headers, limits and metrics are the same on both ways.
"""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from litestar import Litestar, Request
from litestar.config.cors import CORSConfig
from litestar.enums import ScopeType
from litestar.types import (
    HTTPRequestEvent,
    HTTPScope,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Receive,
    ReceiveMessage,
    Scope,
    Send,
)

from api import metrics
from api.http.problems import answer_to
from api.http.rate_limit import Throttle
from api.http.responses import Answer, live
from api.http.state import ApiState
from api.routes import bookings, events, tickets
from api.schemas import (
    BUILT_IN_EVENT,
    SLUG_MAX,
    TEXT_MAX,
    BookingRequest,
)
from api.services.snapshots import Snapshot

Header = tuple[bytes, bytes]

_QUERY = re.compile(rb"(?:event=([A-Za-z0-9_-]{1,%d}))?" % TEXT_MAX)
_EVENT = re.compile(rf"{events.EVENTS}/[a-z0-9-]{{1,{SLUG_MAX}}}")
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]*")

_decode_booking = msgspec.json.Decoder(BookingRequest).decode


class _Plain(NamedTuple):
    """A request that needs no framework."""

    path: str
    event: str
    headers: Mapping[bytes, bytes]
    body: bytes
    answer_headers: Sequence[Header]
    """Those that its answer has whatever it is."""


_Way = Callable[[_Plain], Awaitable[Answer | None]]
"""How a plain request is answered; None: it is not that plain."""


class FrontedApp(Litestar):
    """The application, with the short way in front of it.

    `headers` are those of every answer; the framework's way adds them by itself.
    """

    def __init__(
        self,
        *,
        throttle: Throttle,
        cors_config: CORSConfig,
        request_max_body_size: int,
        headers: Sequence[Header],
        **options: Any,
    ) -> None:
        super().__init__(cors_config=cors_config, request_max_body_size=request_max_body_size, **options)
        self._body_bytes_max = request_max_body_size
        self._throttle = throttle
        self._headers = {b"": headers} | {
            origin.encode("latin-1"): [*headers, *_cors_headers(cors_config, origin)]
            for origin in cors_config.allow_origins
            if not cors_config.is_allow_all_origins
        }
        """By the origin that asks: what it may do with the answer. Origins that are not here are the framework's."""
        self._ways: dict[tuple[str, str], _Way] = {
            ("GET", tickets.AVAILABILITY): self._get_availability,
            ("GET", tickets.STATES): self._get_states,
            ("GET", events.EVENTS): self._get_events,
            ("POST", bookings.BOOKINGS): self._create_booking,
        }

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Answer a plain request, and hand everything else to the framework."""
        if scope["type"] == ScopeType.HTTP:
            http = cast("HTTPScope", scope)
            method, route = http["method"], http["path"]
            way = self._ways.get((method, route))
            if way is None and method == "GET" and _EVENT.fullmatch(route):
                way, route = self._get_event, events.EVENT
            if way:
                message = None
                if method == "POST":
                    message = await cast("Receive", receive)()
                    receive = _again(message, cast("Receive", receive))
                if (plain := self._plain(http, message)) and await _taken(way, route, plain, http, cast("Send", send)):
                    return
        await super().__call__(scope, receive, send)

    def _plain(self, scope: HTTPScope, message: ReceiveMessage | None) -> _Plain | None:
        """Return a request as it is answered here; None: the framework has to look at it."""
        headers = dict(scope["headers"])
        query = _QUERY.fullmatch(scope["query_string"])
        answer_headers = self._headers.get(headers.get(b"origin", b""))
        # Of a header that comes twice it is the framework that knows which one counts.
        if query is None or answer_headers is None or len(headers) != len(list(scope["headers"])):
            return None
        body = b""
        if message is not None:
            body = cast("HTTPRequestEvent", message).get("body", b"")
            sent_as = headers.get(b"content-type"), headers.get(b"content-length")
            if sent_as != (b"application/json", b"%d" % len(body)) or len(body) > self._body_bytes_max:
                return None
        if not _HOST.fullmatch(headers.get(b"host", b"")):
            return None
        event = query[1].decode() if query[1] else BUILT_IN_EVENT
        return _Plain(scope["path"], event, headers, body, answer_headers)

    async def _get_availability(self, plain: _Plain) -> Answer:
        self._throttle.admit("GET", tickets.AVAILABILITY)
        return _live(await self._state.availability.get(plain.event), plain)

    async def _get_states(self, plain: _Plain) -> Answer:
        self._throttle.admit("GET", tickets.STATES)
        return _live(await self._state.states.get(plain.event), plain)

    async def _get_events(self, plain: _Plain) -> Answer:
        self._throttle.admit("GET", events.EVENTS)
        return _live(await self._state.events.get(None), plain)

    async def _get_event(self, plain: _Plain) -> Answer:
        self._throttle.admit("GET", events.EVENT)
        return _live(await self._state.event.get(events.slug_of(plain.path.removeprefix(f"{events.EVENTS}/"))), plain)

    async def _create_booking(self, plain: _Plain) -> Answer | None:
        try:
            data = _decode_booking(plain.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        self._throttle.admit("POST", bookings.BOOKINGS)
        key = plain.headers.get(b"idempotency-key")
        return await bookings.book(self._state, data, plain.event, None if key is None else key.decode("latin-1"))

    @property
    def _state(self) -> ApiState:
        return cast("ApiState", self.state)


def _live(counted: Snapshot, plain: _Plain) -> Answer:
    known, encodings = plain.headers.get(b"if-none-match", b""), plain.headers.get(b"accept-encoding", b"")
    return live(counted, known.decode("latin-1"), encodings.decode("latin-1"))


async def _taken(way: _Way, route: str, plain: _Plain, scope: HTTPScope, send: Send) -> bool:
    """Answer a request; False: it is not that plain."""
    started = time.perf_counter()
    try:
        answer = await way(plain)
    except Exception as error:  # noqa: BLE001 - each kind has its answer, the same as in the framework
        answer = answer_to(Request(scope), error)
    if answer is None:
        return False
    metrics.count_response(scope["method"], route, answer.status)
    headers = [*_headers(answer), *plain.answer_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
    metrics.time_response(route, started)
    return True


def _headers(answer: Answer) -> list[Header]:
    """Return an answer's headers as the framework would send them; all are of this API's making."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.status != 304:
        headers.append((b"content-type", answer.media_type.encode()))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers


def _again(message: ReceiveMessage, receive: Receive) -> Receive:
    """Return what receives a message that has been received already, and then the rest."""
    waiting = [message]

    async def receive_again() -> Any:
        return waiting.pop() if waiting else await receive()

    return receive_again


def _cors_headers(config: CORSConfig, origin: str) -> list[Header]:
    """Return the headers that the framework adds to an answer for a page of an allowed origin."""
    headers = {
        **config.simple_headers,
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": ", ".join(sorted(set(config.allow_headers))),
        "Access-Control-Allow-Methods": ", ".join(sorted(set(config.allow_methods))),
    }
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
