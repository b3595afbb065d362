"""Prometheus metrics of the API, summed over all its processes.

`api.commands.serve` sets the directory for the counters, then starts the processes. A process counts in its own memory,
and adds the counts to its files at an interval, because an update of a file takes longer than the rest of a request's
metrics.
"""

import asyncio
import bisect
import contextlib
import logging
import math
import time
from collections import Counter as Counts
from collections.abc import AsyncIterator, Iterable, Sequence

from api.health_schemas import SystemHealth
from api.prometheus_patch import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    GaugeMetricFamily,
    Histogram,
    Metric,
    MultiProcessCollector,
    add_observations,
    generate_latest,
    metrics_directory,
)

_log = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 0.5
"""Time for which a process keeps counts in its memory. A crash loses at most these."""

REQUESTS = Counter("http_requests", "Responses by method, route and status", ["method", "route", "status"])
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from the arrival of a request to the end of its response",
    ["route"],
    buckets=_SECONDS,
)
BOOKING_RETRIES = Counter("booking_retries", "Retried booking requests by cause", ["cause"])
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_BATCH_SIZES = Histogram("booking_batch_size", "Booking requests in one transaction", buckets=_SIZES)


class Observations:
    """Observations of a histogram that its file does not contain yet."""

    def __init__(self, histogram: Histogram, bounds: Sequence[float]) -> None:
        self._histogram = histogram
        self._bounds = bounds
        self._clear()

    def observe(self, value: float) -> None:
        """Count a value in its bucket."""
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._sum += value

    def flush(self) -> None:
        """Add the observations to the file."""
        counts, total = self._counts, self._sum
        if any(counts):
            self._clear()
            add_observations(self._histogram, counts, total)

    def _clear(self) -> None:
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0


BATCH_SIZE = Observations(_BATCH_SIZES, _SIZES)
_responses: Counts[tuple[str, str, int]] = Counts()
_durations: dict[str, Observations] = {}


def count_response(method: str, route: str, status: int) -> None:
    """Count a response by its method, route and status."""
    _responses[method, route, status] += 1


def time_response(route: str, started_at: float) -> None:
    """Observe the duration of a request that arrived at `started_at`, in seconds of `time.perf_counter`."""
    durations = _durations.get(route)
    if durations is None:
        durations = _durations[route] = Observations(REQUEST_SECONDS.labels(route), _SECONDS)
    durations.observe(time.perf_counter() - started_at)


def flush() -> None:
    """Add the counts of this process to its files. Only its event loop may call this, because it locks nothing."""
    if directory := metrics_directory():
        directory.mkdir(parents=True, exist_ok=True)  # An operator may have deleted it.
    responses = dict(_responses)
    _responses.clear()  # before the update of a file, which may fail
    for labels, count in responses.items():
        REQUESTS.labels(*labels).inc(count)
    for durations in (*_durations.values(), BATCH_SIZE):
        durations.flush()


@contextlib.asynccontextmanager
async def flushing() -> AsyncIterator[None]:
    """Flush at an interval while the context lasts, and once more at its end."""
    task = asyncio.create_task(_flush_regularly(), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        flush()


async def _flush_regularly() -> None:
    while True:
        await asyncio.sleep(FLUSH_INTERVAL_S)
        try:
            flush()
        except Exception:  # noqa: BLE001 - one failure must not end the flushing for good
            _log.exception("The metrics of %s s are lost", FLUSH_INTERVAL_S)


def render_metrics(system: SystemHealth | None) -> bytes:
    """Return the metrics of all processes in Prometheus' text format.

    Args:
        system: the state of the system; None omits its metrics, because the database does not respond.
    """
    registry = REGISTRY
    if metrics_directory():
        registry = CollectorRegistry()
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
        yield GaugeMetricFamily(
            "failed_refunds", "Refunds that the provider has refused", value=self._system.failed_refunds
        )
        yield GaugeMetricFamily(
            "undecided_disputes",
            "Payments that the banks of their buyers dispute, without a decision yet",
            value=self._system.undecided_disputes,
        )
        yield GaugeMetricFamily("lost_disputes", "Disputes that the buyers have won", value=self._system.lost_disputes)
        yield from self._mail()
        lags = GaugeMetricFamily(
            "job_lag_seconds", "Time by which the most overdue item of a job of the worker is late", labels=["job"]
        )
        due = GaugeMetricFamily("job_due_items", "Due items of a job of the worker", labels=["job"])
        for job in self._system.jobs:
            lags.add_metric([job.job], job.lag_seconds)
            due.add_metric([job.job], job.due)
        yield from (lags, due)
        orders = GaugeMetricFamily(
            "cancellation_orders",
            "Orders of an unfinished cancellation by the state of their refunds",
            labels=["event", "currency", "state"],
        )
        amounts = GaugeMetricFamily(
            "cancellation_amount",
            "Amounts of these orders in the currency's major unit",
            labels=["event", "currency", "state"],
        )
        for count in self._system.cancellations:
            labels = [count.event, count.currency, count.state]
            orders.add_metric(labels, count.orders)
            amounts.add_metric(labels, count.amount)
        yield from (orders, amounts)

    def _mail(self) -> Iterable[Metric]:
        mail = self._system.mail
        yield GaugeMetricFamily(
            "mail_feed_lag_seconds",
            "Age of the oldest entry of the history that was not read for e-mails",
            value=mail.feed_lag_seconds,
        )
        yield GaugeMetricFamily(
            "mail_queue_lag_seconds",
            "Time by which the most overdue e-mail is late",
            value=mail.queue_lag_seconds,
        )
        yield GaugeMetricFamily(
            "mail_failed_messages",
            "E-mails within MESSAGES_KEPT_DAYS that a mail server refused for good, or that were given up",
            value=mail.failed,
        )
        lags = GaugeMetricFamily(
            "mail_priority_lag_seconds",
            "Time by which the most overdue e-mail of a priority is late",
            labels=["priority"],
        )
        due = GaugeMetricFamily("mail_priority_due", "Due e-mails of a priority, at most 10,000", labels=["priority"])
        for priority in mail.priorities:
            lags.add_metric([priority.name], priority.lag_seconds)
            due.add_metric([priority.name], priority.due)
        yield from (lags, due)
