"""The fast path: it serves simple requests to the hot endpoints without the framework.

The framework takes several times as long for such a request as the service behind it. A request is simple if all of
its headers are on an allow-list and its query and body have their usual form. Every other request goes to the
framework. Both paths call the same functions; tests/acceptance/test_fast_path.py compares their responses.

`FastPath` is an ASGI application. `api/fast_protocol.py` serves requests that arrive in one piece by the same methods,
before the server makes an ASGI request of them.

`python -m api bench --only fast-path` sends the same requests to both paths in turn, with 32 connections. On two cores
it measured the fast path against the framework as follows. The time is the API's processor time.

- Reads of availability: 21,156 instead of 4,257 per second, 42 instead of 233 µs each.
- Bookings: 3,604 instead of 2,136 per second, 175 instead of 421 µs each.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from litestar import Litestar
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
from api.errors import ApiError, RateLimited, UnknownEvent
from api.http import open_orders
from api.http.client_address import ForwardingToOpenOrders, Network, UntrustedForwarding, client_address
from api.http.problems import problem, problem_of
from api.http.rate_limit import Throttle, address_of
from api.http.request_stream import BodyTimeout
from api.http.responses import RawResponse, cached_response
from api.http.semantics import HttpSemantics
from api.http.state import ApiState
from api.routes import bookings, events, tickets
from api.schemas import BUILT_IN_EVENT, SLUG_MAX, BookingRequest
from api.services.snapshots import Snapshot, SnapshotCache
from api.text import TEXT_MAX

Header = tuple[bytes, bytes]

HARMLESS = frozenset(
    {
        # Read by the fast path in the same way as by the framework.
        *(b"host", b"origin", b"accept-encoding", b"if-none-match"),
        # Ignored by both: the representation never depends on them. Only the routes of sessions read the cookie.
        b"cookie",
        *(b"accept", b"accept-language", b"user-agent", b"referer", b"dnt", b"sec-gpc", b"save-data", b"priority"),
        *(b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site", b"sec-fetch-user", b"sec-fetch-storage-access"),
        *(b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform"),
        # Directives for caches on the way and for the connection, which the server has already applied.
        *(b"cache-control", b"pragma", b"connection", b"keep-alive", b"te"),
        # Read once for both paths, by `client_address`.
        *(b"forwarded", b"x-forwarded-for"),
        # Added by reverse proxies and ignored by both.
        *(b"via", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto"),
        *(b"x-real-ip", b"x-request-id", b"traceparent", b"tracestate"),
    }
)
"""The headers that a simple request may have."""
HARMLESS_WITH_BODY = HARMLESS | {b"content-type", b"content-length", b"idempotency-key", b"booking-secret"}
"""The headers that a simple request with a body may have."""

_VERSION = "1.1"
"""The version of HTTP of simple requests."""
_QUERY = re.compile(rb"(?:event=([A-Za-z0-9_-]{1,%d}))?" % TEXT_MAX)
_EVENT_PREFIX = f"{events.EVENTS}/".encode()
_EVENT_PATH = re.compile(rb"%b[a-z0-9-]{1,%d}" % (_EVENT_PREFIX, SLUG_MAX))
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]+")

_decode_booking = msgspec.json.Decoder(BookingRequest).decode


class HotRoute(NamedTuple):
    """A hot endpoint."""

    method: str
    template: str
    """The path, with a parameter's name in place of its value."""
    cache: Callable[[ApiState], SnapshotCache[Any]] | None = None
    """Returns the snapshots from which the endpoint responds; None for bookings."""


_EVENT = HotRoute("GET", events.EVENT, lambda state: state.event)
_EVENTS = HotRoute("GET", events.EVENTS, lambda state: state.events)
_ROUTES = {
    (route.method.encode(), route.template.encode()): route
    for route in (
        HotRoute("GET", tickets.AVAILABILITY, lambda state: state.availability),
        HotRoute("GET", tickets.STATES, lambda state: state.states),
        _EVENTS,
        HotRoute("POST", bookings.BOOKINGS),
    )
}
"""The endpoints without a parameter in their path."""


class SimpleRequest(msgspec.Struct, frozen=True):
    """A request that needs no framework."""

    route: HotRoute
    event: str
    headers: Mapping[bytes, bytes]
    address: str = ""
    """The client's address."""
    booking: BookingRequest | None = None
    """The body."""

    @property
    def key(self) -> str | None:
        """Return the key of the snapshot."""
        return None if self.route is _EVENTS else self.event


def find_route(method: bytes, path: bytes) -> HotRoute | None:
    """Return the hot endpoint of a request; None if it has another endpoint."""
    if route := _ROUTES.get((method, path)):
        return route
    return _EVENT if method == b"GET" and _EVENT_PATH.fullmatch(path) else None


class FastPath:
    """An ASGI application that serves simple requests itself and passes all others to `app`.

    `headers` are the headers that every response has. `throttle` limits both paths together. Both paths find the
    client's address in the scope, whichever of the `trusted` proxies it came through. Both raise ApiError for a body
    that is incomplete or takes longer than `body_timeout_s`. `has_open_orders_by_default` is true if guest orders are
    open without the setting `GUEST_ORDERS`.
    """

    def __init__(
        self,
        app: Litestar,
        *,
        throttle: Throttle,
        headers: Sequence[Header],
        trusted: Sequence[Network],
        body_timeout_s: float,
        has_open_orders_by_default: bool = False,
    ) -> None:
        self.app = app
        self._trusted = trusted
        self._untrusted_forwarding = UntrustedForwarding()
        self._open_forwarding = ForwardingToOpenOrders(is_default=has_open_orders_by_default)
        self._body_timeout = BodyTimeout(body_timeout_s)
        self.framework = HttpSemantics(app)
        self._state = cast("ApiState", app.state)
        self._throttle = throttle
        self._body_bytes_max = cast("int", app.request_max_body_size)
        cors = cast("CORSConfig", app.cors_config)
        self._headers = {b"": headers} | {
            origin.encode("latin-1"): [*headers, *_cors_headers(cors, origin)]
            for origin in cors.allow_origins
            if not cors.is_allow_all_origins
        }
        """The headers of every response, by the request's origin. Other origins go to the framework."""

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Serve a simple request; pass everything else to the framework."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        http, next_message, reply = cast("HTTPScope", scope), cast("Receive", receive), cast("Send", send)
        http["client"] = (self.client_address(address_of(http), http["headers"]), 0)
        if http["method"] != "POST":
            await self._respond(http, next_message, reply)
            return
        arrival = self._body_timeout.watch(next_message)
        try:
            await self._respond(http, arrival.receive, reply)
        finally:
            arrival.end()

    def client_address(self, peer: str, headers: Iterable[Header]) -> str:
        """Return the address of a request's client; `peer` is the other end of the connection."""
        self._untrusted_forwarding.check(peer, headers, self._trusted)
        self._open_forwarding.check(headers)
        return client_address(peer, headers, self._trusted) if self._trusted else peer

    def find_request(self, method: bytes, path: bytes, query: bytes, headers: Sequence[Header]) -> SimpleRequest | None:
        """Return a simple request without its address and its body; None if the request is not simple."""
        route = find_route(method, path)
        if route is None:
            return None
        found = _QUERY.fullmatch(query)
        by_name = dict(headers)
        if (
            found is None
            or not by_name.keys() <= (HARMLESS if route.cache else HARMLESS_WITH_BODY)
            or len(by_name) != len(headers)  # The framework decides which of two equal headers counts.
            or by_name.get(b"origin", b"") not in self._headers
            or not _HOST.fullmatch(by_name.get(b"host", b""))
        ):
            return None
        event = found[1].decode() if found[1] else BUILT_IN_EVENT
        if route is _EVENT:
            try:
                event = events.slug_of(path.removeprefix(_EVENT_PREFIX).decode())
            except UnknownEvent:
                return None
        return SimpleRequest(route, event, by_name)

    def with_body(self, request: SimpleRequest, body: bytes) -> SimpleRequest | None:
        """Return a request for a booking with its complete body; None if the request is not simple."""
        declared = request.headers.get(b"content-type"), request.headers.get(b"content-length")
        if (
            declared != (b"application/json", b"%d" % len(body))
            or len(body) > self._body_bytes_max
            or (not request.headers.get(b"origin") and _needs_origin(request.headers))
        ):
            return None
        try:
            return msgspec.structs.replace(request, booking=_decode_booking(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def refuse(self, request: SimpleRequest) -> RawResponse | None:
        """Count a request; return its refusal if the rate limit is exceeded."""
        try:
            self._throttle.admit(request.address, request.route.method, request.route.template)
        except RateLimited as error:
            return problem(error)
        return None

    def respond_now(self, request: SimpleRequest) -> RawResponse | None:
        """Return the response to an admitted request if it needs only this process's memory."""
        if (cache := request.route.cache) and (snapshot := cache(self._state).current(request.key)):
            return _cached(snapshot, request)
        return None

    async def respond(self, request: SimpleRequest) -> RawResponse:
        """Return the response to an admitted request, also to one that fails."""
        try:
            if cache := request.route.cache:
                return _cached(await cache(self._state).get(request.key), request)
            key, secret = (_text(request.headers.get(name)) for name in (b"idempotency-key", b"booking-secret"))
            booking = cast("BookingRequest", request.booking)
            host = request.headers.get(b"host", b"").decode("latin-1")
            is_open = open_orders.may_access(self._state, request.headers.keys(), host, version=_VERSION)
            sender = bookings.Sender(request.address, has_open_orders=is_open)
            return await bookings.book(self._state, booking, request.event, key, secret, sender)
        except Exception as error:  # noqa: BLE001 - the same problem document as in the framework
            return problem_of(error, request.route.method, request.route.template)

    def headers_of(self, request: SimpleRequest, response: RawResponse) -> list[Header]:
        """Return all headers of a response, with names in lower case."""
        return [*_raw_headers(response), *self._headers[request.headers.get(b"origin", b"")]]

    async def _respond(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Serve a simple HTTP request; pass every other one to the framework."""
        started_at = time.perf_counter()
        method, path = scope["method"].encode(), scope["path"].encode()
        is_usual = scope["http_version"] == _VERSION
        request = self.find_request(method, path, scope["query_string"], list(scope["headers"])) if is_usual else None
        if request and not request.route.cache:
            request, receive = await self._receive_body(request, receive)
        if request is None:
            await self.framework(scope, receive, send)
            return
        request = msgspec.structs.replace(request, address=address_of(scope))
        response = self.refuse(request) or await self.respond(request)
        headers = self.headers_of(request, response)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": False})
        count(request, response, started_at)

    async def _receive_body(self, request: SimpleRequest, receive: Receive) -> tuple[SimpleRequest | None, Receive]:
        """Receive the first message of the body; return the request with it, or None if the request is not simple.

        The second value is a `receive` with which the framework can receive the same body.
        """
        try:
            message = await receive()
        except ApiError as error:
            return None, _raising(error)
        return self.with_body(request, cast("HTTPRequestEvent", message).get("body", b"")), _replay(message, receive)


def _needs_origin(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether the framework may refuse a write without an origin."""
    return headers.get(b"sec-fetch-site") == b"cross-site" or b"cookie" in headers


def count(request: SimpleRequest, response: RawResponse, started_at: float) -> None:
    """Record the metrics of a response to a request that arrived at `started_at`, a time of `time.perf_counter`."""
    metrics.count_response(request.route.method, request.route.template, response.status)
    metrics.time_response(request.route.template, started_at)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _cached(snapshot: Snapshot, request: SimpleRequest) -> RawResponse:
    etags, encodings = request.headers.get(b"if-none-match", b""), request.headers.get(b"accept-encoding", b"")
    return cached_response(snapshot, etags.decode("latin-1"), encodings.decode("latin-1"))


def _raw_headers(response: RawResponse) -> list[Header]:
    """Return a response's headers as the framework would send them."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if response.status != 304:
        headers.append((b"content-type", response.media_type.encode()))
        headers.append((b"content-length", b"%d" % len(response.body)))
    return headers


def _replay(message: ReceiveMessage, receive: Receive) -> Receive:
    """Return a `receive` that yields an already received message first."""
    received = [message]

    async def replay() -> Any:
        return received.pop() if received else await receive()

    return replay


def _raising(error: ApiError) -> Receive:
    """Return a `receive` that raises the error of an earlier call."""

    async def fail() -> Any:
        raise error

    return fail


def _cors_headers(config: CORSConfig, origin: str) -> list[Header]:
    """Return the headers that the framework adds to a response for a page of an allowed origin."""
    headers = {
        **config.simple_headers,
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": ", ".join(sorted(set(config.allow_headers))),
        "Access-Control-Allow-Methods": ", ".join(sorted(set(config.allow_methods))),
    }
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
