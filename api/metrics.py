"""Prometheus metrics of the API, summed over all its processes.

`api.commands.serve` sets the directory for the counters, then starts the processes.
"""

import functools
import math
import time
from collections.abc import Iterable

from api.prometheus_patch import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    GaugeMetricFamily,
    Histogram,
    Metric,
    MultiProcessCollector,
    generate_latest,
    metrics_directory,
)
from api.schemas import SystemHealth

REQUESTS = Counter("http_requests", "Responses by method, route and status", ["method", "route", "status"])
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


def time_response(route: str, started_at: float) -> None:
    """Observe the duration of a request that arrived at `started_at`, in seconds of `time.perf_counter`."""
    _request_seconds(route).observe(time.perf_counter() - started_at)


def render_metrics(system: SystemHealth | None) -> bytes:
    """Return the metrics of all processes in Prometheus' text format.

    Args:
        system: the state of the system; None omits its metrics, because the database does not respond.
    """
    registry = REGISTRY
    if directory := metrics_directory():
        registry = CollectorRegistry()
        directory.mkdir(parents=True, exist_ok=True)  # The collector refuses a missing directory.
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = generate_latest(registry)
    if system:
        system_registry = CollectorRegistry()
        system_registry.register(_SystemCollector(system))
        text += generate_latest(system_registry)
    return text


class _SystemCollector:
    """The metrics of the system, which every API process reads from the database.

    A `Gauge` would write them into this process's file, and the sum of all processes would contain them again.
    """

    def __init__(self, system: SystemHealth) -> None:
        self._system = system

    def collect(self) -> Iterable[Metric]:
        age = self._system.worker_age_seconds
        yield GaugeMetricFamily(
            "worker_age_seconds", "Age of the last heartbeat of any worker", value=math.inf if age is None else age
        )
        yield GaugeMetricFamily(
            "overdue_holds",
            "Tickets held for more than 2 s past the end of their hold",
            value=self._system.overdue_holds,
        )
