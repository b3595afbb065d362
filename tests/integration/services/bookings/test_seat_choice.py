"""The seats that a quantity gets while other transactions sell seats of the same tier."""

from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from api.commands.seed import TierPlan, seed
from api.database.pool import Pool
from api.services.bookings import batch
from api.services.bookings.model import Booked, NewOrder, Outcome, Retry
from api.services.bookings.prefetch import prefetch
from tests.integration.asynchronous import INLINE, book, order


def hall(database_url: str, rows: int = 3) -> None:
    """Create an event with rows of twenty seats."""
    seed(
        database_url,
        event="hall",
        inventory=(TierPlan(name="Hall", capacity=20 * rows, price_minor=1_000, seats_per_row=20),),
    )


def buyer(quantity: int, **changes: Any) -> NewOrder:
    return order("Hall", quantity, event="hall", **changes)


def seats(outcome: Outcome) -> list[str]:
    """Return the names of the booked seats, such as A9."""
    assert isinstance(outcome, Booked)
    return [f"{booking.row_label}{booking.seat_number}" for booking in outcome.bookings]


LOCK = "select from tickets where event_id <> 1 and row_label = 'A' and seat_number between 9 and 14 for update"


async def test_a_batch_gets_the_best_seats_in_the_order_of_its_requests(pool: Pool, database_url: str) -> None:
    hall(database_url)
    outcomes = await book(pool, *(buyer(quantity) for quantity in (2, 2, 4, 1)), settings=INLINE)
    assert [seats(outcome) for outcome in outcomes] == [
        ["A9", "A10"],
        ["A11", "A12"],
        ["A5", "A6", "A7", "A8"],
        ["A13"],
    ]


async def test_locked_seats_are_left_out_and_sold_once_they_are_unlocked(pool: Pool, database_url: str) -> None:
    hall(database_url)
    async with await AsyncConnection.connect(database_url) as other:
        await other.execute(LOCK)
        (outcome,) = await book(pool, buyer(2), settings=INLINE)
        assert seats(outcome) == ["A7", "A8"]
        await other.rollback()
    (outcome,) = await book(pool, buyer(2), settings=INLINE)
    assert seats(outcome) == ["A9", "A10"]


async def test_seats_that_are_locked_after_the_search_are_not_chosen_again(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hall(database_url)
    with psycopg.connect(database_url) as other:

        async def prefetch_then_lock(*arguments: object) -> object:
            prefetched = await prefetch(*arguments)  # type: ignore[arg-type]
            other.execute(LOCK)
            return prefetched

        monkeypatch.setattr(batch, "prefetch", prefetch_then_lock)
        (first,) = await book(pool, request := buyer(2), settings=INLINE)
        assert first == Retry("locked_tickets")
        (second,) = await book(pool, request, settings=INLINE)
        assert seats(second) == ["A7", "A8"]
        other.rollback()


async def test_named_seats_of_a_batch_are_not_chosen_for_others(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    hall(database_url)
    cursor = await conn.execute("select min(id) from tickets where event_id <> 1")
    ((first_id,),) = await cursor.fetchall()
    named = buyer(2, ticket_ids=(first_id + 8, first_id + 9))
    outcomes = await book(pool, buyer(2), named, settings=INLINE)
    assert [seats(outcome) for outcome in outcomes] == [["A11", "A12"], ["A9", "A10"]]


async def test_single_seats_are_not_stranded_until_the_house_is_full(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    hall(database_url)
    for _ in range(3):
        await book(pool, *(buyer(2) for _ in range(10)), settings=INLINE)
    cursor = await conn.execute("select count(*) from tickets where event_id <> 1 and status = 'available'")
    assert await cursor.fetchone() == (0,)
    cursor = await conn.execute(
        """
        select count(*) from bookings as one join bookings as other using (order_id)
        join tickets as left_seat on left_seat.id = one.ticket_id
        join tickets as right_seat on right_seat.id = other.ticket_id
        where right_seat.position = left_seat.position + 1
        """
    )
    assert await cursor.fetchone() == (30,), "all pairs are adjacent"
