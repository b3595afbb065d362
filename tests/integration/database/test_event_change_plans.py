"""A batch of entries about a change of an event reads a bounded number of orders, however many orders there are."""

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import queries
from api.database.pool import prepare_session
from tests.integration.database.test_queries import plan_of

ORDERS, SCANNED, BATCH = 20_000, 500, 100


@pytest.fixture
async def session(conn: AsyncConnection) -> AsyncConnection:
    """A connection with the API's settings to a database with a change of an event that has every second order."""
    await conn.execute(
        """
        with other as (
            insert into events (slug, name, starts_at, sales_start_at, time_zone, venue, currency)
            select 'other', name, starts_at, sales_start_at, time_zone, venue, currency from events
            returning id
        )
        insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
        select case n % 2 when 0 then 1 else other.id end, 'r-' || n, 'u', sha256('x'), 'confirmed', 1, 100, 'USD'
        from other, generate_series(1, 20000) as n
        """
    )
    await conn.execute(
        "insert into bookings (order_id, line, ticket_id, tier_id, price_minor) select id, 1, id, 1, 100 from orders"
    )
    await conn.execute("update events set venue = 'Pier 9' where id = 1")
    await conn.execute("update event_changes set seen_at = now()")
    await conn.execute("vacuum analyze orders, bookings, event_changes")
    await prepare_session(conn, Settings())
    return conn


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
async def test_a_batch_reads_a_bounded_number_of_orders(session: AsyncConnection, plans: str) -> None:
    await session.execute("select set_config('plan_cache_mode', %s, false)", [plans])
    ((change_id, first),) = await (
        await session.execute("select event_changes.id, (select min(id) from orders) from event_changes")
    ).fetchall()
    for cursor in (first - 1, first + ORDERS // 2):
        parameters = {"change_id": change_id, "cursor": cursor, "limit": BATCH, "scanned": SCANNED}
        nodes = await plan_of(session, queries.event_changes.insert_entries, parameters, analyze=True)
        read: dict[str, int] = {}
        for node in nodes:
            if relation := node.get("Relation Name"):
                rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                read[relation] = read.get(relation, 0) + rows
        assert read.pop("orders") <= 2 * SCANNED  # The orders themselves, and their number.
        assert read.keys() == {"event_changes", "order_events"}, "another table is read"
    entries = await session.execute("select count(*) from order_events where subject = 'event'")
    assert await entries.fetchone() == (2 * BATCH,)
