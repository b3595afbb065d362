"""Concurrent batches claim standing tickets from different shares, and do not read each other's tickets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from psycopg import AsyncConnection

from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.services.bookings.shares import WIDTH_MIN
from tests.integration.services.bookings.book_batch import (
    Known,
    Ordered,
    Result,
    any_tickets,
    call,
    find_tier,
    parameters,
)
from tests.integration.services.bookings.test_batcher import (
    RESPONSE_TIMEOUT_S,
    count,
    order,
    responses,
    running_batcher,
)
from tests.integration.services.bookings.test_batches_in_flight import WAITS
from tests.waiting import read_until

WIDTH = 10
TAIL = 40
"""The tickets that are left."""


@pytest.fixture
async def floor(conn: AsyncConnection) -> Known:
    """A standing tier of which only the first positions are left."""
    tier = await find_tier(conn, "GA")
    await conn.execute("update tickets set status = 'sold' where tier_id = %s and position > %s", [tier.id, TAIL])
    return msgspec.structs.replace(tier, share_width=WIDTH)


def having(tier: Known, *shares: int, start: int = 1) -> Known:
    """Return a tier with the shares from which a batch claims."""
    return msgspec.structs.replace(tier, shares=shares, start=start)


@contextlib.asynccontextmanager
async def open_sale(pool: Pool, tier: Known, quantity: int, reference: str) -> AsyncIterator[tuple[Session, Result]]:
    """Sell tickets in a transaction that commits at the end of the context."""
    values = parameters([Ordered(reference, any_tickets(tier, quantity))])
    async with open_session(pool) as session, session.transaction():
        (result,) = await session.run(Statement(queries.bookings.book_batch, values, Result))
        yield session, result


async def positions(conn: AsyncConnection, result: Result) -> list[int]:
    cursor = await conn.execute("select position from tickets where id = any(%s) order by 1", [result.ticket_ids])
    return [position for (position,) in await cursor.fetchall()]


async def tickets_read(conn: AsyncConnection, session: Session) -> set[int]:
    """Return the positions of the tickets that a session's transaction has read, without those that it has changed."""
    cursor = await conn.execute(
        """
        select tickets.position from pg_locks join tickets on tickets.ctid = format('(%%s,%%s)', page, tuple)::tid
        where mode = 'SIReadLock' and locktype = 'tuple' and relation = 'tickets'::regclass and pid = %s
        """,
        [session._pgconn.backend_pid],
    )
    return {position for (position,) in await cursor.fetchall()}


async def test_a_claim_takes_tickets_from_its_shares_first(pool: Pool, conn: AsyncConnection, floor: Known) -> None:
    result = await call(pool, Ordered("a", any_tickets(having(floor, 31, 11), 12)))
    assert await positions(conn, result) == [11, 12, *range(31, 41)]
    assert result.spent_shares == [1]


async def test_a_claim_finds_the_tickets_outside_of_its_shares(pool: Pool, conn: AsyncConnection, floor: Known) -> None:
    result = await call(pool, Ordered("a", any_tickets(having(floor, 21, start=35), 18)))
    assert await positions(conn, result) == [1, 2, *range(21, 31), *range(35, 41)]
    assert result.spent_shares == [1]


async def test_the_shares_of_several_tiers_are_separate(pool: Pool, conn: AsyncConnection, floor: Known) -> None:
    vip = await find_tier(conn, "VIP")
    one = having(msgspec.structs.replace(floor, share_width=2), 7, 11)
    other = having(msgspec.structs.replace(vip, share_width=3), 4)
    result = await call(pool, Ordered("a", [*any_tickets(one, 3), *any_tickets(other, 3)]))
    assert await positions(conn, result) == sorted([7, 8, 11, 4, 5, 6])
    assert result.spent_shares == [1, 0]


async def test_a_batch_leaves_out_the_share_of_another_one(pool: Pool, conn: AsyncConnection, floor: Known) -> None:
    async with open_sale(pool, having(floor, 1), 2, "a") as (_, first):
        second = await call(pool, Ordered("b", any_tickets(having(floor, 1, 21), 2)))
    assert await positions(conn, first) == [1, 2]
    assert await positions(conn, second) == [21, 22]
    assert (first.spent_shares, second.spent_shares) == ([0], [1])


async def test_a_share_is_free_after_the_transaction(pool: Pool, conn: AsyncConnection, floor: Known) -> None:
    await call(pool, Ordered("a", any_tickets(having(floor, 1), 2)))
    second = await call(pool, Ordered("b", any_tickets(having(floor, 1), 2)))
    assert await positions(conn, second) == [3, 4]


async def test_concurrent_batches_do_not_read_each_others_tickets(
    pool: Pool, conn: AsyncConnection, floor: Known
) -> None:
    async with (
        open_sale(pool, having(floor, 1, 11), 5, "a") as (one, _),
        open_sale(pool, having(floor, 1, 11), 5, "b") as (other, _),
    ):
        assert await tickets_read(conn, one) == await tickets_read(conn, other) == set()
    assert await count(conn, "tickets where status = 'sold' and position <= 40") == 10


async def test_concurrent_batches_without_shares_read_each_others_tickets(
    pool: Pool, conn: AsyncConnection, floor: Known
) -> None:
    async with (
        open_sale(pool, having(floor, start=36), 5, "a"),
        open_sale(pool, having(floor, start=31), 10, "b") as (other, _),
    ):
        assert await tickets_read(conn, other) == {36, 37, 38, 39, 40}


async def test_batches_in_flight_of_a_process_have_different_shares(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(WAITS)

    async def waiting() -> int:
        return await count(conn, "pg_locks where locktype = 'advisory' and not granted")

    async with running_batcher(database_url) as batcher, asyncio.timeout(RESPONSE_TIMEOUT_S):
        await responses(batcher, order("too-large", 1000))  # A direct sale needs a known tier.
        await conn.execute("select pg_advisory_lock(1)")
        first = asyncio.create_task(responses(batcher, order("first")))
        await read_until(waiting, lambda found: found == 1)
        await responses(batcher, order("second"))
        await conn.execute("select pg_advisory_unlock(1)")
        await first
    cursor = await conn.execute("select position from bookings join tickets on tickets.id = ticket_id")
    sold = [position for (position,) in await cursor.fetchall()]
    assert [position % WIDTH_MIN for position in sold] == [1, 1]  # Each is the first ticket of its share.
    assert len(set(sold)) == 2
