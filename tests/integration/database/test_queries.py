"""Every statement is valid for the schema, and frequent statements have good plans."""

import json
from typing import Any

import pytest
from psycopg import AsyncConnection, pq, sql

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database import queries
from api.database.pool import prepare_session
from api.database.queries import Query

ALL_QUERIES = [query for noun in queries.NOUNS for query in noun]
HOT_TIER_TICKETS = 20_000


@pytest.mark.parametrize("query", ALL_QUERIES, ids=lambda query: query.name)
async def test_every_statement_is_valid_for_the_schema(unchanged: AsyncConnection, query: Query) -> None:
    """PostgreSQL prepares each statement, which finds misspelt columns and wrong types."""
    definitions = (
        queries.migrations.create_table,
        queries.migrations.drop_tables,
        queries.migrations.drop_functions,
    )
    if query in definitions:
        return  # Definitions cannot be prepared; the tests of migrations run them.
    prepared = unchanged.pgconn.prepare(b"checked", query.server_sql)
    assert prepared.status == pq.ExecStatus.COMMAND_OK, prepared.get_error_message()


@pytest.fixture(params=["auto", "force_generic_plan"])
async def session(conn: AsyncConnection, request: pytest.FixtureRequest) -> AsyncConnection:
    """A connection with the API's settings and custom or generic plans."""
    await prepare_session(conn, Settings())
    await conn.execute("select set_config('plan_cache_mode', %s, false)", [request.param])
    return conn


async def plan_of(
    conn: AsyncConnection, query: Query, parameters: dict[str, Any], *, analyze: bool = False
) -> list[dict[str, Any]]:
    """Return the nodes of a statement's plan; with `analyze` run the statement and count its rows."""
    # Only a prepared statement can have a generic plan.
    prepared = conn.pgconn.prepare(b"planned", query.server_sql)
    assert prepared.status == pq.ExecStatus.COMMAND_OK, prepared.get_error_message()
    values = sql.SQL(", ").join(sql.Literal(parameters[name]) for name in query.parameters)
    arguments = sql.SQL("({})").format(values) if query.parameters else sql.SQL("")
    options = sql.SQL("analyze, format json" if analyze else "format json")
    cursor = await conn.execute(sql.SQL("explain ({}) execute planned {}").format(options, arguments))
    row = await cursor.fetchone()
    await conn.execute("deallocate planned")
    assert row is not None
    document = row[0] if isinstance(row[0], list) else json.loads(row[0])
    nodes, pending = [], [document[0]["Plan"]]
    while pending:
        node = pending.pop()
        nodes.append(node)
        pending += node.get("Plans", [])
    return nodes


@pytest.fixture
async def hot_tier(database_url: str, conn: AsyncConnection) -> int:
    """The id of a standing tier in which only the last tickets are available."""
    seed(database_url, event="hot", inventory=parse_inventory(f"Floor={HOT_TIER_TICKETS}"))
    cursor = await conn.execute("select id from tiers where name = 'Floor'")
    row = await cursor.fetchone()
    assert row is not None
    await conn.execute(
        "update tickets set status = 'sold' where tier_id = %s and position <= %s", [row[0], HOT_TIER_TICKETS - 1000]
    )
    await conn.execute("analyze tickets")
    return int(row[0])


async def test_a_claim_scans_the_index_of_available_tickets(session: AsyncConnection, hot_tier: int) -> None:
    claim = {"tier_id": hot_tier, "start": HOT_TIER_TICKETS // 2, "quantity": 40}
    nodes = await plan_of(session, queries.tickets.claim_standing, claim)
    scans = [node for node in nodes if node.get("Relation Name") == "tickets"]
    assert scans
    assert {scan.get("Index Name") for scan in scans} == {"tickets_available_idx"}


async def test_a_search_scans_the_available_seats_in_order_whatever_the_statistics_are(
    session: AsyncConnection, database_url: str, conn: AsyncConnection
) -> None:
    await conn.execute("vacuum analyze tickets")  # Statistics without the tier.
    seed(database_url, event="hall", inventory=parse_inventory("VIP=20000"))
    sell = "update tickets set status = 'sold' where event_id <> 1 and position <= 16000"
    for change in ("", "analyze tickets", sell, "vacuum tickets", "analyze tickets"):
        await conn.execute(change)
        cursor = await conn.execute("select max(id) from tiers")
        ((tier_id,),) = await cursor.fetchall()
        nodes = await plan_of(session, queries.tickets.find_front_seats, {"tier_id": tier_id, "limit": 200})
        scans = [node.get("Index Name") for node in nodes if node.get("Relation Name") == "tickets"]
        assert scans == ["tickets_available_seats_idx"], change
        assert "Sort" not in {node["Node Type"] for node in nodes}, change


async def test_rows_of_seats_are_found_through_the_index_of_positions(
    session: AsyncConnection, database_url: str, hot_tier: int
) -> None:
    seed(database_url, event="seated", inventory=parse_inventory("VIP=2000"))
    nodes = await plan_of(session, queries.tickets.find_rows, {"tier_id": hot_tier + 1})
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"tickets_tier_position_key"}
    assert not [n for n in nodes if n["Node Type"] == "Seq Scan" and n.get("Relation Name") == "tickets"]


async def test_a_page_of_tickets_scans_its_index_in_order(
    session: AsyncConnection, database_url: str, hot_tier: int
) -> None:
    seed(database_url, event="open", inventory=parse_inventory(f"Stage=100,Field={HOT_TIER_TICKETS}"))
    for tier, after in ((None, 0), (None, HOT_TIER_TICKETS), ("Field", 0)):
        page = {"event": "open", "tier": tier, "after": after, "limit": 100}  # fewer than the available tickets
        nodes = await plan_of(session, queries.tickets.list_available, page)
        scans = [node.get("Index Name") for node in nodes if node.get("Relation Name") == "tickets"]
        assert scans == ["tickets_available_event_idx"], page
        assert "Sort" not in {node["Node Type"] for node in nodes}, page


async def test_counting_scans_the_index_of_available_tickets(session: AsyncConnection, hot_tier: int) -> None:
    counts = (
        (queries.availability.count_tickets, {"event": "hot"}),
        (queries.tickets.count_left, {"tier_ids": [hot_tier]}),
    )
    for query, parameters in counts:
        nodes = await plan_of(session, query, parameters)
        names = {node.get("Index Name") for node in nodes if "Index Name" in node}
        assert "tickets_available_idx" in names, query.name
        assert not [n for n in nodes if n["Node Type"] == "Seq Scan" and n.get("Relation Name") == "tickets"]


@pytest.mark.usefixtures("hot_tier")
async def test_overdue_holds_are_counted_through_the_index_of_holds(session: AsyncConnection) -> None:
    nodes = await plan_of(session, queries.health.count_overdue_holds, {})
    assert "tickets_held_idx" in {node.get("Index Name") for node in nodes}
    assert not [n for n in nodes if n["Node Type"] == "Seq Scan" and n.get("Relation Name") == "tickets"]


async def test_states_are_read_through_the_indexes_of_their_tiers(
    session: AsyncConnection, database_url: str, hot_tier: int
) -> None:
    seed(database_url, event="seated", inventory=parse_inventory("VIP=2000,GA=5000"))
    cases = (
        (
            queries.states.list_states,
            {"event": "seated", "seats_max": 5000},
            {"tickets_held_idx", "tickets_tier_position_key"},
        ),
        (queries.events.list_events, {"event": "seated", "limit": 1}, {"tickets_available_idx", "tickets_held_idx"}),
        (queries.events.list_events, {"event": None, "limit": 100}, {"tickets_available_idx", "tickets_held_idx"}),
    )
    for query, parameters, indexes in cases:
        nodes = await plan_of(session, query, parameters)
        assert not [n for n in nodes if n["Node Type"] == "Seq Scan" and n.get("Relation Name") == "tickets"]
        scans = [node for node in nodes if node.get("Index Name", "").startswith("tickets_")]
        assert {scan["Index Name"] for scan in scans} == indexes, query.name
        assert all("tier_id = " in scan["Index Cond"] for scan in scans), query.name


async def test_coming_events_are_found_through_their_index(session: AsyncConnection) -> None:
    nodes = await plan_of(session, queries.events.list_events, {"event": None, "limit": 100})
    (scan,) = [node for node in nodes if node.get("Index Name") == "events_starts_at_idx"]
    assert scan["Index Cond"] == "(starts_at > now())"  # PostgreSQL has inlined event_rules.


async def test_claimed_tickets_are_found_by_ctid_and_never_by_a_scan(session: AsyncConnection, hot_tier: int) -> None:
    ctids = [f"({page},{line})" for page in range(40) for line in range(1, 6)]
    for query in (queries.tickets.lock_tickets, queries.tickets.take_tickets):
        nodes = await plan_of(session, query, {"ctids": ctids, "held_until": None})
        scans = [node["Node Type"] for node in nodes if node.get("Relation Name") == "tickets" and "Plans" not in node]
        assert scans == ["Tid Scan"], query.name


async def test_the_holds_of_a_client_are_found_through_their_index(session: AsyncConnection) -> None:
    await session.execute(
        """
        insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency,
            expires_at, client_hash)
        select 1, 'r-' || n, 'u', sha256('x'), status, 1, 100, 'USD', now() + interval '1 minute',
            case when status = 'pending' then substr(sha256(n::text::bytea), 1, 16) end
        from generate_series(1, 20000) as n, lateral (select case when n % 9 = 0 then 'pending' else 'confirmed' end)
            as state (status)
        """
    )
    await session.execute("vacuum analyze orders")
    nodes = await plan_of(session, queries.limits.find_holds, {"client_hashes": [bytes(16), bytes(15) + b"1"]})
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"orders_client_hash_idx"}
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]


async def test_the_next_message_is_found_through_the_indexes(session: AsyncConnection) -> None:
    await session.execute(
        """
        with sold as (
            insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
            values (1, 'r', 'u', sha256('x'), 'confirmed', 1, 100, 'USD')
            returning id
        )
        insert into messages (priority, kind, order_id, source_id, recipient, locale, message_id, next_attempt_at)
        select n % 3, 'confirmed', sold.id, n, 'a@example.org', 'en', '<' || n || '@example.org>',
            now() - n * interval '1 s'
        from sold, generate_series(1, 20000) as n
        """
    )
    await session.execute("analyze messages")
    claim = {"pause_s": 1, "pause_max_s": 1, "give_up_hours": 1}
    for any_priority in (False, True):
        nodes = await plan_of(session, queries.messages.claim_message, {**claim, "any_priority": any_priority})
        used = {node["Index Name"] for node in nodes if "Index Name" in node}
        assert used >= {"messages_queued_idx" if any_priority else "messages_priority_idx", "messages_pkey"}
        assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
        # A branch that its parameter excludes sorts the rows of an empty result.
        sorts = [node["Plans"][0]["Node Type"] for node in nodes if "Sort" in node["Node Type"]]
        assert set(sorts) <= {"Result"}
    nodes = await plan_of(session, queries.messages.read_priorities, {})
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]


async def test_a_reference_is_found_through_its_index(session: AsyncConnection) -> None:
    await session.execute(
        """
        insert into orders
            (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
        select 1, 'r-' || n, 'u', sha256('x'), 'confirmed', 1, 100, 'USD' from generate_series(1, 20000) as n
        """
    )
    await session.execute("analyze orders")
    nodes = await plan_of(session, queries.orders.find_orders, {"references": [f"r-{n}" for n in range(50)]})
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {
        "orders_reference_key",
        "payments_order_key",
        "events_pkey",
        "order_events_order_idx",
        "checkouts_pkey",
    }


async def test_the_tickets_of_buyers_are_found_through_their_indexes(session: AsyncConnection) -> None:
    await session.execute(
        """
        insert into orders
            (event_id, reference, user_id, limit_key, request_digest, status, quantity, total_minor, currency)
        select 1, 'r-' || n, 'u', 'buyer-' || n / 2, sha256('x'), 'confirmed', 1, 100, 'USD'
        from generate_series(1, 20000) as n
        """
    )
    await session.execute(
        "insert into bookings (order_id, line, ticket_id, tier_id, price_minor) select id, 1, id, 1, 100 from orders"
    )
    await session.execute(
        "insert into buyer_guards select distinct event_id, limit_key, pg_current_xact_id(), 1 from orders"
    )
    await session.execute("vacuum analyze orders, bookings, buyer_guards")
    parameters = {"event_ids": [1] * 20, "limit_keys": [f"buyer-{n}" for n in range(20)]}
    nodes = await plan_of(session, queries.buyers.find_buyers, parameters)
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {
        "buyer_guards_pkey",
        "orders_limit_key_idx",
        "bookings_order_line_key",
    }
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    nodes = await plan_of(session, queries.buyers.fits_limits, {"order_id": 1})
    assert "orders_limit_key_idx" in {node.get("Index Name") for node in nodes}
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
