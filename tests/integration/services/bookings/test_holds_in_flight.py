"""Two batches in flight count each other's holds, so that one client address does not exceed its limit."""

import asyncio
from collections.abc import Sequence

import pytest
from psycopg import AsyncConnection

from api.errors import RateLimited
from api.services.bookings.allowance import BatchHolds, HoldAllowance, Holds, HoldsInFlight
from api.services.bookings.model import Booked, Refused
from tests.integration.services.bookings.test_batch_limits import CLIENT, retries
from tests.integration.services.bookings.test_batcher import RESPONSE_TIMEOUT_S, count, order, running_batcher
from tests.integration.services.bookings.test_batches_in_flight import WAITS
from tests.waiting import read_until

LIMIT = 10


def allowance(batch: BatchHolds, holds: Sequence[Holds] = ()) -> HoldAllowance:
    return HoldAllowance(holds, limit=LIMIT, hold_seconds=300, batch=batch)


@pytest.mark.parametrize("path", ["direct", "careful"])
async def test_an_address_does_not_exceed_its_limit_through_two_batches(
    database_url: str, conn: AsyncConnection, path: str
) -> None:
    await conn.execute(WAITS)
    before = retries()["batch_limit"]

    async def waiting() -> int:
        return await count(conn, "pg_locks where locktype = 'advisory' and not granted")

    settings = {"payment_mode": "async", "held_tickets_per_address": LIMIT, "booking_path": path}
    async with running_batcher(database_url, **settings) as batcher, asyncio.timeout(RESPONSE_TIMEOUT_S):
        await conn.execute("select pg_advisory_lock(1)")
        first = asyncio.create_task(batcher.book(order("first", 8, client_hash=CLIENT)))
        await read_until(waiting, lambda found: found == 1)
        second = asyncio.create_task(batcher.book(order("second", 8, client_hash=CLIENT)))

        async def decided() -> bool:
            return second.done() or retries()["batch_limit"] > before

        await read_until(decided, bool)
        await conn.execute("select pg_advisory_unlock(1)")
        decisions = await asyncio.gather(first, second)
    assert [type(each) for each in decisions].count(Booked) == 1
    (refused,) = [each for each in decisions if isinstance(each, Refused)]
    assert isinstance(refused.error, RateLimited)
    assert await count(conn, "tickets where status = 'held'") == 8


def test_a_batch_counts_those_that_overlap_it() -> None:
    in_flight = HoldsInFlight()
    with in_flight.batch() as ended:
        assert allowance(ended).take(CLIENT, 8)
    with in_flight.batch() as one:
        assert allowance(one).take(CLIENT, 8)
        with in_flight.batch() as other:
            assert not allowance(other).take(CLIENT, 8)
            assert allowance(other).take(CLIENT, 2)
        assert not allowance(one).take(CLIENT, 1)


def test_a_batch_that_ends_after_the_read_of_another_one_still_counts() -> None:
    in_flight = HoldsInFlight()
    one = in_flight.batch()
    assert allowance(one.__enter__()).take(CLIENT, 8)
    with in_flight.batch() as reading:
        one.__exit__(None, None, None)
        assert not allowance(reading).take(CLIENT, 8)
