"""The system behind PgBouncer: session pooling works, and transaction pooling is refused at the start."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from api.commands.audit import audit
from api.database import migrations
from tests.pgbouncer import Mode, pgbouncer
from tests.stack import (
    HTTP_TIMEOUT_S,
    PLAIN_HTTP,
    Process,
    Stack,
    TcpServer,
    clean_environment,
    cloned_database,
    empty_database,
    free_port,
    temporary_directory,
)

RUNNERS = 8
LIMIT = "12345ms"
"""A statement timeout of the database, which a migration must not change for later clients."""
ADVISORY_LOCKS = """
    select pid from pg_locks
    where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""
BOOKING = {"tier": "VIP", "quantity": 2, "userId": "user-123", "bookingReference": "through-the-pooler"}


@pytest.fixture
def empty_url(other_server: TcpServer) -> Iterator[str]:
    with empty_database(other_server) as url:
        yield url


async def run_command(directory: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run a command to its end; return its exit code and its output."""
    process = Process(["api", *arguments], {**clean_environment(), **environment}, directory / f"{arguments[0]}.log")
    try:
        return await process.wait(), process.output()
    finally:
        await process.kill()


async def test_the_system_books_and_cancels_through_session_pooling(empty_url: str, tmp_path: Path) -> None:
    # Nothing listens at the pooler's address yet, so both commands use the server itself.
    unreachable = f"postgresql://tickets@127.0.0.1:{free_port()}/none"
    direct = {"DATABASE_URL": unreachable, "DATABASE_DIRECT_URL": empty_url, "DATA_DIR": str(tmp_path / "data")}
    for command in ("migrate", "seed"):
        code, output = await run_command(tmp_path, direct, command)
        assert code == 0, output
    with pgbouncer(empty_url, "session") as url, temporary_directory() as directory:
        stack = Stack(empty_url, directory, {"DATABASE_URL": url, "API_WORKERS": "2", "PAYMENT_SUCCESS_RATE": "1"})
        try:
            await stack.start_api()
            async with httpx.AsyncClient(
                base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP
            ) as client:
                booked = await client.post("/api/bookings", json=BOOKING)
                assert booked.status_code == 201, booked.text
                repeat = await client.post("/api/bookings", json=BOOKING)
                assert (repeat.status_code, repeat.content) == (201, booked.content)
                cancelled = await client.post("/api/bookings/through-the-pooler/cancel", json={"userId": "user-123"})
                assert cancelled.status_code == 200, cancelled.text
                order = await client.get("/api/bookings/through-the-pooler")
                assert order.json()["status"] == "cancelled"
                assert len((await client.get("/api/tickets?tier=VIP")).json()) == 100
        finally:
            await stack.stop()
    assert audit(empty_url) == []


@pytest.mark.parametrize("command", ["serve", "worker"])
async def test_transaction_pooling_is_refused_at_the_start(
    other_server: TcpServer, tmp_path: Path, command: str
) -> None:
    with cloned_database(other_server) as direct, pgbouncer(direct, "transaction") as url:
        environment = {"DATABASE_URL": url, "DATA_DIR": str(tmp_path / "data"), "API_PORT": str(free_port())}
        code, output = await run_command(tmp_path, environment, command)
    assert code == 1
    assert output == (
        "DATABASE_URL leads to a connection pooler that shares server sessions between transactions and loses prepared "
        "statements. Use session pooling (pool_mode = session), or PgBouncer 1.21 or newer with "
        "max_prepared_statements.\n"
    )


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_concurrent_migrations_through_a_pooler_leave_no_lock_and_no_setting(empty_url: str, mode: Mode) -> None:
    with psycopg.connect(empty_url, autocommit=True) as direct:
        database = sql.Identifier(direct.info.dbname)
        direct.execute(sql.SQL("alter database {} set statement_timeout = {}").format(database, LIMIT))
        with pgbouncer(empty_url, mode) as url:
            with ThreadPoolExecutor(RUNNERS) as runners:
                results = list(runners.map(lambda _: migrations.migrate(url), range(RUNNERS)))
            names = [migration.name for migration in migrations.load()]
            assert sorted(name for applied in results for name in applied) == names
            assert direct.execute(ADVISORY_LOCKS).fetchall() == []
            assert _timeouts_of_all_sessions(url, direct) == {LIMIT}


def _timeouts_of_all_sessions(url: str, direct: psycopg.Connection) -> set[str]:
    """Return the statement timeouts of the pooler's server sessions, each of which serves one transaction here."""
    sessions = direct.execute(
        "select count(*)::int from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    ).fetchone()
    assert sessions
    connections = [psycopg.connect(url) for _ in range(sessions[0])]
    try:
        return {row[0] for conn in connections for row in conn.execute("show statement_timeout").fetchall()}
    finally:
        for conn in connections:
            conn.close()
