"""What this system tells Prometheus, summed over all processes of the API.

`api/serve.py` names the directory in which the processes keep their counts, before they start.
"""

import functools
import os
import time

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.commands.serve import METRICS_VARIABLE

REQUESTS = Counter("http_requests", "Requests by route and status", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "From a request's arrival to the end of its answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
BOOKING_RETRIES = Counter("booking_retries", "Booking requests that had to be run again, by cause", ["cause"])
BATCH_SIZE = Histogram(
    "booking_batch_size", "Booking requests in one transaction", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)


@functools.cache
def _requests(method: str, route: str, status: int) -> Counter:
    return REQUESTS.labels(method, route, status)


@functools.cache
def _request_seconds(route: str) -> Histogram:
    return REQUEST_SECONDS.labels(route)


def count_answer(method: str, route: str, status: int) -> None:
    """Count an answer that begins."""
    # Kept, since finding a counter by its labels takes longer than counting.
    _requests(method, route, status).inc()


def time_answer(route: str, started: float) -> None:
    """Note that a request has been answered that arrived at `started`, in seconds of `time.perf_counter`."""
    _request_seconds(route).observe(time.perf_counter() - started)


class RequestMetrics(ASGIMiddleware):
    """Counts and times each request under its route, never under its raw path."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on, and note the status that it was answered with."""
        method = str(scope.get("method"))
        started = time.perf_counter()
        route = scope.get("path_template", "unknown")

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                count_answer(method, route, message["status"])
            await send(message)

        try:
            await next_app(scope, receive, note)
        finally:
            time_answer(route, started)


def exposition() -> bytes:
    """Return the counts of all processes in Prometheus' text format."""
    registry = REGISTRY
    if METRICS_VARIABLE in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
