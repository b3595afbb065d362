"""Prometheus metrics of the API, summed over all its processes.

`api.commands.serve` sets the directory in which the processes keep their counters before it starts them.
"""

import functools
import os
import time

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from api.process_environment import METRICS_DIR_VARIABLE

REQUESTS = Counter("http_requests", "Requests by method, route and status", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from the arrival of a request to the end of its response",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
BOOKING_RETRIES = Counter("booking_retries", "Retried booking requests by cause", ["cause"])
BATCH_SIZE = Histogram(
    "booking_batch_size", "Booking requests in one transaction", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)


@functools.cache
def _requests(method: str, route: str, status: int) -> Counter:
    # The cache holds the child counter: looking it up by its labels takes longer than incrementing it.
    return REQUESTS.labels(method, route, status)


@functools.cache
def _request_seconds(route: str) -> Histogram:
    return REQUEST_SECONDS.labels(route)


def count_response(method: str, route: str, status: int) -> None:
    """Count a response by its method, route and status."""
    _requests(method, route, status).inc()


def time_response(route: str, started: float) -> None:
    """Observe the duration of a request that arrived at `started`, in seconds of `time.perf_counter`."""
    _request_seconds(route).observe(time.perf_counter() - started)


def exposition() -> bytes:
    """Return the metrics of all processes in Prometheus' text format."""
    registry = REGISTRY
    if METRICS_DIR_VARIABLE in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
