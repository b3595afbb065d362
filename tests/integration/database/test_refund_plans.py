"""The statements of refunds find their rows through indexes."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import queries
from api.database.pool import prepare_session
from api.database.queries import Query
from tests.integration.database.test_queries import plan_of

ROWS = 20_000


@pytest.fixture
async def session(conn: AsyncConnection) -> AsyncConnection:
    """A connection with the API's settings to a database with many payments. Half have a refund, and some failed."""
    await conn.execute(
        """
        insert into payments (order_id, status, amount_minor, currency, refunded_minor)
        select n, 'captured', 100, 'USD', n %% 2 from generate_series(1, %s) as n
        """,
        [ROWS],
    )
    await conn.execute(
        """
        insert into refunds (key, payment_id, amount_minor, status, reason, requested_by, next_check_at)
        select gen_random_uuid(), id, 1, 'requested', 'r', 'buyer', now() from payments where refunded_minor = 1
        """
    )
    await conn.execute(
        """
        update refunds
        set status = case when id % 5 = 0 then 'failed' else 'succeeded' end, settled_at = now(), next_check_at = null
        """
    )
    await conn.execute("vacuum analyze payments, refunds")
    await prepare_session(conn, Settings())
    return conn


@pytest.mark.parametrize(
    ("query", "parameters", "index"),
    [
        (queries.refunds.claim_open, {"limit": 16, "check_after_ms": 5000, "give_up_hours": 72}, "refunds_open_idx"),
        (queries.refunds.list_refunds, {"order_ids": [1, 2]}, "refunds_payment_idx"),
        (queries.refunds.settle_open, {"order_ids": [1, 2]}, "refunds_payment_idx"),
        (queries.payments.finish_refunds, {"order_ids": [1, 2]}, "refunds_payment_idx"),
        (queries.refunds.retry_failed, {"refund_key": "00000000-0000-0000-0000-000000000000"}, "refunds_key_key"),
    ],
    ids=lambda value: value.name if isinstance(value, Query) else "",
)
async def test_refunds_are_found_through_their_indexes(
    session: AsyncConnection, query: Query, parameters: dict[str, Any], index: str
) -> None:
    nodes = await plan_of(session, query, parameters)
    assert index in {node.get("Index Name") for node in nodes}
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and "Relation Name" in node}
    assert scanned & {"refunds", "payments"} == set()
