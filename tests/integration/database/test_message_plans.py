"""The statements of requested e-mails find orders and messages through indexes, also for an unknown address."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import queries
from api.database.pool import prepare_session
from api.database.queries import Query
from tests.integration.database.test_queries import plan_of

ROWS = 20_000
UNKNOWN = "nobody@example.org"
STATEMENTS: list[tuple[Query, dict[str, Any], set[str]]] = [
    (
        queries.message_requests.insert_links,
        {"email": UNKNOWN, "locale": "en", "domain": "example.org", "limit": 3},
        {"orders_email_idx", "messages_address_idx"},
    ),
    (queries.message_requests.list_links, {"recipient": UNKNOWN, "limit": 50}, {"orders_email_idx"}),
    (queries.message_requests.count_requested, {"order_id": 7, "email": UNKNOWN}, {"messages_address_idx"}),
]
"""The statements with their parameters and the indexes that they use."""


@pytest.fixture
async def session(conn: AsyncConnection) -> AsyncConnection:
    """A connection with the API's settings to a database in which addresses have many orders and messages."""
    await conn.execute(
        """
        insert into orders
            (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency, email)
        select 1, 'r-' || n, 'u', sha256('x'), 'confirmed', 1, 100, 'USD', n %% 200 || '@example.org'
        from generate_series(1, %s) as n
        """,
        [ROWS],
    )
    await conn.execute(
        """
        insert into messages (kind, order_id, recipient, locale, message_id, status, sent_at)
        select 'confirmed', n, n %% 200 || '@example.org', 'en', '<' || n || '@example.org>', 'sent', now()
        from generate_series(1, %s) as n
        """,
        [ROWS],
    )
    await conn.execute("vacuum analyze orders, messages")
    await prepare_session(conn, Settings())
    return conn


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
async def test_an_address_is_found_through_its_indexes(session: AsyncConnection, plans: str) -> None:
    await session.execute("select set_config('plan_cache_mode', %s, false)", [plans])
    for query, parameters, indexes in STATEMENTS:
        nodes = await plan_of(session, query, parameters)
        used = {node["Index Name"] for node in nodes if "Index Name" in node}
        scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        assert indexes <= used, query.name
        assert "orders_pkey" not in used, query.name
        assert scanned & {"orders", "messages"} == set(), query.name
