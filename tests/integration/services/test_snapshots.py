"""A snapshot is refreshed only while clients request it, and is never served when it is too old."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from api.commands.seed import parse_inventory, seed
from api.database import queries
from api.database.pool import Pool
from api.schemas import BUILT_IN_EVENT
from api.services import snapshots
from api.services.availability import TierRow
from api.services.snapshots import AGE_MAX_S, SnapshotCache
from tests.stack import READY_TIMEOUT_S
from tests.waiting import read_until, snapshot_of

ASKED, QUIET = "asked", "quiet"


class Clock:
    """Monotonic time that a test can move."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


class Recorder:
    """A cache of two events that counts the snapshots of each."""

    def __init__(self, pool: Pool) -> None:
        self.taken = Counter[str]()
        self.cache: SnapshotCache[Any] = SnapshotCache(pool, queries.availability.count_tickets, TierRow, self._encode)

    def _encode(self, rows: list[Any]) -> bytes:
        event = {50: ASKED, 60: QUIET}.get(rows[0].total, BUILT_IN_EVENT)
        self.taken[event] += 1
        return json.dumps([row.available for row in rows]).encode()

    async def until_quiet(self) -> None:
        """Wait until no snapshot of an event that nobody requests is in progress."""
        for _ in range(2):
            await self.until_refreshed(ASKED)

    async def until_refreshed(self, event: str) -> None:
        """Wait until the snapshot of an event, which stays requested, has been refreshed."""
        before = self.taken[event]

        async def read() -> int:
            await snapshot_of(self.cache, event)
            return self.taken[event]

        await read_until(read, lambda taken: taken > before)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(snapshots, "time", clock)
    monkeypatch.setattr(snapshots, "_INTERVAL_S", 0.02)
    return clock


@pytest.fixture
async def recorder(pool: Pool, database_url: str, clock: Clock) -> AsyncIterator[Recorder]:
    seed(database_url, event=ASKED, inventory=parse_inventory("GA=50"))
    seed(database_url, event=QUIET, inventory=parse_inventory("GA=60"))
    recorder = Recorder(pool)
    async with recorder.cache.running():
        yield recorder


async def test_no_snapshot_is_taken_while_nobody_requests_it(recorder: Recorder, clock: Clock) -> None:
    await snapshot_of(recorder.cache, QUIET)
    await recorder.until_refreshed(ASKED)
    clock.ahead_s += AGE_MAX_S
    await recorder.until_quiet()
    before = recorder.taken[QUIET]
    for _ in range(3):
        recorder.cache.invalidate({ASKED, QUIET})
        await recorder.until_refreshed(ASKED)
    assert recorder.taken[QUIET] == before


async def test_a_requested_snapshot_is_refreshed(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_REQUESTED_S", READY_TIMEOUT_S)  # A slow machine refreshes few within a second.
    await snapshot_of(recorder.cache, QUIET)

    async def read() -> int:
        return recorder.taken[QUIET]

    await read_until(read, lambda taken: taken >= 3)


async def test_the_first_request_after_a_pause_waits_for_a_new_snapshot(
    recorder: Recorder, clock: Clock, conn: psycopg.AsyncConnection
) -> None:
    assert (await snapshot_of(recorder.cache, QUIET)).body == b"[60]"
    clock.ahead_s += AGE_MAX_S
    await recorder.until_quiet()
    await sell(conn, QUIET, 2)
    assert (await snapshot_of(recorder.cache, QUIET)).body == b"[58]"


async def test_the_first_request_after_a_sale_of_this_process_sees_it(
    recorder: Recorder, clock: Clock, conn: psycopg.AsyncConnection
) -> None:
    await snapshot_of(recorder.cache, QUIET)
    clock.ahead_s += AGE_MAX_S - 0.2
    await recorder.until_refreshed(ASKED)  # The snapshot of the other event is refreshed in the same round.
    clock.ahead_s += 0.3
    await recorder.until_quiet()
    await sell(conn, QUIET, 1)
    recorder.cache.invalidate({QUIET})
    assert (await snapshot_of(recorder.cache, QUIET)).body == b"[59]"


@pytest.mark.parametrize("steps", range(5))
async def test_the_end_is_not_lost_behind_a_sale(pool: Pool, steps: int) -> None:
    cache = Recorder(pool).cache
    async with asyncio.timeout(READY_TIMEOUT_S):
        async with cache.running():
            await snapshot_of(cache, BUILT_IN_EVENT)
            cache.invalidate({BUILT_IN_EVENT})
            for _ in range(steps):  # The event loop delivers the sale in several steps.
                await asyncio.sleep(0)


async def sell(conn: psycopg.AsyncConnection, event: str, tickets: int) -> None:
    await conn.execute(
        """
        update tickets set status = 'sold'
        from tiers join events on events.id = tiers.event_id
        where tickets.tier_id = tiers.id and events.slug = %s and position <= %s
        """,
        [event, tickets],
    )
    await conn.commit()
