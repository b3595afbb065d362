"""Tickets that others hold are not sold, and a repeated request gets its first response."""

import pytest
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool
from api.errors import AllHeld, SeatTaken, SoldOut
from api.payments import simulator
from api.services.bookings.model import Booked
from api.services.order_views import as_first_booked
from api.services.orders import expire_holds, purge_declined
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, apply_updates, book, hold, let_time_pass, order, response

pytestmark = pytest.mark.usefixtures("audited")


@pytest.mark.parametrize("tier", ["VIP", "GA"])
async def test_tickets_that_others_hold_are_reported_as_held_and_not_sold(
    pool: Pool, database_url: str, conn: AsyncConnection, tier: str
) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory(f"{tier}=3"))
    held = await hold(pool, tier, 2, event="tiny")
    for quantity in (2, 3):
        (outcome,) = await book(pool, order(tier, quantity, event="tiny"))
        all_held = response(outcome)
        assert isinstance(all_held, AllHeld)
        assert all_held.details == {"available": 1}
        assert 0 < (all_held.retry_after_s or 0) <= ASYNC.hold_seconds
    too_many = response((await book(pool, order(tier, 4, event="tiny")))[0])
    assert isinstance(too_many, SoldOut)
    await apply_updates(pool, {held.reference: "captured"})
    sold_out = response((await book(pool, order(tier, 2, event="tiny")))[0])
    assert isinstance(sold_out, SoldOut)
    assert sold_out.details == {"available": 1}


async def test_a_seat_that_is_held_is_taken(pool: Pool) -> None:
    await hold(pool, "VIP", 1, ticket_ids=(5,))
    taken = response((await book(pool, order("VIP", 2, ticket_ids=(5, 6))))[0])
    assert isinstance(taken, SeatTaken)
    assert taken.details == {"ticketIds": [5]}


@pytest.mark.parametrize("outcome", ["captured", "declined", "expired", "captured late", "cancelled"])
async def test_a_repeated_request_gets_the_first_response_whatever_the_status(
    pool: Pool, conn: AsyncConnection, outcome: str
) -> None:
    request = order("VIP", 2)
    (first,) = await book(pool, request)
    assert isinstance(first, Booked)
    if outcome == "cancelled":
        await cancel_order(pool, request.reference, "u", OPEN)
    elif outcome in {"expired", "captured late"}:
        await conn.execute("update orders set created_at = created_at - interval '1 h', expires_at = now()")
        await expire_holds(pool, ASYNC)
        await conn.execute(
            "update orders set created_at = created_at + interval '1 h', expires_at = %s", [first.order.expires_at]
        )
        if outcome == "captured late":
            await apply_updates(pool, {request.reference: "captured"})
    else:
        await apply_updates(pool, {request.reference: "captured" if outcome == "captured" else "declined"})
    (again,) = await book(pool, request)
    assert isinstance(again, Booked)
    assert again.replayed
    assert as_first_booked(again.order) == first.order
    assert again.bookings == first.bookings


async def test_the_purge_keeps_a_declined_order_with_a_refund(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    for update in ("declined", "captured"):
        await apply_updates(pool, {held.reference: update})
    await let_time_pass(conn, 31 * 24 * 3600)
    assert await purge_declined(pool, ASYNC) == 0


async def test_declined_orders_of_both_modes_are_purged(pool: Pool, conn: AsyncConnection) -> None:
    reference = next(r for n in range(1000) if simulator.decide(r := f"d-{n}", 0.5) == "declined")
    await book(pool, order(reference=reference), settings=Settings(payment_success_rate=0.5, bookings_per_minute=0))
    held = await hold(pool)
    await apply_updates(pool, {held.reference: "declined"})
    await let_time_pass(conn, 31 * 24 * 3600)
    assert await purge_declined(pool, ASYNC) == 2
    for table in ("orders", "payments", "bookings", "order_events"):
        cursor = await conn.execute(f"select count(*) from {table}")  # noqa: S608 - the table names are constants
        assert await cursor.fetchone() == (0,), table
