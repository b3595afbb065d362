"""A cancellation frees the tickets, and refunds the payment even if it arrives later."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.errors import Forbidden, NotCancellable, NotFound
from api.services.bookings.model import Booked
from api.services.order_views import to_schema
from api.services.refunds import request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import (
    ASYNC,
    INLINE,
    OPEN,
    Provider,
    apply_updates,
    book,
    hold,
    order,
    states,
    tickets_by_status,
)

pytestmark = pytest.mark.usefixtures("audited")


async def test_orders_of_a_cancelled_event_are_cancelled_at_any_time(pool: Pool, conn: AsyncConnection) -> None:
    paid, pending = await hold(pool), await hold(pool)
    await apply_updates(pool, {paid.reference: "captured"})
    await conn.execute("update events set cancelled_at = now(), doors_at = null, starts_at = now() - interval '9 days'")
    await cancel_order(pool, paid.reference, "u", OPEN)
    await cancel_order(pool, pending.reference, "u", OPEN)
    assert await states(conn, paid.reference) == ("cancelled", "refunding", 0)
    assert await states(conn, pending.reference) == ("cancelled", "pending", 0)


async def test_a_refund_before_the_capture_is_reported_closes_the_payment(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    await cancel_order(pool, held.reference, "u", OPEN)
    await apply_updates(pool, {held.reference: "refunded"})
    assert await states(conn, held.reference) == ("cancelled", "void", 0)


async def test_cancelling_a_confirmed_order_frees_its_tickets_and_refunds_it(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2)
    provider.charges[held.reference] = "captured"
    await apply_updates(pool, {held.reference: "captured"})
    first = to_schema(*await cancel_order(pool, held.reference, "u", OPEN))
    assert (first.status, first.refund, first.event) == ("cancelled", first.total, "aurora-sessions")
    assert await states(conn, held.reference) == ("cancelled", "refunding", 0)
    await request_refunds(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("cancelled", "refunded", 0)
    assert to_schema(*await cancel_order(pool, held.reference, "u", OPEN)) == first
    assert await tickets_by_status(conn) == {"available": 1300}


async def test_a_payment_for_a_cancelled_order_is_refunded(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool)
    await cancel_order(pool, held.reference, "u", OPEN)
    assert await states(conn, held.reference) == ("cancelled", "pending", 0)
    provider.charges[held.reference] = "captured"
    await apply_updates(pool, {held.reference: "captured"})
    await request_refunds(pool, ASYNC, provider)
    assert provider.charges[held.reference] == "refunded"
    assert await states(conn, held.reference) == ("cancelled", "refunded", 0)


async def test_an_inline_payment_is_refunded_by_the_cancellation(pool: Pool, conn: AsyncConnection) -> None:
    (outcome,) = await book(pool, order("GA", 2, reference="inline"), settings=INLINE)
    assert isinstance(outcome, Booked)
    first = to_schema(*await cancel_order(pool, "inline", "u", OPEN))
    assert (first.status, first.refund) == ("cancelled", 20)
    assert await states(conn, "inline") == ("cancelled", "refunded", 0)
    assert to_schema(*await cancel_order(pool, "inline", "u", OPEN)) == first


async def test_only_the_buyer_cancels_and_only_live_orders_of_future_events(pool: Pool, conn: AsyncConnection) -> None:
    held, declined = await hold(pool), await hold(pool)
    await apply_updates(pool, {declined.reference: "declined"})
    with pytest.raises(NotFound):
        await cancel_order(pool, "nobody", "u", OPEN)
    with pytest.raises(Forbidden):
        await cancel_order(pool, held.reference, "somebody-else", OPEN)
    with pytest.raises(NotCancellable):
        await cancel_order(pool, declined.reference, "u", OPEN)
    await conn.execute("update events set doors_at = null, starts_at = now()")
    with pytest.raises(NotCancellable):
        await cancel_order(pool, held.reference, "u", OPEN)
    assert await states(conn, held.reference) == ("pending", "pending", 1)


async def test_a_payment_concurrent_with_a_cancellation_is_refunded(pool: Pool, conn: AsyncConnection) -> None:
    for _ in range(10):
        held = await hold(pool)
        await asyncio.gather(
            cancel_order(pool, held.reference, "u", OPEN),
            apply_updates(pool, {held.reference: "captured"}),
            return_exceptions=True,
        )
        assert await states(conn, held.reference) == ("cancelled", "refunding", 0)
