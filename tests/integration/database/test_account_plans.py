"""The statements of accounts and of staff find orders, messages and sessions through indexes."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import queries
from api.database.pool import prepare_session
from api.database.queries import Query
from api.schemas import BUILT_IN_EVENT
from api.services.order_rows import ENDED, LIVE
from tests.integration.database.test_queries import plan_of

ROWS = 20_000
UNKNOWN = "nobody@example.org"
PAGE = {"before": 2**63 - 1, "limit": 21, "statuses": [*LIVE, *ENDED], "begun": None}
STATEMENTS: list[tuple[Query, dict[str, Any], set[str]]] = [
    (queries.accounts.claim_orders, {"account_id": 7, "email": UNKNOWN, "limit": 1000}, {"orders_email_idx"}),
    (queries.orders.list_account_orders, {"account_id": 7, **PAGE}, {"orders_account_idx"}),
    (
        queries.desk_orders.find_orders,
        {"event": BUILT_IN_EVENT, "search": UNKNOWN, "order_id": 7, "limit": 50},
        {"orders_pkey", "orders_reference_key", "orders_email_idx", "messages_order_idx"},
    ),
    (
        queries.sign_ins.insert_link,
        {"email": UNKNOWN, "locale": "en", "domain": "example.org", "limit": 3, "minutes": 15},
        {"messages_address_idx"},
    ),
    (queries.passkeys.list_passkeys, {"account_id": 7}, {"passkeys_account_idx"}),
    (queries.passkeys.find_passkey, {"credential_id": b"7"}, {"passkeys_credential_id_key"}),
    (queries.account_sessions.list_revoked, {"seconds": 600}, {"account_sessions_revoked_idx"}),
    (
        queries.account_sessions.revoke_sessions,
        {"account_id": 7, "reason": "everywhere", "except_id": None},
        {"account_sessions_live_idx"},
    ),
]
"""The statements with their parameters and the indexes that they use."""


@pytest.fixture
async def session(conn: AsyncConnection) -> AsyncConnection:
    """A connection with the API's settings to a database with many rows in the tables that accounts need."""
    await conn.execute(
        "insert into accounts (email, verified_at) select n || '@example.org', now() from generate_series(1, 200) as n"
    )
    for statement in (
        """
        insert into orders (
            event_id, reference, user_id, request_digest, status, quantity, total_minor, currency, email, account_id
        )
        select
            1, 'r-' || n, 'u', sha256('x'), 'confirmed', 1, 100, 'USD', n %% 200 || '@example.org',
            case when n %% 2 = 0 then n %% 200 + 1 end
        from generate_series(1, %s) as n
        """,
        """
        insert into payments (order_id, status, amount_minor, currency)
        select id, 'captured', 100, 'USD' from orders limit %s
        """,
        """
        insert into messages (kind, order_id, recipient, locale, message_id, status, sent_at)
        select 'confirmed', n, n %% 200 || '@example.org', 'en', '<' || n || '@example.org>', 'sent', now()
        from generate_series(1, %s) as n
        """,
        """
        insert into account_sessions (account_id, token_digest, expires_at, revoked_at, revoked_reason)
        select
            n %% 200 + 1, sha256('x'), now() + interval '1 day',
            case when n %% 2 = 0 then now() - interval '1 day' end, case when n %% 2 = 0 then 'sign_out' end
        from generate_series(1, %s) as n
        """,
        """
        insert into passkeys (account_id, credential_id, public_key, sign_count, transports, name)
        select n %% 200 + 1, n::text::bytea, 'k', 0, '{}', 'n' from generate_series(1, %s) as n
        """,
    ):
        await conn.execute(statement, [ROWS])
    await conn.execute("vacuum analyze orders, payments, messages, accounts, account_sessions, passkeys")
    await prepare_session(conn, Settings())
    return conn


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
async def test_statements_of_accounts_use_their_indexes(session: AsyncConnection, plans: str) -> None:
    await session.execute("select set_config('plan_cache_mode', %s, false)", [plans])
    for query, parameters, indexes in STATEMENTS:
        nodes = await plan_of(session, query, parameters)
        used = {node["Index Name"] for node in nodes if "Index Name" in node}
        scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        assert indexes <= used, query.name
        assert scanned & {"orders", "payments", "messages", "account_sessions", "passkeys"} == set(), query.name


async def test_a_guest_order_enters_no_index_of_accounts(conn: AsyncConnection) -> None:
    cursor = await conn.execute("select indexdef from pg_indexes where indexname = 'orders_account_idx'")
    ((definition,),) = await cursor.fetchall()
    assert definition.endswith("WHERE (account_id IS NOT NULL)")
