"""Paid orders with their bookings and refunds, for the tests of returns and refunds."""

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection

from api.database.pool import Pool
from api.database.session import open_session
from api.payments.provider import Amount
from api.services.order_rows import BookingRow, OrderRow
from api.services.orders import find_bookings
from tests.integration.asynchronous import Provider, apply_updates, hold

VIP_MINOR = 10_000
"""The price of a ticket of tier VIP in minor units."""


async def lines_of(pool: Pool, order: OrderRow) -> Sequence[BookingRow]:
    """Return the bookings of an order."""
    async with open_session(pool) as session:
        return (await find_bookings(session, [order.id]))[order.id]


async def paid(pool: Pool, provider: Provider, quantity: int, **changes: Any) -> tuple[OrderRow, list[int]]:
    """Book and pay tickets of tier VIP; return the order and the ids of its bookings."""
    held = await hold(pool, "VIP", quantity, **changes)
    await provider.charge(held.reference, Amount(held.total_minor, held.currency))
    provider.charges[held.reference] = "captured"
    await apply_updates(pool, {held.reference: "captured"})
    return held, [line.id for line in await lines_of(pool, held)]


async def refund_states(conn: AsyncConnection, reference: str) -> list[tuple[int, str, str]]:
    """Return the amount, the status and the cause of each refund of an order, oldest first."""
    cursor = await conn.execute(
        """
        select refunds.amount_minor, refunds.status, refunds.requested_by
        from refunds join payments on payments.id = payment_id join orders on orders.id = order_id
        where reference = %s order by refunds.id
        """,
        [reference],
    )
    return await cursor.fetchall()
