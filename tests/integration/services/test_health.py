"""Health: each obstacle to a sale is named, and the state of the system is that of the database."""

import os
import secrets
import socket
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from api import metrics
from api.config import Settings
from api.database.pool import Pool, open_pool
from api.services.health import find_obstacle, read_system
from api.services.workers import beat, leave, purge_workers

HELD_TICKETS = """
    update tickets set status = 'held', held_until = now() - make_interval(secs => %s)
    where id in (select id from tickets where status = 'available' order by id limit %s)
"""


@pytest.fixture
async def role(conn: AsyncConnection) -> AsyncIterator[sql.Identifier]:
    """A role without privileges."""
    name = sql.Identifier(f"seller_{secrets.token_hex(4)}")
    await conn.execute(sql.SQL("create role {}").format(name))
    yield name
    await conn.execute(sql.SQL("drop owned by {}").format(name))
    await conn.execute(sql.SQL("drop role {}").format(name))


async def test_a_role_without_a_privilege_cannot_sell(
    database_url: str, conn: AsyncConnection, role: sql.Identifier
) -> None:
    async def grant(privilege: str, relation: str) -> None:
        statement = sql.SQL("grant {} on {} to {}")
        await conn.execute(statement.format(sql.SQL(privilege), sql.SQL(relation), role))

    settings = Settings(database_url=f"{database_url}&options=-crole%3D{role.as_string().strip(chr(34))}")
    async with open_pool(settings.database_url or "", settings) as pool:
        obstacle = await find_obstacle(pool, settings)
        assert obstacle == "the database role lacks a privilege: permission denied for table migrations"
        await grant("select", "all tables in schema public")
        obstacle = await find_obstacle(pool, settings)
        assert obstacle
        assert obstacle.startswith(
            "the database role lacks privileges: INSERT on booking_limits, UPDATE on booking_limi"
        )
        assert "USAGE on orders_id_seq" in obstacle
        await grant(
            "insert, update",
            "orders, payments, refunds, refund_rate, bookings, tickets, booking_limits, webhooks, order_events",
        )
        obstacle = await find_obstacle(pool, settings)
        assert obstacle
        assert obstacle.endswith(", DELETE on workers, INSERT on workers, UPDATE on workers")
        await grant("insert, update, delete", "workers")
        obstacle = await find_obstacle(pool, settings)
        assert obstacle == "the database role lacks privileges: USAGE on bookings_id_seq, USAGE on orders_id_seq"
        await grant("usage", "sequence orders_id_seq, bookings_id_seq")
        assert await find_obstacle(pool, settings) is None


async def test_a_read_only_database_is_named(database_url: str, conn: AsyncConnection) -> None:
    database = sql.Identifier(conn.info.dbname)
    await conn.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(database))
    settings = Settings(database_url=f"{database_url}&target_session_attrs=read-write")
    async with open_pool(settings.database_url or "", settings) as pool:
        assert await find_obstacle(pool, settings) == "the database is read-only"


async def test_missing_and_unknown_migrations_are_named(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("delete from migrations where name = '0003_event_pages'")
    assert await find_obstacle(pool, Settings()) == "migrations are missing: 0003_event_pages"
    assert (await read_system(pool, Settings())).missing_migrations == ["0003_event_pages"]
    await conn.execute("update migrations set name = '9999_future' where name = '0004_comments'")
    obstacle = await find_obstacle(pool, Settings())
    assert obstacle
    assert "9999_future" in obstacle


async def test_workers_and_overdue_holds_are_reported(pool: Pool, conn: AsyncConnection) -> None:
    settings = Settings()
    system = await read_system(pool, settings)
    assert (system.status, system.problems, system.worker_age_seconds) == ("degraded", ["no worker runs"], None)
    assert "\nworker_age_seconds +Inf\n" in metrics.render_metrics(system).decode()

    await beat(pool, settings)
    await conn.execute(HELD_TICKETS, [1, 4])  # not yet overdue
    system = await read_system(pool, settings)
    assert (system.status, system.overdue_holds) == ("ok", 0)
    assert [worker.id for worker in system.workers] == [f"{socket.gethostname()}:{os.getpid()}"]

    await conn.execute("update workers set heartbeat_at = heartbeat_at - interval '1 minute'")
    await conn.execute(HELD_TICKETS, [3, 2])
    system = await read_system(pool, settings)
    assert (system.status, system.overdue_holds, len(system.problems)) == ("degraded", 2, 2)
    assert system.worker_age_seconds
    assert system.worker_age_seconds >= 60
    assert "\noverdue_holds 2.0\n" in metrics.render_metrics(system).decode()

    await beat(pool, settings)
    system = await read_system(pool, settings)
    assert system.worker_age_seconds is not None
    assert system.worker_age_seconds < settings.worker_silence_max_s


async def test_a_worker_that_stops_or_was_killed_leaves_the_list(pool: Pool, conn: AsyncConnection) -> None:
    settings = Settings()
    await beat(pool, settings)
    await leave(pool)
    assert (await read_system(pool, settings)).workers == []
    await beat(pool, settings)
    await purge_workers(pool, settings)
    assert len((await read_system(pool, settings)).workers) == 1
    await conn.execute("update workers set heartbeat_at = heartbeat_at - interval '61 minutes'")
    await purge_workers(pool, settings)
    assert (await read_system(pool, settings)).workers == []


async def test_metrics_need_no_database() -> None:
    text = metrics.render_metrics(None).decode()
    assert "http_requests" in text
    assert "overdue_holds" not in text


async def test_an_unavailable_database_is_named(pool: Pool) -> None:
    settings = Settings(database_url="postgresql:///none?host=/none")
    async with open_pool(settings.database_url or "", settings) as unreachable:
        assert await find_obstacle(unreachable, settings) == "the database does not respond"
        with pytest.raises(psycopg.OperationalError):
            await read_system(unreachable, settings)


async def test_many_orders_of_cancelled_events_do_not_hide_the_rest(pool: Pool, conn: AsyncConnection) -> None:
    await beat(pool, Settings())
    async with conn.transaction():
        # A count that takes too long for any reason ends like one that waits for this lock.
        await conn.execute("lock table cancelled_orders in access exclusive mode")
        system = await read_system(pool, Settings())
    assert system.problems == ["the progress of cancelled events cannot be counted in time"]
    assert (system.status, system.cancellations) == ("degraded", [])
    assert (await read_system(pool, Settings())).status == "ok"
