"""Counts that a process keeps in memory reach the registry completely: at an interval, and at the end."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import metrics
from api.prometheus_patch import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from tests.waiting import read_until

BOUNDS = (0.5, 1, 2.5)
VALUES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 2.5, 2.75, 100.0])
"""Values at, between and beyond the bounds. Their sums are exact."""


@given(st.lists(st.lists(VALUES, max_size=5), max_size=5))
def test_flushed_observations_equal_single_ones(flushes: list[list[float]]) -> None:
    single, flushed = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("h", "h", buckets=BOUNDS, registry=single)
    counts = metrics.Observations(Histogram("h", "h", buckets=BOUNDS, registry=flushed), BOUNDS)
    for values in flushes:
        for value in values:
            histogram.observe(value)
            counts.observe(value)
        counts.flush()
    assert without_times(flushed) == without_times(single)


def without_times(registry: CollectorRegistry) -> list[bytes]:
    return [line for line in generate_latest(registry).splitlines() if b"_created" not in line]


def counted(route: str) -> tuple[float | None, float | None]:
    """Return the numbers of counted responses and of timed requests of a route."""
    labels = {"method": "GET", "route": route, "status": "200"}
    return (
        REGISTRY.get_sample_value("http_requests_total", labels),
        REGISTRY.get_sample_value("http_request_duration_seconds_count", {"route": route}),
    )


def count(route: str) -> None:
    metrics.count_response("GET", route, 200)
    metrics.time_response(route, time.perf_counter())


async def test_counts_are_flushed_at_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FLUSH_INTERVAL_S", 0.001)

    async def read() -> tuple[float | None, float | None]:
        return counted("/interval")

    async with metrics.flushing():
        for number in (1.0, 2.0):
            count("/interval")
            await read_until(read, lambda found, number=number: found == (number, number))  # type: ignore[misc]


async def test_the_last_counts_are_flushed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "FLUSH_INTERVAL_S", 3600)
    async with metrics.flushing():
        count("/end")
        count("/end")
        assert counted("/end")[0] is None
    assert counted("/end") == (2.0, 2.0)


async def test_a_failed_update_of_a_file_ends_no_flushing_and_counts_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "FLUSH_INTERVAL_S", 0.001)
    labels, failures = metrics.REQUESTS.labels, [OSError("full")]

    def fail_once(method: str, route: str, status: int) -> Counter:
        if route == "/fails" and failures:
            raise failures.pop()
        return labels(method, route, status)

    monkeypatch.setattr(metrics.REQUESTS, "labels", fail_once)

    async def left() -> int:
        return len(failures)

    async def read() -> tuple[float | None, float | None]:
        return counted("/later")

    async with metrics.flushing():
        count("/before")
        count("/fails")
        await read_until(left, lambda number: number == 0)
        count("/later")
        await read_until(read, lambda found: found == (1.0, 1.0))
    assert counted("/before")[0] == 1.0
    assert "are lost" in caplog.text
