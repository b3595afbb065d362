"""The feed of order events: a reader handles every entry once, although transactions commit in another order."""

import asyncio
import itertools
from collections.abc import Sequence

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from api.database import queries
from api.database.migrations import migrate
from api.database.pool import Pool
from api.database.queries import Query
from api.database.session import Session
from api.errors import SetupError
from api.services import feed as reading
from api.services.feed import FeedEvent, Handler, read_feed
from tests.integration.asynchronous import hold
from tests.stack import application_url

FEED = "test"
NEW_ORDER = """
    insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
    values (1, %s, 'u', sha256('x'), 'confirmed', 1, 100, 'USD') returning id
"""


CURSOR_ON_IDS = {
    "inspect_feed": {
        "(order_events.xact, order_events.id) > (feeds.xact, feeds.id)": "order_events.id > feeds.id",
        "order_events.xact < pg_snapshot_xmin(pg_current_snapshot())": "true",
    },
    "read_events": {
        "(order_events.xact, order_events.id) > ($1::xid8, $2::bigint)": (
            "$1::xid8 is not null and order_events.id > $2::bigint"
        ),
        "order_events.xact < pg_snapshot_xmin(pg_current_snapshot())": "true",
    },
}
"""The parts of the statements that a reader with a cursor on ids alone lacks."""


@pytest.fixture(autouse=True)
async def feed(conn: AsyncConnection) -> None:
    await conn.execute("delete from feeds")  # After a restore the slowest reader decides for all.
    await conn.execute("insert into feeds (name) values (%s)", [FEED])


async def insert(conn: AsyncConnection, reference: str) -> int:
    cursor = await conn.execute(NEW_ORDER, [reference])
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def recorder(orders: list[int]) -> Handler:
    """Return a handler that appends the orders of the entries to a list."""

    async def handle(_: Session, events: Sequence[FeedEvent]) -> None:
        orders.extend(event.order_id for event in events)

    return handle


async def deliveries_around_a_late_commit(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> tuple[list[str], list[str]]:
    """Read the feed before and after the commit of the older one of two transactions; return both results."""
    orders: dict[int, str] = {}
    first: list[int] = []
    second: list[int] = []
    async with await AsyncConnection.connect(database_url) as older:
        orders[await insert(older, "older")] = "older"
        orders[await insert(conn, "newer")] = "newer"
        await read_feed(pool, FEED, 10, recorder(first))
    await read_feed(pool, FEED, 10, recorder(second))
    return [orders[order_id] for order_id in first], [orders[order_id] for order_id in second]


async def test_an_entry_that_commits_late_is_not_lost(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    assert await deliveries_around_a_late_commit(pool, conn, database_url) == ([], ["older", "newer"])


async def test_a_cursor_on_ids_loses_an_entry(
    pool: Pool, conn: AsyncConnection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await conn.execute("update feeds set id = 0 where name = %s", [FEED])
    for name, weaknesses in CURSOR_ON_IDS.items():
        query: Query = getattr(queries.feeds, name)
        weak = query.server_sql.decode()
        for strong, weakness in weaknesses.items():
            assert strong in weak
            weak = weak.replace(strong, weakness)
        monkeypatch.setitem(queries.feeds._queries, name, msgspec.structs.replace(query, server_sql=weak.encode()))
    assert await deliveries_around_a_late_commit(pool, conn, database_url) == (["newer"], [])


async def test_concurrent_readers_handle_each_entry_once_and_in_order(pool: Pool, conn: AsyncConnection) -> None:
    orders = [await insert(conn, f"r-{n}") for n in range(30)]
    handled: list[int] = []
    while sum(await asyncio.gather(*(read_feed(pool, FEED, 4, recorder(handled)) for _ in range(4)))):
        pass
    assert handled == orders


async def test_a_failed_handler_keeps_the_cursor(pool: Pool) -> None:
    await hold(pool)

    async def lose_connection(_: Session, __: Sequence[FeedEvent]) -> None:
        raise psycopg.OperationalError("lost")

    handled: list[int] = []
    with pytest.raises(psycopg.OperationalError):
        await read_feed(pool, FEED, 10, lose_connection)
    assert await read_feed(pool, FEED, 10, recorder(handled)) == len(handled) == 1
    assert await read_feed(pool, FEED, 10, recorder(handled)) == 0


async def test_an_entry_that_cannot_be_handled_does_not_stop_the_others(
    pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    orders = [await insert(conn, f"r-{n}") for n in range(3)]
    handled: list[int] = []

    async def refuse_second(_: Session, events: Sequence[FeedEvent]) -> None:
        if orders[1] in [event.order_id for event in events]:
            raise ValueError("defect")
        handled.extend(event.order_id for event in events)

    assert await read_feed(pool, FEED, 10, refuse_second) == 3
    assert handled == [orders[0], orders[2]]
    assert "of the history cannot be handled" in caplog.text


async def test_a_worker_skips_only_the_entry_that_has_failed(
    pool: Pool, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker skips the entry as well, before this one does."""
    orders = [await insert(conn, f"r-{n}") for n in range(3)]
    handled: list[int] = []
    read, calls = reading._read, itertools.count(1)

    async def refuse_first(_: Session, events: Sequence[FeedEvent]) -> None:
        if orders[0] in [event.order_id for event in events]:
            raise ValueError("defect")
        handled.extend(event.order_id for event in events)

    async def read_after_another_worker(pool: Pool, name: str, limit: int, handle: Handler) -> int:
        if next(calls) == 3:  # The first call reads all entries, and the second one reads the failed entry.
            await read(pool, name, 1, recorder([]))
        return await read(pool, name, limit, handle)

    monkeypatch.setattr(reading, "_read", read_after_another_worker)
    await read_feed(pool, FEED, 10, refuse_first)
    assert handled == orders[1:]


async def test_a_feed_starts_behind_the_entries_that_precede_it(pool: Pool, database_url: str) -> None:
    with psycopg.connect(database_url) as owner:
        owner.execute("alter table order_events disable trigger order_events_append_only")
        owner.execute(NEW_ORDER, ["old"])
        owner.execute("update order_events set xact = '0'")
    handled: list[int] = []
    assert await read_feed(pool, FEED, 10, recorder(handled)) == 0


async def test_entries_are_read_in_the_order_of_numbers(pool: Pool, database_url: str) -> None:
    """The text of 10 precedes that of 9, so that a reader of texts would lose the entry of transaction 9."""
    with psycopg.connect(database_url) as owner:
        owner.execute("alter table order_events disable trigger order_events_append_only")
        owner.execute(NEW_ORDER, ["9"])
        owner.execute("update order_events set xact = '9'")
        owner.execute(NEW_ORDER, ["10"])
        owner.execute("update order_events set xact = '10' where xact <> '9'")
        expected = [order_id for (order_id,) in owner.execute("select id from orders order by id").fetchall()]
    handled: list[int] = []
    while await read_feed(pool, FEED, 1, recorder(handled)):
        pass
    assert handled == expected


def restore_from_a_dump(database_url: str) -> None:
    """Bring the rows into the state in which a dump of a server with higher transaction ids restores them."""
    with psycopg.connect(database_url) as owner:
        owner.execute("alter table order_events disable trigger order_events_append_only")
        owner.execute("update order_events set xact = (xact::text::bigint + 1000000)::text::xid8")
        owner.execute("alter table order_events enable trigger order_events_append_only")
        owner.execute("update feeds set xact = (xact::text::bigint + 1000000)::text::xid8, system_identifier = 1")


async def test_a_restored_database_loses_no_entry(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    handled: list[int] = []
    await insert(conn, "handled")
    await read_feed(pool, FEED, 10, recorder(handled))
    unread = await insert(conn, "unread")
    restore_from_a_dump(database_url)
    after_the_restore = await insert(conn, "after the restore")
    handled.clear()
    with pytest.raises(SetupError, match="make migrate"):
        await read_feed(pool, FEED, 10, recorder(handled))
    assert migrate(database_url) == []
    await read_feed(pool, FEED, 10, recorder(handled))
    assert sorted(handled) == [unread, after_the_restore]
    await read_feed(pool, FEED, 10, recorder(handled))
    assert len(handled) == 2


async def test_a_restore_before_the_first_reading_loses_no_entry(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    unread = await insert(conn, "unread")
    restore_from_a_dump(database_url)
    await conn.execute("update feeds set xact = '0', system_identifier = null")
    assert migrate(database_url) == []
    after_the_restore = await insert(conn, "after the restore")
    handled: list[int] = []
    await read_feed(pool, FEED, 10, recorder(handled))
    assert handled == [unread, after_the_restore]


async def test_a_new_cluster_with_its_transaction_ids_keeps_the_cursor(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    await insert(conn, "handled")
    handled: list[int] = []
    await read_feed(pool, FEED, 10, recorder(handled))
    await conn.execute("update feeds set system_identifier = 1")  # like pg_upgrade
    assert migrate(database_url) == []
    assert await read_feed(pool, FEED, 10, recorder(handled)) == 0
    unread = await insert(conn, "unread")
    await read_feed(pool, FEED, 10, recorder(handled))
    assert handled[1:] == [unread]


async def test_the_application_cannot_number_the_history(database_url: str) -> None:
    with (
        psycopg.connect(application_url(database_url)) as application,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        application.execute("select rebase_feeds()")
