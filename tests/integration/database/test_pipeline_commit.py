"""A commit in the round trip of a pipeline: all or nothing, and unknown if the connection is lost.

Statements may follow the commit in the same round trip.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from api.database.errors import CommitUnknownError
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from tests.integration.database.test_session import query, select


@pytest.fixture
def other(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create table seen (number integer)")
        connection.execute("grant all on seen to public")
        yield connection


@pytest.fixture
async def session(pool: Pool, other: psycopg.Connection) -> AsyncIterator[Session]:
    async with open_session(pool) as opened:
        yield opened


def insert(number: int, **affects: Any) -> Statement[Any]:
    return Statement(query("insert into seen values ($1)", "number"), {"number": number}, **affects)


async def commit(session: Session, *statements: Statement[Any]) -> list[Any]:
    """Commit statements in a transaction; return their rows."""
    async with session.transaction():
        pipeline = session.pipeline()
        results = [pipeline.add(statement) for statement in statements]
        await pipeline.commit()
        return [result.rows for result in results]


def seen(other: psycopg.Connection, sql: LiteralString = "select number from seen order by number") -> list[int]:
    return [number for (number,) in other.execute(sql)]


async def test_the_statements_are_committed_with_their_rows(session: Session, other: psycopg.Connection) -> None:
    assert await commit(session, insert(1), select("* from seen")) == [[], [(1,)]]
    assert seen(other) == [1]
    assert await commit(session, insert(2), select("count(*) from seen")) == [[], [(2,)]]
    assert seen(other) == [1, 2]


async def test_nothing_is_committed_after_a_failure(session: Session, other: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await commit(session, insert(1), select("1 / 0"), insert(2))
    assert seen(other) == []
    assert await commit(session, insert(3)) == [[]]
    assert seen(other) == [3]


async def test_a_lost_connection_leaves_an_unknown_outcome(session: Session) -> None:
    with pytest.raises(CommitUnknownError):
        await commit(session, select("pg_terminate_backend(pg_backend_pid()), pg_sleep(5)"), insert(1))


async def test_a_statement_that_only_the_client_can_check_is_refused(
    session: Session, other: psycopg.Connection
) -> None:
    with pytest.raises(ValueError, match="commits before"):
        await commit(session, insert(1, affects=1))
    assert seen(other) == []


async def test_the_server_counts_the_rows_of_a_statement(session: Session, other: psycopg.Connection) -> None:
    required = select("require_rows($1::bigint, $2, $3)", actual=1, required=2, failure="serialization_failure")
    with pytest.raises(psycopg.errors.SerializationFailure, match="1 rows are affected instead of 2"):
        await commit(session, insert(1), required)
    assert seen(other) == []


async def commit_then(session: Session, statement: Statement[Any], then: Statement[Any]) -> list[Any]:
    """Commit a statement; return the rows of another one that follows the commit."""
    async with session.transaction():
        pipeline, following = session.pipeline(), session.pipeline()
        pipeline.add(statement)
        result = following.add(then)
        await pipeline.commit(following)
    return result.rows


ISOLATION = select("current_setting('transaction_isolation')")


async def test_a_statement_behind_the_commit_runs_outside_of_the_transaction(
    session: Session, other: psycopg.Connection
) -> None:
    async with session.transaction():
        assert await session.run(ISOLATION) == [("serializable",)]
    assert await commit_then(session, insert(1), ISOLATION) == [("read committed",)]
    assert await commit_then(session, insert(2), select("count(*) from seen")) == [(2,)]
    assert seen(other) == [1, 2]


async def test_a_failure_behind_the_commit_changes_no_outcome(session: Session, other: psycopg.Connection) -> None:
    assert await commit_then(session, insert(1), select("1 / 0")) == []
    assert seen(other) == [1]
    assert await commit_then(session, insert(2), select("2")) == [(2,)]
    assert seen(other) == [1, 2]


async def test_a_failed_transaction_is_reported_despite_the_statement_behind_it(
    session: Session, other: psycopg.Connection
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await commit_then(session, select("1 / 0"), select("2"))
    assert await commit_then(session, insert(3), select("2")) == [(2,)]
    assert seen(other) == [3]


async def test_a_connection_that_is_lost_behind_the_commit_leaves_an_unknown_outcome(
    session: Session, other: psycopg.Connection
) -> None:
    with pytest.raises(CommitUnknownError):
        await commit_then(session, insert(1), select("pg_terminate_backend(pg_backend_pid()), pg_sleep(5)"))
    assert seen(other) == [1]
