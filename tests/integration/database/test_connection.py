"""Connections give up on a silent server, and never cancel a statement."""

import asyncio
import contextlib
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool
from api.database.queries import Query
from api.database.roles import APPLICATION
from api.database.session import Session, Statement, open_session
from tests.faults.pauses import paused
from tests.faults.target import frozen

SETTINGS = Settings(statement_timeout_ms=200, db_round_trip_max_ms=400, db_pool_max=3)
TIMEOUT_S = 60.0
"""Far beyond every limit: only a wait without a limit reaches it."""
TABLE = "create table notes (text text)"
AT_COMMIT = (
    "create constraint trigger pause after insert on notes deferrable initially deferred"
    " for each row execute function pause()"
)


def statement(sql: str) -> Statement[Any]:
    return Statement(Query(name="tests.query", doc="", sql="", server_sql=sql.encode(), parameters=()), {})


async def backend_of(session: Session) -> int:
    ((pid,),) = await session.run(statement("select pg_backend_pid()"))
    return int(pid)


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


async def test_a_statement_on_a_frozen_server_ends_at_the_limit(pool: Pool) -> None:
    async with asyncio.timeout(TIMEOUT_S), open_session(pool) as session:
        with frozen(await backend_of(session)), pytest.raises(psycopg.OperationalError, match=r"within 0\.4 s"):
            await session.run(statement("select 1"))


async def test_a_commit_on_a_frozen_server_has_an_unknown_outcome(pool: Pool) -> None:
    async with asyncio.timeout(TIMEOUT_S), open_session(pool) as session:
        with contextlib.ExitStack() as frozen_backend, pytest.raises(CommitUnknownError):
            async with session.transaction():
                frozen_backend.enter_context(frozen(await backend_of(session)))


async def test_a_cursor_of_the_pool_ends_at_the_limit(pool: Pool) -> None:
    async with asyncio.timeout(TIMEOUT_S), pool.connection() as connection:
        with frozen(connection.info.backend_pid), pytest.raises(psycopg.OperationalError, match=r"within 0\.4 s"):
            await connection.execute("select 1")


async def test_after_one_timeout_no_other_connection_to_the_frozen_server_is_used(pool: Pool) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        async with open_session(pool) as one, open_session(pool) as other, open_session(pool) as third:
            pids = [await backend_of(session) for session in (one, other, third)]
        with frozen(*pids):
            async with open_session(pool) as session:
                with pytest.raises(psycopg.OperationalError):
                    await session.run(statement("select 1"))
            async with open_session(pool) as session:
                assert await backend_of(session) not in pids


@pytest.mark.parametrize("ending", ["cancelled", "timed out"])
async def test_a_commit_is_never_cancelled(pool: Pool, database_url: str, conn: AsyncConnection, ending: str) -> None:
    await conn.execute(TABLE)
    await conn.execute(f"grant all on notes to {APPLICATION}")
    reached = asyncio.Event()

    async def insert() -> None:
        async with open_session(pool) as session, session.transaction():
            await session.run(statement("insert into notes values ('kept')"))
            reached.set()

    with paused(database_url, AT_COMMIT) as pause:
        task = asyncio.create_task(insert())
        await reached.wait()
        await pause.reached("commit")
        if ending == "cancelled":
            task.cancel()
        await asyncio.wait([task])
        pause.resume()
        await pause.left()
    cursor = await conn.execute("select text from notes")
    assert await cursor.fetchall() == [("kept",)]
    with pytest.raises(asyncio.CancelledError if ending == "cancelled" else CommitUnknownError):
        await task
