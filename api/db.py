"""The database from the API's side: its pool, which errors mean "try again", and which mean "it is away"."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, Generic, LiteralString, TypeVar

import psycopg
import psycopg_pool
from psycopg import AsyncConnection, AsyncPipeline, IsolationLevel, errors, generators
from psycopg.abc import PQGen
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
"""The longest wait for a connection."""
READ_TIMEOUT_S = 1.5
"""The longest that a read is waited for, even of a server that is frozen."""
ACQUIRE_WAITING_MAX = 500
"""Requests that may wait for a connection at once; the next is refused."""

RACED_CONSTRAINTS = frozenset({"orders_reference_key", "bookings_live_ticket_key"})
"""Constraints that a transaction can only violate by losing a race against another."""

_BEGIN: dict[IsolationLevel | None, LiteralString] = {
    IsolationLevel.SERIALIZABLE: "begin isolation level serializable",
    IsolationLevel.READ_COMMITTED: "begin isolation level read committed",
}
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


class _OneWrite(AsyncPipeline):
    """A pipeline that sends statements when it is told to sync: those of a round trip in one write.

    psycopg writes, and so wakes the server, for each of them, and syncs once more at the end.
    """

    def _communicate_gen(self) -> PQGen[None]:
        yield from ()

    def _sync_gen(self) -> PQGen[None]:
        self._enqueue_sync()
        while self.command_queue:
            self.command_queue.popleft()()
        yield from generators.send(self.pgconn)
        yield from self._fetch_gen(flush=False)

    def _exit_gen(self) -> PQGen[None]:
        if self.command_queue or self.result_queue:
            try:
                yield from self._sync_gen()
            finally:
                yield from self._fetch_gen(flush=True)


class Session:
    """A pooled connection in pipeline mode: statements that are run together cost one round trip."""

    def __init__(self, connection: Connection, pipeline: AsyncPipeline) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self._in_transaction = False

    async def run(self, *statements: Statement[Any]) -> list[list[Any]]:
        """Run statements in one round trip; return the rows of each.

        Raises:
            psycopg.Error: the first statement that failed; those behind it were not run.
            RuntimeError: a statement affected another number of rows than it must.
        """
        cursors = []
        for statement in statements:
            cursor = self._connection.cursor(row_factory=statement.row_factory)
            parameters = {name: _literal(value) for name, value in statement.parameters.items()}
            cursors.append(await cursor.execute(statement.query.sql, parameters))
        try:
            await self._pipeline.sync()
        except psycopg.Error:
            # psycopg may now take statements for prepared that are not. A rollback clears its list; without a
            # transaction to roll back the connection has to go, and the pool makes another.
            if not self._in_transaction:
                await self._connection.close()
            raise
        for statement, cursor in zip(statements, cursors, strict=True):
            if statement.rows not in (None, cursor.rowcount):
                raise RuntimeError(f"{statement.query.name} affected {cursor.rowcount} rows, not {statement.rows}")
        return [await cursor.fetchall() if cursor.description else [] for cursor in cursors]

    @contextlib.asynccontextmanager
    async def transaction(self, isolation: IsolationLevel | None = None) -> AsyncIterator[None]:
        """Run what is inside in a transaction; outside, statements are on their own.

        Its isolation is the settings' unless another is named. psycopg's own would wait for BEGIN and again at
        its end; here BEGIN travels with the first statements.
        """
        await self._connection.execute(_BEGIN[isolation or self._connection.isolation_level], prepare=False)
        self._in_transaction = True
        try:
            yield
            await self._commit()
        except BaseException as error:
            if not self._connection.closed:
                with contextlib.suppress(psycopg.Error):
                    await self._connection.rollback()
                if isinstance(error, errors.ReadOnlySqlTransaction):
                    await self._connection.close()  # The pool makes another, perhaps to another server.
            raise
        finally:
            self._in_transaction = False

    async def _commit(self) -> None:
        try:
            await self._connection.execute("commit", prepare=False)
            await self._pipeline.sync()
        except psycopg.Error as error:
            if self._connection.closed:
                raise CommitUnknownError(str(error)) from error
            raise


def _literal(value: Any) -> Any:
    """Return a list as the text of an array, which psycopg would take many times as long to write."""
    if not isinstance(value, list | tuple):
        return value
    if {int}.issuperset(map(type, value)):
        return f"{{{','.join(map(str, value))}}}"
    return f"{{{','.join(map(_element, value))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "null"
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@contextlib.asynccontextmanager
async def open_session(pool: Pool) -> AsyncIterator[Session]:
    """Take a connection from the pool for a while.

    Raises:
        psycopg.OperationalError: there is none within `ACQUIRE_TIMEOUT_S`, or it died.
    """
    async with pool.connection() as connection:
        connection._pipeline = _OneWrite(connection)  # noqa: SLF001 - psycopg takes the one that it finds
        async with connection.pipeline() as pipeline:
            yield Session(connection, pipeline)


async def bounded(read: Coroutine[Any, Any, Row]) -> Row:
    """Wait for a read, at most `READ_TIMEOUT_S`.

    It is then left alone: cancelling it would wait for the server, too.

    Raises:
        psycopg.OperationalError: it was not done in time.
    """
    task = asyncio.ensure_future(read)
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.wait([task], timeout=READ_TIMEOUT_S)
    if not task.done():
        raise psycopg.OperationalError(f"no answer within {READ_TIMEOUT_S} s")
    return task.result()


class CommitUnknownError(Exception):
    """The connection died during COMMIT: whether that happened is unknown; the booking's reference will tell."""


def is_away(error: Exception) -> bool:
    """Whether an error means that the database cannot be reached or written to at the moment; nothing was done."""
    # A primary that was demoted, or put into read-only mode, refuses writes with 25006.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | errors.ReadOnlySqlTransaction)


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
        # Attempts start anew with each request that needs a connection: no long pauses after an outage.
        reconnect_timeout=2,
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
        # Of statements outside a transaction, whatever the server's own default.
        "default_transaction_isolation": "read committed",
        "statement_timeout": f"{settings.statement_timeout_ms}ms",
        "lock_timeout": f"{LOCK_TIMEOUT_MS}ms",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_MS}ms",
        # Reading a whole table, were it ever so small, predicate-locks it: under SERIALIZABLE every concurrent
        # booking would then conflict with this one.
        "enable_seqscan": "off",
        # The plans are the same for all parameters: to plan anew for each would take longer than to run them.
        "plan_cache_mode": "force_generic_plan",
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
    for parameter in ("in_hot_standby", "default_transaction_read_only"):
        if connection.info.parameter_status(parameter) == "on":
            await connection.close()  # Else the pool would keep it and offer it again.
            raise psycopg.OperationalError(f"the server cannot be written to: {parameter}")
