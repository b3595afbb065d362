"""Orders with a total of 0 need no payment provider."""

from typing import Literal

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.errors import Busy
from api.services.bookings.batcher import BookingBatcher
from api.services.order_rows import OrderRow
from api.services.order_views import to_schema
from api.services.payments import reconcile_payments
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider, book, hold, order, response, states

pytestmark = pytest.mark.usefixtures("audited")


@pytest.mark.parametrize("mode", ["inline", "async"])
async def test_a_total_of_0_is_confirmed_and_cancelled_without_a_provider(
    pool: Pool, conn: AsyncConnection, provider: Provider, mode: Literal["inline", "async"]
) -> None:
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    settings = Settings(payment_mode=mode, payment_success_rate=0, bookings_per_minute=0)
    free, paid = order("GA", 2), order("VIP")
    booked = response((await book(pool, free, paid, settings=settings))[0])
    assert isinstance(booked, OrderRow)
    assert (booked.status, booked.total_minor, booked.expires_at) == ("confirmed", 0, None)
    assert await states(conn, free.reference) == ("confirmed", "captured", 2)
    provider.unavailable = True
    await reconcile_payments(pool, settings, provider)
    cancelled = to_schema(*await cancel_order(pool, free.reference, "u", OPEN))
    assert cancelled.refund == 0
    assert await states(conn, free.reference) == ("cancelled", "refunded", 0)
    assert free.reference not in provider.amounts


async def test_while_the_provider_is_unavailable_only_free_tickets_and_repeats_are_booked(
    pool: Pool, conn: AsyncConnection
) -> None:
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    repeat = order("VIP")
    first = await hold(pool, "VIP", reference=repeat.reference)
    available = True
    batcher = BookingBatcher(pool, ASYNC, on_commit=lambda _: None, can_charge=lambda: available)
    async with batcher.running():
        available = False
        refused = response(await batcher.book(order("VIP")))
        assert isinstance(refused, Busy)
        assert str(refused).startswith("Payments are not possible at the moment.")
        free = response(await batcher.book(order("GA")))
        assert isinstance(free, OrderRow)
        assert free.status == "confirmed"
        assert response(await batcher.book(repeat)) == first
        available = True
        paid = response(await batcher.book(order("VIP")))
        assert isinstance(paid, OrderRow)
        assert paid.status == "pending"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_open_payment_of_0_is_settled_without_a_provider(
    pool: Pool, conn: AsyncConnection, provider: Provider, *, cancelled: bool
) -> None:
    held = await hold(pool, "GA")
    for statement in (
        "update bookings set price_minor = 0",
        "update orders set total_minor = 0",
        "update payments set amount_minor = 0, next_check_at = now()",
    ):
        await conn.execute(statement)
    provider.unavailable = True
    if cancelled:
        await cancel_order(pool, held.reference, "u", OPEN)
    await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == (
        ("cancelled", "refunded", 0) if cancelled else ("confirmed", "captured", 1)
    )
    assert provider.amounts == {}
