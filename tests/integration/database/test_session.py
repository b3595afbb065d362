"""Sessions: parameters arrive unchanged, and a failure leaves the connection usable."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from api.config import Settings
from api.database.pool import Pool
from api.database.queries import Query
from api.database.session import Session, Statement, open_session

SETTINGS = Settings(db_pool_max=2)
TIMEOUT_S = 60.0


@pytest.fixture
def settings() -> Settings:
    return SETTINGS


@pytest.fixture
def database_url(unchanged_url: str) -> str:
    """A database that the tests of this file share, because they create temporary tables only."""
    return unchanged_url


@pytest.fixture
async def session(pool: Pool) -> AsyncIterator[Session]:
    async with open_session(pool) as session:
        yield session


def query(server_sql: str, *parameters: str) -> Query:
    return Query(name="tests.query", doc="", sql="", server_sql=server_sql.encode(), parameters=parameters)


def select(what: str, **parameters: Any) -> Statement[Any]:
    return Statement(query(f"select {what}", *parameters), parameters)


async def run(session: Session, *statements: Statement[Any]) -> list[list[Any]]:
    async with asyncio.timeout(TIMEOUT_S):
        pipeline = session.pipeline()
        results = [pipeline.add(statement) for statement in statements]
        await pipeline.run()
    return [result.rows for result in results]


TEXTS = ["", "null", "NULL", "a,b", "{}", '"', "\\", '\\"', "'", " a ", "line\nfeed", "Zoë 票 🎫", "%s $1"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", None),
        *[("text", text) for text in TEXTS],
        ("bigint", -(2**63)),
        ("double precision", 0.1),
        ("boolean", True),
        ("bytea", b"\0\\'\xff"),
        ("timestamptz", datetime(2026, 11, 24, 20, 0, 0, 123456, tzinfo=UTC)),
        ("text[]", []),
        ("text[]", TEXTS),
        ("text[]", ["plain", "texts"]),
        ("text[]", ["a", None, "null"]),
        ("bigint[]", [1, -2, 2**63 - 1]),
        ("integer[]", [1, None]),
        ("bigint[]", [None, None]),
        ("boolean[]", [True, False]),
        ("bytea[]", [b"", b"\\x", b"\0"]),
        ("timestamptz[]", [datetime(2026, 1, 2, tzinfo=UTC)]),
    ],
)
async def test_a_parameter_comes_back_unchanged(session: Session, kind: str, value: Any) -> None:
    assert await run(session, select(f"$1::{kind}", value=value)) == [[(value,)]]


async def test_a_tuple_is_an_array_and_parameters_may_repeat(session: Session) -> None:
    statement = select("$2::integer[], $1::text, $2::integer[]", name="x", numbers=(1, 2))
    assert await run(session, statement) == [[([1, 2], "x", [1, 2])]]


@pytest.mark.parametrize("value", ["a\0b", ["a", "\0"]])
async def test_a_text_with_a_nul_character_is_refused(session: Session, value: Any) -> None:
    with pytest.raises(psycopg.DataError):
        await run(session, select("1"), select("$1::text", value=value))
    assert await run(session, select("2")) == [[(2,)]]


async def test_each_statement_of_a_pipeline_has_its_own_rows(session: Session) -> None:
    rows = await run(session, select("1"), select("generate_series(1, 3)"), select("1 where false"), select("1"))
    assert rows == [[(1,)], [(1,), (2,), (3,)], [], [(1,)]]


async def test_rows_are_built_by_the_statements_row_type(session: Session) -> None:
    statement = Statement(query("select 1 as one, 'x' as other"), {}, dict[str, Any])
    assert await session.run(statement) == [{"one": 1, "other": "x"}]


async def test_statements_after_a_failure_do_not_run(session: Session) -> None:
    await run(session, Statement(query("create temporary table seen (number integer)"), {}))
    insert = query("insert into seen values ($1)", "number")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await run(session, Statement(insert, {"number": 1}), select("1 / 0"), Statement(insert, {"number": 2}))
    # Outside a transaction a round trip is atomic.
    assert await run(session, select("count(*) from seen")) == [[(0,)]]
    assert await run(session, Statement(insert, {"number": 3}, affects=1), select("* from seen")) == [[], [(3,)]]


async def test_a_failed_transaction_is_rolled_back_and_the_session_stays_usable(session: Session) -> None:
    await run(session, Statement(query("create temporary table seen (number integer)"), {}))
    insert: Statement[Any] = Statement(query("insert into seen values (1)"), {})
    fail = select("1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        async with session.transaction():
            await run(session, insert) + await run(session, fail)
    async with session.transaction():
        assert await run(session, select("count(*) from seen")) == [[(0,)]]


async def test_another_number_of_affected_rows_rolls_the_transaction_back(session: Session) -> None:
    await run(session, Statement(query("create temporary table seen (number integer)"), {}))
    with pytest.raises(RuntimeError, match=r"tests\.query affected 1 rows, not 2"):
        async with session.transaction():
            await run(session, Statement(query("insert into seen values (1)"), {}, affects=2))
    assert await run(session, select("count(*) from seen")) == [[(0,)]]


async def test_a_statement_is_prepared_once_on_each_connection(pool: Pool) -> None:
    statement = select("count(*) from pg_prepared_statements where statement like '%prepared_statements%'")
    for _ in range(3):
        async with open_session(pool) as session:
            for _ in range(3):
                assert await run(session, statement) == [[(1,)]]


async def test_data_larger_than_the_sockets_buffers_is_exchanged(session: Session) -> None:
    text = "x" * 5_000_000
    assert await run(session, *(select("$1::text", text=text) for _ in range(3))) == [[(text,)]] * 3


async def test_a_cancelled_session_blocks_no_other(pool: Pool) -> None:
    async def sleep() -> None:
        async with open_session(pool) as session:
            await session.run(select("pg_sleep(60)"))

    for _ in range(2 * SETTINGS.db_pool_max):
        task = asyncio.create_task(sleep())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with open_session(pool) as session:
            assert await run(session, select("1")) == [[(1,)]]


async def commit_after_a_failure(session: Session) -> None:
    async with session.transaction():
        with contextlib.suppress(psycopg.errors.DivisionByZero):
            await run(session, select("1 / 0"))


async def test_the_commit_of_a_failed_transaction_is_an_error(session: Session) -> None:
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        await commit_after_a_failure(session)
    assert await run(session, select("1")) == [[(1,)]]
