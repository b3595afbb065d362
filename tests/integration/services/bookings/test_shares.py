"""Concurrent batches claim standing tickets from different shares, and do not read each other's tickets."""

import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from psycopg import AsyncConnection

from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import BookingPolicy, Outcome
from api.services.bookings.shares import WIDTH_MIN
from tests.integration.asynchronous import INLINE, order
from tests.integration.services.bookings.book_batch import (
    Known,
    Ordered,
    Result,
    any_tickets,
    call,
    find_tier,
    parameters,
)
from tests.integration.services.bookings.test_batcher import count

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


async def test_a_batch_claims_from_other_shares_than_a_batch_in_flight(pool: Pool, conn: AsyncConnection) -> None:
    memory, policy, outcomes = Memory(), BookingPolicy.of(INLINE), dict[str, Outcome]()
    async with open_session(pool) as session:
        # A direct sale needs a known tier. The refused order takes no ticket.
        await book_batch(session, [order("GA", 1001)], policy, memory, outcomes)
        (tier,) = memory.tiers(session.server)
        with memory.shares.batch() as in_flight:
            others = in_flight.take(tier, 900)
            await book_batch(session, [order("GA", 1)], policy, memory, outcomes)
    cursor = await conn.execute("select position from bookings join tickets on tickets.id = ticket_id")
    ((position,),) = await cursor.fetchall()
    assert position % WIDTH_MIN == 1  # The first ticket of a share.
    assert position not in others
