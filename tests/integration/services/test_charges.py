"""The queue of charges reads each order again before the charge, because the order may have changed meanwhile."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.database.pool import Pool
from api.services.payments import Charges
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider, hold, let_time_pass

pytestmark = pytest.mark.usefixtures("audited")


async def charge(charges: Charges, provider: Provider) -> None:
    """Run the queue until the provider has a charge."""
    async with charges.running(), asyncio.timeout(20):
        while not provider.charges:  # noqa: ASYNC110 - the provider signals no event
            await asyncio.sleep(0.01)


async def test_the_queue_skips_a_charge_whose_hold_has_ended(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    late = await hold(pool)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    due = await hold(pool)
    charges = Charges(pool, provider)
    charges.request([late, due])
    await charge(charges, provider)
    assert provider.charges == {due.reference: "processing"}


async def test_the_queue_skips_a_charge_whose_order_was_cancelled(pool: Pool, provider: Provider) -> None:
    cancelled, due = await hold(pool), await hold(pool)
    charges = Charges(pool, provider)
    charges.request([cancelled, due])
    await cancel_order(pool, cancelled.reference, "u", OPEN)
    await charge(charges, provider)
    assert provider.charges == {due.reference: "processing"}


async def test_the_queue_starts_no_charge_for_a_cancelled_event(
    pool: Pool, conn: AsyncConnection, database_url: str, provider: Provider
) -> None:
    seed(database_url, event="cancelled", inventory=parse_inventory("GA=5"))
    held, due = await hold(pool, event="cancelled"), await hold(pool)
    charges = Charges(pool, provider)
    charges.request([held, due])
    await conn.execute("update events set cancelled_at = now() where slug = 'cancelled'")
    await charge(charges, provider)
    assert provider.charges == {due.reference: "processing"}
