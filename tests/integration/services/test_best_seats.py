"""The best free seats that the API shows before a booking."""

import pytest
from psycopg import AsyncConnection

from api import schemas
from api.commands.seed import parse_inventory, seed
from api.database.pool import Pool
from api.errors import AllHeld, Busy, NotOnSale, SoldOut, UnknownEvent, UnknownTier
from api.services.best_seats import find_best
from api.services.bookings.seat_search import SeatSearch
from tests.integration.asynchronous import RULES


async def best(
    pool: Pool, tier: str = "VIP", quantity: int = 2, event: str = schemas.BUILT_IN_EVENT
) -> schemas.BestSeats:
    return await find_best(pool, SeatSearch(), RULES, event, tier, quantity)


async def take(conn: AsyncConnection, condition: str, status: str = "sold") -> None:
    """Make tickets unavailable."""
    held_until = "now() + interval '90 s'" if status == "held" else "null"
    await conn.execute(f"update tickets set status = '{status}', held_until = {held_until} where {condition}")  # noqa: S608


async def test_an_empty_house_offers_its_front_centre_and_the_next_best(pool: Pool) -> None:
    found = await best(pool)
    assert found.seats == schemas.SeatChoice(
        ticket_ids=[9, 10],
        rows=["A", "A"],
        numbers=[9, 10],
        row="A",
        zone="centre",
        together=True,
        reason="row A, 9-10, centre, together",
        total=200,
        currency="USD",
    )
    assert [each.reason for each in found.alternatives] == [
        "row A, 11-12, centre, together",
        "row A, 7-8, centre, together",
    ]


async def test_one_seat_is_neither_together_nor_separate_in_words(pool: Pool) -> None:
    found = await best(pool, quantity=1)
    assert found.seats
    assert (found.seats.reason, found.seats.together) == ("row A, 10, centre", True)


async def test_separate_seats_are_named_by_row(pool: Pool, conn: AsyncConnection) -> None:
    await take(
        conn, "id <= 100 and not (row_label = 'A' and seat_number in (3, 5) or row_label = 'B' and seat_number = 4)"
    )
    found = await best(pool, quantity=3)
    assert found.seats
    assert found.seats.reason == "row A, 3 and 5; row B, 4, left, separate"
    assert (found.seats.row, found.seats.rows, found.seats.numbers) == (None, ["A", "A", "B"], [3, 5, 4])
    assert found.alternatives == []


async def test_a_standing_tier_has_no_seats(pool: Pool, conn: AsyncConnection) -> None:
    assert await best(pool, "GA") == schemas.BestSeats(seats=None, alternatives=[])
    await take(conn, "id > 301")
    with pytest.raises(SoldOut):
        await best(pool, "GA")


async def test_seats_that_an_unfinished_transaction_has_locked_are_not_offered(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    async with await AsyncConnection.connect(database_url) as other:
        await other.execute("select from tickets where id between 9 and 12 for update")
        found = await best(pool)
        assert found.seats
        assert found.seats.reason == "row A, 7-8, centre, together"
        await other.execute("select from tickets where id <= 100 for update")
        with pytest.raises(Busy):
            await best(pool)
        await other.rollback()
    found = await best(pool)
    assert found.seats
    assert found.seats.ticket_ids == [9, 10]


async def test_too_few_seats_are_explained(pool: Pool, conn: AsyncConnection) -> None:
    await take(conn, "id <= 98")
    await take(conn, "id = 99", "held")
    with pytest.raises(AllHeld) as held:
        await best(pool)
    assert held.value.details == {"available": 1}
    with pytest.raises(SoldOut) as sold:
        await best(pool, quantity=3)
    assert sold.value.details == {"available": 1}


async def test_unknown_names_and_a_closed_sale_are_refused(pool: Pool, conn: AsyncConnection) -> None:
    with pytest.raises(UnknownEvent):
        await best(pool, event="nowhere")
    with pytest.raises(UnknownTier):
        await best(pool, "Balcony")
    await conn.execute("update events set sales_start_at = starts_at - interval '1 minute'")
    with pytest.raises(NotOnSale):
        await best(pool)


async def test_a_large_tier_is_read_until_the_choice_is_certain(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    seed(database_url, event="large", inventory=parse_inventory("VIP=2000"))
    # Every other seat of the first 80 rows is free, so a search for two must read past 800 of them.
    await take(conn, "event_id <> 1 and seat_number % 2 = 0 and position <= 80 * 21")
    found = await best(pool, event="large")
    assert found.seats
    assert found.seats.together
    assert found.seats.numbers == [9, 10]
    assert found.seats.ticket_ids[0] > 80 * 20
