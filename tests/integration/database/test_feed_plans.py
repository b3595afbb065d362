"""An idle reader of the history, and the report of its lag, read no entry that was handled."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import queries
from api.database.pool import prepare_session
from api.database.queries import Query
from tests.integration.database.test_queries import plan_of

ENTRIES = 50_000


@pytest.fixture
async def session(conn: AsyncConnection) -> AsyncConnection:
    """A connection with the API's settings to a database with a long history that was handled."""
    await conn.execute(
        """
        insert into order_events (order_id, subject, status, xact)
        select n, 'order', 'confirmed', (n / 10 + 1)::text::xid8 from generate_series(1, %s) as n
        """,
        [ENTRIES],
    )
    await conn.execute(
        "update feeds set (xact, id) = (select xact, id from order_events order by xact desc, id desc limit 1)"
    )
    await conn.execute("vacuum analyze order_events, feeds")
    await prepare_session(conn, Settings())
    return conn


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (queries.feeds.inspect_feed, {"name": "mail"}),
        (queries.feeds.read_events, {"xact": "9", "id": 9, "limit": 2000}),
        (queries.messages.read_lag, {}),
    ],
    ids=lambda value: value.name if isinstance(value, Query) else "",
)
async def test_handled_entries_are_not_read(session: AsyncConnection, query: Query, parameters: dict[str, Any]) -> None:
    nodes = await plan_of(session, query, parameters)
    (scan,) = [node for node in nodes if node.get("Index Name") == "order_events_feed_idx"]
    assert "ROW(" in scan["Index Cond"]
    assert "Sort" not in {node["Node Type"] for node in nodes}
