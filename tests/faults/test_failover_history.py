"""Failovers under load: the checker finds no false response, and finds one without each protection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.checker import Violation, describe
from tests.faults.old_behaviour import (
    FENCE,
    REPLICATED_READ,
    ROUND_TRIP_LIMIT,
    STANDBY_WARNING,
    source_without,
)
from tests.faults.replicated_system import System, fail_over, promote, running_system
from tests.faults.replication import Pair, replicated_pair
from tests.faults.target import until
from tests.faults.test_failover import WAITING

FAILED_MIN = 12
"""Bookings without success after a promotion, by which the control shows that sales do not resume."""


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with replicated_pair() as pair:
        yield pair


def names(violations: list[Violation]) -> set[str]:
    return {violation.invariant for violation in violations}


async def assert_true(system: System) -> None:
    """Check that the checker finds no false response."""
    violations = await system.violations(system.pair.standby)
    assert not violations, f"{describe(violations)}\n{system.stack.logs()}"


async def until_commits_wait(system: System) -> None:
    await until(lambda: system.pair.primary.rows(WAITING) != [(0,)], "a commit waits for the standby")


async def kill_the_primary(system: System) -> None:
    """Buy, kill the primary and promote the standby."""
    async with system.buying():
        await system.until_booked()
        with system.history.fault("primary killed"):
            await fail_over(system.pair)
        await system.until_recovered()
        await system.until_booked()


async def bring_the_former_primary_back(system: System) -> None:
    """Start the former primary, which is the first host of the URL and accepts writes, and restart the API."""
    await system.stack.stop_api()
    await asyncio.to_thread(system.pair.primary.start)
    system.pair.primary.replicate_synchronously("")
    await system.start_api()
    async with system.buying():
        await system.until_booked()


async def test_a_killed_primary_loses_nothing_and_is_refused_when_it_returns(pair: Pair) -> None:
    async with running_system(pair) as system:
        await kill_the_primary(system)
        await bring_the_former_primary_back(system)
        await assert_true(system)


async def test_without_the_fence_a_former_primary_takes_bookings_that_are_lost(pair: Pair, tmp_path: Path) -> None:
    """The negative control of the fence."""
    async with running_system(pair, source_without(tmp_path, FENCE)) as system:
        await kill_the_primary(system)
        assert await system.violations(pair.standby) == []
        await bring_the_former_primary_back(system)
        violations = await system.violations(pair.standby)
    assert "acknowledged_bookings_exist" in names(violations)


async def test_without_synchronous_commits_a_killed_primary_loses_bookings(pair: Pair) -> None:
    """The negative control of the synchronous standby."""
    pair.primary.replicate_synchronously("")
    async with running_system(pair) as system:
        async with system.buying():
            await system.until_booked()
            pair.link.freeze()
            await system.until_booked()
            with system.history.fault("primary killed"):
                await fail_over(pair)
            await system.until_recovered()
        violations = await system.violations(pair.standby)
    assert "acknowledged_bookings_exist" in names(violations)


@contextlib.asynccontextmanager
async def frozen_primary(system: System) -> AsyncIterator[None]:
    """Freeze the primary while commits wait for the standby, and promote the standby, which lacks them."""
    with contextlib.ExitStack() as frozen:
        with system.history.fault("primary frozen"):
            system.pair.link.freeze()
            await until_commits_wait(system)
            frozen.enter_context(system.pair.primary.frozen())
            await promote(system.pair)
        yield


async def test_sales_resume_without_a_frozen_primary_and_it_is_refused_later(pair: Pair) -> None:
    async with running_system(pair) as system:
        async with system.buying():
            await system.until_booked()
            async with frozen_primary(system):
                await system.until_recovered()
                await system.repeat_unknown()
            await system.until_booked()
        await assert_true(system)


async def test_without_limits_of_round_trips_a_frozen_primary_ends_all_sales(pair: Pair, tmp_path: Path) -> None:
    """The negative control of the limits: the process waits for the frozen server."""
    source = source_without(tmp_path, ROUND_TRIP_LIMIT)
    # A larger pool could open another connection after the promotion, and sell on it.
    async with running_system(pair, source, API_WORKERS="1", DB_POOL_MAX="2") as system:
        async with system.buying(), frozen_primary(system):
            promoted_at = system.last_fault.end
            await until(
                lambda: len(system.find(lambda entry: entry.start > promoted_at)) >= FAILED_MIN, "bookings fail"
            )
            await system.stack.stop_api(kill=True)  # It would wait for the frozen server.
        violations = await system.violations(pair.standby)
    assert "bookings_resume_after_every_fault" in names(violations)


async def stop_the_api_during_commits(system: System) -> None:
    """Freeze the standby, stop the API by SIGTERM while commits wait, start it, repeat the bookings, and fail over."""
    pair = system.pair
    async with system.buying():
        await system.until_booked()
    with contextlib.ExitStack() as frozen, system.history.fault("standby frozen", loses_responses=True):
        # No commit is in flight, and the link is frozen as well: no data of later commits reaches the standby's socket.
        pair.link.freeze()
        frozen.enter_context(pair.standby.frozen())
        async with system.buying():
            await until_commits_wait(system)
            await system.stack.stop_api()
        await system.start_api()
        await system.repeat_unknown()
        await asyncio.to_thread(pair.primary.stop)
        pair.link.cut()
        frozen.close()
        await asyncio.to_thread(pair.standby.promote)
    async with system.buying():
        await system.until_recovered()


async def test_a_stop_of_the_api_during_commits_acknowledges_nothing_that_is_lost(pair: Pair) -> None:
    async with running_system(pair) as system:
        await stop_the_api_during_commits(system)
        await assert_true(system)


async def test_without_durable_responses_a_stop_of_the_api_loses_bookings(pair: Pair, tmp_path: Path) -> None:
    """The negative control: a stop cancels the commits, and a repeat finds their orders."""
    source = source_without(tmp_path, ROUND_TRIP_LIMIT, STANDBY_WARNING, REPLICATED_READ)
    async with running_system(pair, source) as system:
        await stop_the_api_during_commits(system)
        violations = await system.violations(pair.standby)
    assert names(violations) & {"acknowledged_bookings_exist", "order_states_are_true"}
