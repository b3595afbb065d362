"""Events with many orders, and the course of their cancellation, for the tests of cancelled events."""

import msgspec
from psycopg import AsyncConnection

from api import schemas
from api.config import Settings
from api.database.pool import Pool
from api.payments.provider import Amount
from api.services.cancellations import Preview, Progress, end_orders, preview, start
from api.services.refunds import request_refunds
from tests.integration.asynchronous import ASYNC, Provider, let_time_pass

FAST = msgspec.structs.replace(ASYNC, refunds_per_second=1000)
"""Settings that do not slow the refunds of a test."""
EVENT = schemas.BUILT_IN_EVENT
GA_MINOR = 1000
"""The price of a ticket of tier GA in minor units."""


async def sell_many(conn: AsyncConnection, provider: Provider, count: int) -> None:
    """Insert paid orders of one ticket of tier GA each, with their charges and their history."""
    statement = """
        with free as (
            select tickets.id as ticket_id, tier_id, tickets.event_id, row_number() over (order by tickets.id) as number
            from tickets join tiers on tiers.id = tier_id join events on events.id = tickets.event_id
            where slug = %(event)s and tiers.name = 'GA' and status = 'available' order by tickets.id limit %(count)s
        ),
        new_orders as (
            insert into orders (
                event_id, reference, user_id, request_digest, status, quantity, total_minor, currency, expires_at
            )
            select event_id, 'many-' || number, 'u', sha256('x'), 'pending', 1, %(price)s, 'USD', now() + '5 minutes'
            from free
            returning id, reference
        ),
        new_payments as (
            insert into payments (order_id, status, amount_minor, currency, next_check_at)
            select id, 'pending', %(price)s, 'USD', now() + '5 minutes' from new_orders
        )
        insert into bookings (order_id, line, ticket_id, tier_id, price_minor)
        select new_orders.id, 1, ticket_id, tier_id, %(price)s
        from new_orders join free on reference = 'many-' || number
    """
    parameters = {"event": EVENT, "count": count, "price": GA_MINOR}
    cursor = await conn.execute(statement, parameters)
    assert cursor.rowcount == count
    await conn.execute(
        """
        update orders set status = 'confirmed' where reference like 'many-%';
        update payments set status = 'captured', next_check_at = null
        where order_id in (select id from orders where reference like 'many-%');
        update tickets set status = 'sold'
        where id in (select ticket_id from bookings join orders on orders.id = order_id where reference like 'many-%')
        """
    )
    for number in range(1, count + 1):
        provider.amounts[f"many-{number}"] = Amount(GA_MINOR, "USD")
        provider.charges[f"many-{number}"] = "captured"


async def cancel(pool: Pool, event: str = EVENT) -> Preview:
    """Start the cancellation of an event; return its preview."""
    found = await preview(pool, event)
    assert isinstance(found, Preview)
    await start(pool, found, "the singer is ill")
    return found


async def progress(pool: Pool, event: str = EVENT) -> Progress:
    """Return the progress of a cancellation."""
    found = await preview(pool, event)
    assert isinstance(found, Progress)
    return found


async def counts(pool: Pool) -> dict[str, tuple[int, int]]:
    """Return the number of orders and the amount in each state, in minor units."""
    return {count.state: (count.orders, count.amount_minor) for count in (await progress(pool)).counts}


async def check_sums(pool: Pool, expected: Preview) -> None:
    """Check that the progress adds up to the orders and amounts of the preview."""
    states = await counts(pool)
    assert sum(orders for orders, _ in states.values()) == expected.orders
    assert sum(minor for _, minor in states.values()) == sum(total.amount_minor for total in expected.totals)


async def run_worker(
    pool: Pool, conn: AsyncConnection, provider: Provider, settings: Settings = FAST, *, runs: int = 1000
) -> None:
    """Run the jobs of the worker until nothing is left to do, or `runs` times."""
    for _ in range(runs):
        if not await end_orders(pool, settings) + await request_refunds(pool, settings, provider):
            break
    else:
        return
    await let_time_pass(conn, 60)
    await request_refunds(pool, settings, provider)
    await end_orders(pool, settings)
