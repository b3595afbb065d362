"""Rules of HTTP semantics (RFC 9110) that the framework lacks."""

import functools
from collections.abc import Container, Iterable
from typing import Any, cast

from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.handlers.base import BaseRouteHandler
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from api.errors import Forbidden, InvalidRequest
from api.http.session_cookie import has_session

Header = tuple[bytes, bytes]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class HttpSemantics:
    """An ASGI application that adapts requests to the framework, and its responses to RFC 9110.

    - HEAD is possible where GET is. The response has the same headers and no body.
    - `Accept-Encoding` reaches the framework without weights, because its compression ignores them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        send = _allowing_head(send)
        if scope["method"] == "HEAD":
            # The server reads the method in its own scope, after the response has begun.
            scope, send = cast("HTTPScope", {**scope, "method": HttpMethod.GET}), _without_body(send)
        scope["headers"] = _without_weights(scope["headers"])
        await self._app(scope, receive, send)


class OwnOrigins:
    """Refuse unsafe requests from pages of foreign origins. Browsers name a page's origin; other clients need not.

    A request with the cookie of a session has to name its origin, because a browser may add the cookie by itself.

    A page of the API itself has an origin with the request's host. The host must be one of `own_hosts`, because any
    name can lead to the API's address (DNS rebinding).

    Args:
        cors: the origins from which browsers may call the API.
        own_hosts: the hosts of the API for browsers, each with its port unless that is the scheme's default.
    """

    def __init__(self, cors: CORSConfig, own_hosts: Container[str]) -> None:
        self._cors = cors
        self._own_hosts = own_hosts

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """Admit a request as a guard of the framework. The coroutine never blocks, so it needs no thread.

        Raises:
            Forbidden: a browser sends the request for a page of another origin.
        """
        origin, headers = connection.headers.get("origin"), connection.headers
        if connection.scope.get("method") in _SAFE_METHODS:
            return
        foreign = (
            headers.get("sec-fetch-site") == "cross-site" or has_session(connection.cookies)
            if not origin
            else not self._cors.is_origin_allowed(origin) and not self._is_own(origin, headers.get("host"))
        )
        if foreign:
            raise Forbidden("Pages of this origin may not send this request.")

    def _is_own(self, origin: str, host: str | None) -> bool:
        return origin.partition("://")[2] == host and host in self._own_hosts


async def check_host(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse a request of HTTP/1.1 without exactly one header `Host`, as RFC 9112 demands. A guard of the framework.

    Raises:
        InvalidRequest: two programs on the way to the API may regard different hosts as the request's.
    """
    hosts = connection.headers.getall("host", [])
    if connection.scope["http_version"] == "1.1" and (len(hosts) != 1 or not hosts[0]):
        raise InvalidRequest("must be present once", field="Host")


@functools.lru_cache(maxsize=256)  # Browsers of one kind send the same value.
def accepts_gzip(accept_encoding: str) -> bool:
    """Return True if the header `Accept-Encoding` allows gzip. A weight of 0 excludes a coding."""
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weights[coding] = min((_weight(parameter) for parameter in parameters), default=1.0)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weight(parameter: str) -> float:
    """Return the value of a parameter `q=`. Any other parameter counts as 1, a malformed weight as 0."""
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _without_weights(headers: Iterable[Header]) -> list[Header]:
    """Return the headers with `Accept-Encoding` reduced to the one coding that the framework applies."""
    sent = [value.decode("latin-1") for name, value in headers if name == b"accept-encoding"]
    others = [(name, value) for name, value in headers if name != b"accept-encoding"]
    return [*others, (b"accept-encoding", b"gzip")] if accepts_gzip(",".join(sent)) else others


def _allowing_head(send: Send) -> Send:
    """Return a `send` that adds HEAD to a header `Allow` with GET."""

    async def send_with_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [_with_head(name, value) for name, value in message["headers"]]
        await send(message)

    return send_with_head


def _with_head(name: bytes, value: bytes) -> Header:
    methods = value.decode("latin-1").split(", ")
    if name.lower() != b"allow" or "GET" not in methods:
        return name, value
    return name, ", ".join(sorted({*methods, "HEAD"})).encode("latin-1")


def _without_body(send: Send) -> Send:
    """Return a `send` that omits the body and ends the response with its first part."""
    ended = False

    async def send_headers(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
        elif message["type"] == "http.response.body" and not ended:
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_headers
