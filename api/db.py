"""The database from the API's side: its pool, which errors mean "try again", and which mean "it is away"."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import psycopg
import psycopg_pool
from psycopg import AsyncConnection, IsolationLevel, errors
from psycopg.rows import AsyncRowFactory, TupleRow, tuple_row

from api.config import Settings
from api.queries import Query

Connection = AsyncConnection[TupleRow]
Pool = psycopg_pool.AsyncConnectionPool[Connection]

LOCK_TIMEOUT_MS = 200
"""The longest wait for a row that another transaction has locked."""
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5000
"""When the server ends a transaction whose client has gone silent, and frees its locks."""
ACQUIRE_TIMEOUT_S = 0.5
"""The longest wait for a connection: with the database away, requests are refused well within a second."""
ACQUIRE_WAITING_MAX = 500
"""Requests that may wait for a connection at once; the next is refused."""

RACED_CONSTRAINTS = frozenset({"orders_reference_key", "bookings_live_ticket_key"})
"""Constraints that a transaction can only violate by losing a race against another."""

AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
"""The connection is dead or there is none (the pool's own errors are among them).

When it died during COMMIT, whether that happened is unknown: the booking's reference tells.
"""

_ISOLATION = {
    "serializable": IsolationLevel.SERIALIZABLE,
    "read_committed": IsolationLevel.READ_COMMITTED,
}


Row = TypeVar("Row")


class Statement(Generic[Row]):
    """A query with its parameters, how its rows are read, and how many it must affect (None: any number)."""

    def __init__(
        self,
        query: Query,
        parameters: Mapping[str, Any],
        row_factory: AsyncRowFactory[Row] | None = None,
        *,
        rows: int | None = None,
    ) -> None:
        self.query = query
        self.parameters = parameters
        self.row_factory = row_factory or tuple_row
        self.rows = rows


async def run_together(connection: Connection, statements: Sequence[Statement[Any]]) -> list[list[Any]]:
    """Run statements in one round trip; return the rows of each.

    Raises:
        psycopg.Error: the first statement that failed; those behind it were not run.
        RuntimeError: a statement affected another number of rows than it must.
    """
    async with connection.pipeline() as pipeline:
        cursors = []
        for statement in statements:
            cursor = connection.cursor(row_factory=statement.row_factory)
            cursors.append(await cursor.execute(statement.query.sql, statement.parameters))
        await pipeline.sync()
        results = [await cursor.fetchall() if cursor.description else [] for cursor in cursors]
    for statement, cursor in zip(statements, cursors, strict=True):
        if statement.rows not in (None, cursor.rowcount):
            raise RuntimeError(f"{statement.query.name} affected {cursor.rowcount} rows, not {statement.rows}")
    return results


def lost_race(error: psycopg.Error) -> bool:
    """Whether a transaction failed only because of another one: nothing was done, and running it again is right."""
    if isinstance(error, errors.UniqueViolation):
        return error.diag.constraint_name in RACED_CONSTRAINTS
    return isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable)


@contextlib.asynccontextmanager
async def open_pool(conninfo: str, settings: Settings) -> AsyncIterator[Pool]:
    """Open a pool of autocommit connections; transactions on them have the settings' isolation.

    The pool opens even while the database is away, and finds it when it is back.
    """

    async def configure(connection: Connection) -> None:
        await prepare_session(connection, settings)

    pool: Pool = psycopg_pool.AsyncConnectionPool(
        conninfo,
        connection_class=AsyncConnection[TupleRow],
        kwargs=_connect_options(settings),
        configure=configure,
        check=check,
        min_size=min(2, settings.db_pool_max),
        max_size=settings.db_pool_max,
        timeout=ACQUIRE_TIMEOUT_S,
        max_waiting=ACQUIRE_WAITING_MAX,
        reconnect_timeout=30,
        open=False,
    )
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=2)


async def prepare_session(connection: Connection, settings: Settings) -> None:
    """Give a connection its isolation, its limits, and plans that suit it."""
    await connection.set_isolation_level(_ISOLATION[settings.booking_isolation])
    session = {
        "timezone": "UTC",
        "statement_timeout": f"{settings.statement_timeout_ms}ms",
        "lock_timeout": f"{LOCK_TIMEOUT_MS}ms",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_MS}ms",
        # Reading a whole table, were it ever so small, predicate-locks it: under SERIALIZABLE every concurrent
        # booking would then conflict with this one.
        "enable_seqscan": "off",
    }
    for name, value in session.items():
        await connection.execute("select set_config(%s, %s, false)", [name, value])


def _connect_options(settings: Settings) -> dict[str, Any]:
    return {
        "autocommit": True,
        "connect_timeout": settings.db_connect_timeout_s,
        "application_name": "tickets-api",
        # Statements are few and all hot: prepare each at its first use.
        "prepare_threshold": 0,
        # A server that vanished without a word is noticed within seconds, not hours.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": 5000,
    }


async def check(connection: Connection) -> None:
    """Discard a pooled connection that is dead, or whose server cannot write (a primary that was demoted).

    Without a round trip: a server that ended closes the socket, and one whose role changes tells its clients.
    """
    connection.pgconn.consume_input()
    if connection.info.parameter_status("in_hot_standby") == "on":
        raise psycopg.OperationalError("the server is a standby")
