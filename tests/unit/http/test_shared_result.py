"""Expensive results are shared by concurrent requests and cached for a moment."""

import asyncio

import pytest

from api.http.shared_result import SharedResult


class Work:
    """Work that takes a chosen time by its own clock, and fails on request."""

    def __init__(self, duration_s: float) -> None:
        self.now = 1000.0
        self.calls = 0
        self.fails = False
        self._duration_s = duration_s

    def clock(self) -> float:
        return self.now

    async def produce(self) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        self.now += self._duration_s
        if self.fails:
            raise ZeroDivisionError
        return self.calls


async def test_concurrent_requests_share_one_result() -> None:
    work = Work(0.01)
    shared = SharedResult(work.produce, work.clock)
    assert await asyncio.gather(*(shared.get() for _ in range(100))) == [1] * 100


@pytest.mark.parametrize(("duration_s", "cached_s"), [(0.01, 0.09), (10.0, 1.0)])
async def test_a_result_is_cached_for_a_multiple_of_its_duration(duration_s: float, cached_s: float) -> None:
    work = Work(duration_s)
    shared = SharedResult(work.produce, work.clock)
    assert await shared.get() == 1
    work.now += cached_s * 0.9
    assert await shared.get() == 1
    work.now += cached_s * 0.2
    assert await shared.get() == 2


async def test_an_error_is_not_cached() -> None:
    work = Work(0.01)
    work.fails = True
    shared = SharedResult(work.produce, work.clock)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await shared.get()
    work.fails = False
    assert await shared.get() == 3


async def test_a_request_that_ends_early_does_not_end_the_others() -> None:
    work = Work(0.01)
    shared = SharedResult(work.produce, work.clock)
    first, second = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
