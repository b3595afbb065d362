"""Metrics of the requests that the framework handles."""

import time

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api import metrics

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that a metric names; a client can send any other word."""


class RequestMetrics(ASGIMiddleware):
    """Count and time each request under its route, never under its raw path."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on; record the status and the duration of its response."""
        method = str(scope.get("method"))
        started_at = time.perf_counter()
        route = scope.get("path_template", "unknown")

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                metrics.count_response(method, route, message["status"])
            await send(message)

        try:
            await next_app(scope, receive, send_counted)
        finally:
            metrics.time_response(route, started_at)


async def count_unmatched(message: Message, scope: Scope) -> None:
    """Count a response to a request that no route handles: 404 or 405."""
    if message["type"] == "http.response.start" and not scope.get("path_template"):
        method = str(scope.get("method"))
        metrics.count_response(method if method in _METHODS else "other", "unmatched", message["status"])
