"""An error after a committed sale changes no response to a buyer of that sale."""

import asyncio
from collections.abc import Sequence

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import open_pool
from api.errors import SoldOut
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked, Refused
from api.services.order_rows import OrderRow
from tests.integration.database.faulty_session import Fault, Faults, Kind
from tests.integration.services.bookings.test_batcher import count, order


@pytest.mark.parametrize("kind", ["57P01 server shutdown", "XX000 unexpected error", "result lost"])
@pytest.mark.parametrize(
    ("known_tier", "statement"),
    [("GA", "orders.find_orders"), ("GA", "tickets.count_left"), ("VIP", "tickets.count_left")],
)
async def test_an_error_after_a_sale_delays_only_the_other_requests(
    database_url: str, conn: AsyncConnection, faults: Faults, known_tier: str, statement: str, kind: Kind
) -> None:
    settings = Settings(payment_success_rate=1, bookings_per_minute=0, max_tickets_per_booking=1000)
    committed: list[str] = []

    def on_commit(orders: Sequence[OrderRow]) -> None:
        committed.extend(each.reference for each in orders)

    async with open_pool(database_url, settings) as pool:
        batcher = BookingBatcher(pool, settings, on_commit)
        async with batcher.running():
            await batcher.book(order("warm", tier=known_tier))
            fault = Fault(statement, 1, kind)
            faults.plan(fault)
            # The batcher books the first request alone, and the other two together.
            requests = [order("first", tier=known_tier), order("sold"), order("refused", 1000)]
            _, sold, refused = await asyncio.gather(*(batcher.book(request) for request in requests))
    assert fault.struck
    assert isinstance(sold, Booked)
    assert not sold.replayed
    assert committed == ["warm", "first", "sold"]
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, SoldOut)
    assert await count(conn, "orders") == 3
