"""Migrations: concurrent runners apply each file once, and edited or unknown files are refused."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.database import migrations, schema_dump
from api.database.embedded import EmbeddedServer
from api.database.migrations import Migration
from api.errors import SetupError
from tests.stack import ROOT, empty_database


def migration(name: str, sql: str) -> Migration:
    return Migration(name=name, sql=sql, sha256=hashlib.sha256(sql.encode()).hexdigest())


def applied(url: str) -> list[str]:
    with psycopg.connect(url) as conn:
        return [name for (name,) in conn.execute("select name from migrations order by name").fetchall()]


def test_ten_concurrent_runners_apply_each_file_once(server: EmbeddedServer) -> None:
    steps = [migration(f"000{n}_step", f"create table step_{n} (id integer)") for n in range(1, 6)]
    with empty_database(server) as url, ThreadPoolExecutor(10) as runners:
        results = list(runners.map(lambda _: migrations.migrate(url, steps), range(10)))
        assert sorted(name for names in results for name in names) == [step.name for step in steps]
        assert applied(url) == [step.name for step in steps]


def test_an_edited_file_is_refused_and_nothing_is_applied(server: EmbeddedServer) -> None:
    first = migration("0001_first", "create table first (id integer)")
    with empty_database(server) as url:
        migrations.migrate(url, [first])
        edited = migration("0001_first", "create table first (id bigint)")
        with pytest.raises(SetupError, match="0001_first was edited"):
            migrations.migrate(url, [edited, migration("0002_second", "create table second (id integer)")])
        assert applied(url) == ["0001_first"]


def test_a_database_of_a_newer_version_is_refused(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrations.migrate(url, [migration("0001_first", "select 1"), migration("0002_second", "select 1")])
        with pytest.raises(SetupError, match="0002_second"):
            migrations.migrate(url, [migration("0001_first", "select 1")])


def test_a_failed_file_is_rolled_back_and_earlier_ones_stay(server: EmbeddedServer) -> None:
    steps = [
        migration("0001_good", "create table good (id integer)"),
        migration("0002_bad", "create table half (id integer); select 1 / 0"),
    ]
    with empty_database(server) as url:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrations.migrate(url, steps)
        assert applied(url) == ["0001_good"]
        with psycopg.connect(url) as conn:
            assert conn.execute("select to_regclass('half')").fetchone() == (None,)
        # The failed runner released its lock.
        corrected = msgspec.structs.replace(steps[1], sql="select 1", sha256=hashlib.sha256(b"select 1").hexdigest())
        assert migrations.migrate(url, [steps[0], corrected]) == ["0002_bad"]


def test_a_migration_may_take_longer_than_its_role_allows_requests(server: EmbeddedServer) -> None:
    steps = [migration("0001_slow", "select pg_sleep(0.3)")]
    with empty_database(server) as url, ThreadPoolExecutor(2) as runners:
        hasty = make_conninfo(url, options="-c statement_timeout=100 -c lock_timeout=100")
        # The second runner waits for the first one's lock.
        results = list(runners.map(lambda _: migrations.migrate(hasty, steps), range(2)))
        assert sorted(results) == [[], ["0001_slow"]]


def test_schema_sql_matches_the_migrations(database_url: str) -> None:
    committed = Path(ROOT, "sql", "schema.sql").read_text(encoding="utf-8")
    assert schema_dump.dump(database_url) == committed, "run `make schema`"


def test_every_constraint_and_index_is_named_after_its_table(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            """
            select conrelid::regclass::text, conname from pg_constraint
            where connamespace = 'public'::regnamespace and contype <> 'n' and conrelid <> 0
            union all
            select tablename, indexname from pg_indexes where schemaname = 'public'
            """
        ).fetchall()
    assert rows
    for table, name in rows:
        assert name.startswith(f"{table}_"), f"{name} on {table}"
        assert not name.rstrip("1234567890").endswith("_check_"), f"the server named {name}"


def test_every_constraint_and_index_has_a_comment(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        without_comment = conn.execute(
            """
            select conname from pg_constraint
            where connamespace = 'public'::regnamespace and contype <> 'n'
                and obj_description(oid, 'pg_constraint') is null
            union all
            select indexrelid::regclass::text from pg_index
            where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
                and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))
                and obj_description(indexrelid, 'pg_class') is null
            """
        ).fetchall()
    assert without_comment == []


def test_a_runner_leaves_no_state_in_its_session(server: EmbeddedServer) -> None:
    """A connection pooler hands the session to another client after each transaction."""
    with empty_database(server) as url:
        limited = make_conninfo(url, options="-c statement_timeout=5000 -c lock_timeout=5000")
        with migrations.connect(limited) as conn:
            assert migrations._apply_next(conn, [migration("0001_first", "select 1")]) == "0001_first"
            settings = [conn.execute(b"show " + name).fetchone() for name in (b"statement_timeout", b"lock_timeout")]
            assert settings == [("5s",), ("5s",)]
            assert conn.execute("select 1 from pg_locks where locktype = 'advisory'").fetchone() is None
            assert conn.execute("select 1 from pg_prepared_statements").fetchone() is None


def test_a_database_that_is_not_utf8_is_refused(server: EmbeddedServer) -> None:
    with empty_database(server) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
        try:
            with pytest.raises(SetupError, match="'latin' stores text as LATIN1, but UTF8 is needed"):
                migrations.migrate(server.url("latin"))
            with psycopg.connect(server.url("latin")) as latin:
                assert latin.execute("select to_regclass('migrations')").fetchone() == (None,)
        finally:
            conn.execute("drop database latin with (force)")


def test_a_runner_overrides_the_settings_of_its_role(server: EmbeddedServer) -> None:
    step = migration("0001_first", "create table texts as select 'Zoë \\n'::text as text")
    with empty_database(server) as url:
        hostile = "-c client_encoding=LATIN1 -c standard_conforming_strings=off -c search_path=pg_temp"
        migrations.migrate(make_conninfo(url, options=hostile), [step])
        with psycopg.connect(url) as conn:
            assert conn.execute("select text from public.texts").fetchone() == ("Zoë \\n",)
