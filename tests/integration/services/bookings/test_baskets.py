"""Baskets: items of several tiers and named seats in one order, all or nothing."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import AllHeld, InvalidRequest, PriceChanged, SeatTaken, SoldOut
from api.payments import simulator
from api.services.bookings import batch
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Declined, Item, NewOrder, Outcome
from tests.integration.asynchronous import ASYNC, INLINE, book, order, response

VIP, FRONT, GA = (Item(tier=name, quantity=2) for name in ("VIP", "Front Row", "GA"))
"""Two tickets of each tier. VIP costs 100.00, Front Row 50.00 and GA 10.00."""


def basket(*items: Item, **changes: Any) -> NewOrder:
    return order(items=items, itemized=True, **changes)


def named(*ticket_ids: int, tier: str | None = None) -> Item:
    return Item(tier=tier, quantity=len(ticket_ids), ticket_ids=ticket_ids)


async def states(conn: AsyncConnection) -> dict[str, int]:
    """Return the numbers of tickets by state."""
    cursor = await conn.execute("select status, count(*)::integer from tickets group by status")
    return {status: number async for status, number in cursor}


async def book_known(pool: Pool, *batches: list[NewOrder]) -> list[Outcome]:
    """Book batches one after the other, like a process; return the outcomes of the last one."""
    memory = Memory()
    async with open_session(pool) as session:
        for batch in batches:
            outcomes: dict[str, Outcome] = {}
            await book_batch(session, batch, BookingPolicy.of(INLINE), memory, outcomes)
    return [outcomes[request.reference] for request in batches[-1]]


async def test_one_order_has_the_tickets_of_all_items(pool: Pool, conn: AsyncConnection) -> None:
    (outcome,) = await book(pool, basket(GA, named(17, 150), VIP, GA, expected_total=390.0), settings=INLINE)
    assert isinstance(outcome, Booked)
    assert outcome.order.total_minor == 39_000
    assert [(each.line, each.tier, each.price_minor) for each in outcome.bookings] == [
        *((1, "GA", 1000), (2, "GA", 1000)),
        *((3, "VIP", 10_000), (4, "Front Row", 5000)),
        *((5, "VIP", 10_000), (6, "VIP", 10_000)),
        *((7, "GA", 1000), (8, "GA", 1000)),
    ]
    assert [each.ticket_id for each in outcome.bookings[2:4]] == [17, 150]
    assert len({each.ticket_id for each in outcome.bookings}) == 8
    assert (await states(conn))["sold"] == 8
    cursor = await conn.execute("select quantity, amount_minor from orders join payments on order_id = orders.id")
    assert await cursor.fetchall() == [(8, 39_000)]


async def test_a_pending_basket_holds_all_of_its_tickets(pool: Pool, conn: AsyncConnection) -> None:
    (outcome,) = await book(pool, basket(VIP, GA), settings=ASYNC)
    assert isinstance(outcome, Booked)
    assert (outcome.order.status, outcome.order.total_minor) == ("pending", 22_000)
    cursor = await conn.execute("select distinct held_until from tickets where status = 'held'")
    assert await cursor.fetchall() == [(outcome.order.expires_at,)]
    assert (await states(conn))["held"] == 4


async def test_a_declined_basket_takes_no_ticket(pool: Pool, conn: AsyncConnection) -> None:
    settings = Settings(payment_success_rate=0.5, bookings_per_minute=0)
    reference = next(r for n in range(1000) if simulator.decide(r := f"r-{n}", 0.5) == "declined")
    (outcome,) = await book(pool, basket(VIP, GA, reference=reference), settings=settings)
    assert isinstance(outcome, Declined)
    assert await states(conn) == {"available": sum((await states(conn)).values())}


@pytest.mark.parametrize("known", [True, False], ids=["known", "prefetched"])
@pytest.mark.parametrize("missing", [0, 2])
async def test_an_item_that_is_sold_out_leaves_the_others(
    pool: Pool, conn: AsyncConnection, *, missing: int, known: bool
) -> None:
    await conn.execute("update tickets set status = 'sold' where tier_id = (select id from tiers where name = 'VIP')")
    items = [GA, named(150)]
    items.insert(missing, VIP)
    earlier = [[order("GA"), order("Front Row", ticket_ids=(149,)), order("VIP")]] if known else []
    refused, sold = await book_known(pool, *earlier, [basket(*items), basket(GA, named(151))])
    error = response(refused)
    assert isinstance(error, SoldOut)
    assert error.details == {"available": 0, "item": missing}
    assert isinstance(sold, Booked)
    assert [each.ticket_id for each in sold.bookings][2:] == [151]


async def test_a_basket_of_known_tiers_needs_no_prefetch(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = [order("GA"), order("Front Row"), order("VIP")]
    memory = Memory()
    async with open_session(pool) as session:
        await book_batch(session, earlier, BookingPolicy.of(INLINE), memory, {})
        monkeypatch.setattr(batch, "prefetch", None)
        outcomes: dict[str, Outcome] = {}
        new = basket(VIP, named(17, 150), GA)
        await book_batch(session, [new], BookingPolicy.of(INLINE), memory, outcomes)
    assert isinstance(outcomes[new.reference], Booked)


async def test_two_items_of_one_tier_need_the_stock_of_both(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute(
        "update tickets set status = 'sold' where tier_id = (select id from tiers where name = 'GA') and position > 3"
    )
    (refused,) = await book(pool, basket(GA, GA), settings=INLINE)
    (sold,) = await book(pool, basket(GA, Item(tier="GA", quantity=1)), settings=INLINE)
    error = response(refused)
    assert isinstance(error, SoldOut)
    assert error.details == {"available": 3, "item": 1}
    assert isinstance(sold, Booked)


async def test_held_tickets_of_an_item_are_awaited(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute(
        "update tickets set status = 'held', held_until = now() + interval '1 minute'"
        " where tier_id = (select id from tiers where name = 'GA')"
    )
    (refused,) = await book(pool, basket(VIP, GA), settings=INLINE)
    error = response(refused)
    assert isinstance(error, AllHeld)
    assert (error.details["item"], error.retry_after_s) == (1, 60)


async def test_all_taken_seats_are_listed_with_the_first_item(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update tickets set status = 'sold' where id in (17, 150)")
    (refused,) = await book(pool, basket(GA, named(16, 17), named(150)), settings=INLINE)
    error = response(refused)
    assert isinstance(error, SeatTaken)
    assert error.details == {"ticketIds": [17, 150], "item": 1}
    assert (await states(conn))["sold"] == 2


async def test_a_changed_price_of_one_tier_refuses_the_basket(pool: Pool) -> None:
    (refused,) = await book(pool, basket(VIP, GA, expected_total=219.0), settings=INLINE)
    error = response(refused)
    assert isinstance(error, PriceChanged)
    assert error.details == {"total": 220.0}


async def test_named_tickets_must_belong_to_the_event_and_the_tier(pool: Pool, conn: AsyncConnection) -> None:
    cursor = await conn.execute("select max(id)::integer from tickets")
    ((last,),) = await cursor.fetchall()
    unknown, wrong = await book(pool, basket(GA, named(last + 1)), basket(named(150, 17, tier="VIP")), settings=INLINE)
    errors = [response(each) for each in (unknown, wrong)]
    assert all(isinstance(error, InvalidRequest) for error in errors)
    assert [error.details["errors"][0]["field"] for error in errors if isinstance(error, InvalidRequest)] == [
        "items[1].ticketIds",
        "items[0].ticketIds",
    ]


async def test_a_repeat_of_a_basket_gets_the_same_order(pool: Pool) -> None:
    new = basket(GA, named(17, 150), VIP)
    (first,) = await book(pool, new, settings=INLINE)
    (second,) = await book(pool, new, settings=INLINE)
    assert isinstance(first, Booked)
    assert isinstance(second, Booked)
    assert (second.replayed, second.order.id) == (True, first.order.id)
    assert [each.ticket_id for each in second.bookings] == [each.ticket_id for each in first.bookings]
