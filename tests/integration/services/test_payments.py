"""Every captured payment has tickets or is refunded, whatever the provider reports and when."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.services.order_views import get_order, list_orders, to_schema
from api.services.orders import expire_holds
from api.services.payments import ChargeUpdate
from api.services.refunds import request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import (
    ASYNC,
    OPEN,
    Provider,
    apply_updates,
    hold,
    let_time_pass,
    states,
    tickets_by_status,
)

pytestmark = pytest.mark.usefixtures("audited")


async def test_a_booking_holds_its_tickets_until_its_payment_is_captured(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 3)
    assert held.expires_at
    assert (held.expires_at - held.created_at).total_seconds() == ASYNC.hold_seconds
    assert await states(conn, held.reference) == ("pending", "pending", 3)
    assert (await tickets_by_status(conn))["held"] == 3
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("confirmed", "captured", 3)
    assert await tickets_by_status(conn) == {"available": 1297, "sold": 3}


async def test_a_declined_payment_returns_the_tickets_to_sale(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 3)
    await apply_updates(pool, {held.reference: "declined"})
    assert await states(conn, held.reference) == ("declined", "declined", 0)
    assert await tickets_by_status(conn) == {"available": 1300}


async def test_the_tickets_of_an_overdue_hold_return_to_sale_once(pool: Pool, conn: AsyncConnection) -> None:
    references = [(await hold(pool)).reference for _ in range(5)]
    assert await expire_holds(pool, ASYNC) == 0
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    assert max(await asyncio.gather(*(expire_holds(pool, ASYNC) for _ in range(3)))) > 0
    assert await expire_holds(pool, ASYNC) == 0
    assert await tickets_by_status(conn) == {"available": 1300}
    assert {await states(conn, reference) for reference in references} == {("expired", "pending", 0)}
    cursor = await conn.execute("select count(*) from order_events where status = 'expired'")
    assert await cursor.fetchone() == (5,)


async def test_a_late_payment_reclaims_the_same_tickets_if_they_are_free(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 2)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("confirmed", "captured", 2)
    assert await tickets_by_status(conn) == {"available": 1298, "sold": 2}
    found, _ = await get_order(pool, held.reference, OPEN)
    late = "The payment came late, but the same 2 ticket(s) were still free and are booked"
    assert (found.paid_late, found.message) == (True, late)
    (listed,) = (await list_orders(pool, "u", OPEN, limit=1, cursor=None)).orders
    assert listed == found
    cancelled = to_schema(*await cancel_order(pool, held.reference, "u", OPEN))
    assert (cancelled.paid_late, cancelled.message) == (True, "The booking was cancelled.")


async def test_orders_paid_in_time_or_never_are_not_paid_late(pool: Pool, conn: AsyncConnection) -> None:
    captured, declined, expired = [(await hold(pool)).reference for _ in range(3)]
    await apply_updates(pool, {captured: "captured", declined: "declined"})
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    found = [(await get_order(pool, reference, OPEN))[0] for reference in (captured, declined, expired)]
    assert [(each.status, each.paid_late) for each in found] == [
        ("confirmed", False),
        ("declined", False),
        ("expired", False),
    ]


async def test_a_late_payment_is_refunded_if_a_ticket_is_gone(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2, ticket_ids=(1, 2))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    other = await hold(pool, "VIP", 1, ticket_ids=(2,))
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("expired", "refunding", 0)
    provider.charges = {held.reference: "captured", other.reference: "processing"}
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert provider.charges[held.reference] == "refunded"
    assert await states(conn, held.reference) == ("expired", "refunded", 0)
    found, _ = await get_order(pool, held.reference, OPEN)
    assert (found.status, found.refund, found.paid_late) == ("expired", found.total, False)


async def test_a_late_payment_for_a_cancelled_event_is_refunded(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 1)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await conn.execute("update events set cancelled_at = now()")
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("expired", "refunding", 0)


async def test_a_payment_in_time_for_a_cancelled_event_is_refunded(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2)
    await conn.execute("update events set cancelled_at = now()")
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("cancelled", "refunding", 0)
    provider.charges[held.reference] = "captured"
    await request_refunds(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("cancelled", "refunded", 0)


async def test_two_late_payments_for_one_seat_end_in_one_sale_and_one_refund(pool: Pool, conn: AsyncConnection) -> None:
    first = await hold(pool, "VIP", 1, ticket_ids=(7,))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    second = await hold(pool, "VIP", 1, ticket_ids=(7,))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await apply_updates(pool, {first.reference: "captured", second.reference: "captured"})
    results = sorted([await states(conn, first.reference), await states(conn, second.reference)])
    assert results == [("confirmed", "captured", 1), ("expired", "refunding", 0)]


async def test_a_paid_order_ignores_later_updates(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    await apply_updates(pool, {held.reference: "captured"})
    settled = await states(conn, held.reference)
    updates: tuple[ChargeUpdate, ...] = ("processing", "captured", "declined", "refunded", "unknown")
    for later in updates:
        await apply_updates(pool, {held.reference: later})
        assert await states(conn, held.reference) == settled


async def test_concurrent_transactions_settle_an_order_once(pool: Pool, conn: AsyncConnection) -> None:
    held = [await hold(pool) for _ in range(10)]
    await asyncio.gather(
        *(apply_updates(pool, dict.fromkeys((h.reference for h in held), "captured")) for _ in range(4))
    )
    assert {await states(conn, h.reference) for h in held} == {("confirmed", "captured", 1)}
    cursor = await conn.execute("select count(*) from order_events where subject = 'order' and status = 'confirmed'")
    assert await cursor.fetchone() == (10,)
