"""The SQL function book_batch trusts no lengths of holds, and locks no seats for orders that it leaves out."""

import pytest
from psycopg import AsyncConnection
from psycopg.errors import AssertFailure

from api.commands.seed import parse_inventory, seed
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from tests.integration.services.bookings.book_batch import (
    Ordered,
    Result,
    any_tickets,
    find_seats,
    find_tier,
    parameters,
)
from tests.integration.services.bookings.test_batcher import count
from tests.integration.services.bookings.test_book_batch import Obstacle, change_price, lock_reference


@pytest.mark.parametrize("lengths", [[], [None], [None, 60], [60, 90]])
async def test_a_missing_length_fails_the_whole_batch(
    pool: Pool, conn: AsyncConnection, lengths: list[int | None]
) -> None:
    floor = await find_tier(conn, "GA")
    orders = [
        Ordered("a", any_tickets(floor, 1), payment="pending", hold_seconds=60),
        Ordered("b", any_tickets(floor, 2), payment="pending", hold_seconds=90),
        Ordered("c", any_tickets(floor, 1)),
    ]
    values = parameters(orders) | {"hold_lengths": lengths}
    async with open_session(pool) as session:
        with pytest.raises(AssertFailure, match="rows are affected instead of 4"):
            async with session.transaction():
                await session.run(Statement(queries.bookings.book_batch, values, Result))
    assert await count(conn, "orders") == await count(conn, "tickets where status <> 'available'") == 0


@pytest.mark.parametrize(("obstacle", "cause"), [(lock_reference, "in_flight"), (change_price, "changed_tier")])
async def test_the_seats_of_an_order_that_is_left_out_stay_unlocked(
    pool: Pool, conn: AsyncConnection, database_url: str, obstacle: Obstacle, cause: str
) -> None:
    seed(database_url, event="other", inventory=parse_inventory("Floor=10"))
    vip, floor = await find_tier(conn, "VIP"), await find_tier(conn, "Floor", "other")
    orders = [
        Ordered("obstructed", await find_seats(conn, vip, 2, 3)),
        Ordered("free", await find_seats(conn, floor, 1)),
    ]
    async with await AsyncConnection.connect(database_url) as other:
        await obstacle(other)
        async with open_session(pool) as session, session.transaction():
            (result,) = await session.run(Statement(queries.bookings.book_batch, parameters(orders), Result))
            unlocked = await conn.execute(
                "select position from tickets where tier_id = %s and position in (2, 3) for update skip locked",
                [vip.id],
            )
            assert sorted(await unlocked.fetchall()) == [(2,), (3,)]
    assert result.causes == [cause, None]
    assert await count(conn, "tickets where status = 'sold'") == 1
