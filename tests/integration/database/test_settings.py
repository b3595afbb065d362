"""Sessions: the settings of a role or a database change neither statements nor values."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from api.commands import history
from api.commands.audit import audit
from api.config import Settings
from api.database import migrations
from api.database.pool import REQUIRED_SETTINGS, Pool, open_pool
from api.database.pooler import _settings_missing
from api.database.queries import Query
from api.database.session import Statement, open_session
from tests.integration.asynchronous import hold

SETTINGS = [
    ("client_encoding", "LATIN1", "UTF8"),
    ("timezone", "Asia/Kolkata", "UTC"),
    ("datestyle", "SQL, DMY", "ISO, YMD"),
    ("intervalstyle", "iso_8601", "postgres"),
    ("bytea_output", "escape", "hex"),
    ("extra_float_digits", "-15", "1"),
    ("standard_conforming_strings", "off", "on"),
    ("array_nulls", "off", "on"),
    ("transform_null_equals", "on", "off"),
    ("search_path", "pg_temp", "public"),
    ("row_security", "off", "on"),
    ("client_min_messages", "error", "notice"),
    ("synchronous_commit", "off", "on"),
    ("default_transaction_deferrable", "on", "off"),
    ("idle_session_timeout", "1h", "0"),
    ("transaction_timeout", "1h", "0"),
    ("session_replication_role", "replica", "origin"),
    ("default_transaction_isolation", "repeatable read", "read committed"),
    ("statement_timeout", "1h", "2s"),
    ("lock_timeout", "1h", "200ms"),
    ("idle_in_transaction_session_timeout", "1h", "5s"),
    ("enable_seqscan", "on", "off"),
    ("plan_cache_mode", "auto", "force_generic_plan"),
]
"""Each setting with another value, and with the value on which the code relies."""

ROUND_TRIP = """
select
    $1::text,
    '\\n'::text,
    timestamptz '2026-11-30 01:02:03+00',
    0.1::float8 + 0.2::float8,
    to_regclass('events') is not null
"""


async def make_hostile(conn: AsyncConnection, of: str) -> None:
    """Give a database, or the role in this database, another value of each setting."""
    database = sql.Identifier(conn.info.dbname)
    owner = sql.SQL("database {}") if of == "database" else sql.SQL("role current_user in database {}")
    for name, hostile, _ in SETTINGS:
        command = sql.SQL("alter {} set {} = {}").format(owner.format(database), sql.Identifier(name), hostile)
        await conn.execute(command)


@pytest.mark.parametrize("of", ["database", "role"])
async def test_a_session_overrides_the_settings(database_url: str, conn: AsyncConnection, of: str) -> None:
    await make_hostile(conn, of)
    async with open_pool(database_url, Settings()) as pool:
        async with pool.connection() as connection:
            for name, _, expected in SETTINGS:
                cursor = await connection.execute("select current_setting(%s)", [name])
                assert (name, await cursor.fetchone()) == (name, (expected,))
        query = Query(name="tests.query", doc="", sql="", server_sql=ROUND_TRIP.encode(), parameters=("text",))
        statement: Statement[Any] = Statement(query, {"text": "José Ñandú 가"})
        async with open_session(pool) as session:
            (row,) = await session.run(statement)
    assert tuple(row) == ("José Ñandú 가", "\\n", datetime(2026, 11, 30, 1, 2, 3, tzinfo=UTC), 0.1 + 0.2, True)


async def test_a_pooler_needs_the_right_value_of_each_setting(database_url: str, conn: AsyncConnection) -> None:
    """Behind a pooler in transaction mode the settings belong to the role."""
    database, role = sql.Identifier(conn.info.dbname), sql.Identifier(conn.info.user)
    alter = sql.SQL("alter role {} in database {}").format(role, database)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in _settings_missing(connection, Settings()):
            connection.execute(statement.encode())
        assert _settings_missing(connection, Settings(statement_timeout_ms=2000)) == []
        connection.execute(alter + sql.SQL(" set statement_timeout = '2s'"))
        assert _settings_missing(connection, Settings()) == []
        connection.execute(alter + sql.SQL(" set synchronous_commit = 'off'"))
        (statement,) = _settings_missing(connection, Settings())
        assert statement.endswith("""set "synchronous_commit" = 'on';""")
        connection.execute(alter + sql.SQL(" reset all"))


async def test_a_read_only_role_is_refused(database_url: str, conn: AsyncConnection) -> None:
    database = sql.Identifier(conn.info.dbname)
    await conn.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(database))
    async with open_pool(database_url, Settings()) as pool:
        with pytest.raises(psycopg.OperationalError):
            await pool.getconn(timeout=0.5)


def test_a_runner_overrides_every_setting(database_url: str) -> None:
    hostile = " ".join(f"-c {name}={value}" for name, value, _ in SETTINGS if " " not in value)
    with migrations.connect(make_conninfo(database_url, options=hostile)) as connection:
        with migrations.unlimited_transaction(connection):
            for name, value in REQUIRED_SETTINGS.items():
                assert (name, connection.execute("select current_setting(%s)", [name]).fetchone()) == (name, (value,))
            timeouts = connection.execute(
                "select current_setting('statement_timeout'), current_setting('lock_timeout')"
            )
            assert timeouts.fetchone() == ("0", "0")
        assert connection.execute("show synchronous_commit").fetchone() == ("off",)


async def test_commands_override_the_settings(pool: Pool, database_url: str, conn: AsyncConnection) -> None:
    order = await hold(pool, "VIP", ticket_ids=(17,), user_id="José")
    await make_hostile(conn, "database")
    assert audit(database_url) == []
    assert [change.status for change in history.order_history(database_url, order.reference)] == ["pending"]
    holder = history.holder_at(database_url, 17, order.created_at)
    assert holder
    assert holder.user_id == "José"
