"""Sessions on pooled connections: pipelined statements, transactions, and timeouts of reads and writes."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload
from weakref import WeakKeyDictionary

import msgspec
import psycopg
from psycopg import IsolationLevel, errors, pq
from psycopg.pq.abc import PGresult

from api.database import queries
from api.database.connection import Connection, SharedState
from api.database.decoding import SaturatingLoader
from api.database.encoding import to_text
from api.database.errors import CommitUnknownError
from api.database.pool import Pool
from api.database.psycopg_patch import Transformer, error_from_result, round_trip
from api.database.queries import Query

_log = logging.getLogger(__name__)

READ_TIMEOUT_S = 1.5
WRITE_TIMEOUT_S = 1.5
"""Timeouts of a read and of a write, which also hold if the server is frozen."""
_BEGIN: dict[IsolationLevel | None, bytes] = {
    IsolationLevel.SERIALIZABLE: b"begin isolation level serializable",
    IsolationLevel.REPEATABLE_READ: b"begin isolation level repeatable read",
    IsolationLevel.READ_COMMITTED: b"begin isolation level read committed",
}


Row = TypeVar("Row")


class Statement(Generic[Row]):
    """A query with its parameters.

    `row` builds a row from the columns by their names; without it each row is a tuple. `affects` is the number of
    rows that the query must return or change; None allows any number.
    """

    @overload
    def __init__(
        self: "Statement[tuple[Any, ...]]", query: Query, parameters: Mapping[str, Any], *, affects: int | None = None
    ) -> None: ...

    @overload
    def __init__(
        self, query: Query, parameters: Mapping[str, Any], row: Callable[..., Row], *, affects: int | None = None
    ) -> None: ...

    def __init__(
        self,
        query: Query,
        parameters: Mapping[str, Any],
        row: Callable[..., Any] | None = None,
        *,
        affects: int | None = None,
    ) -> None:
        self.query = query
        self.parameters = parameters
        self.row = row
        self.affects = affects


class Result(Generic[Row]):
    """The rows of a statement in a pipeline; `Pipeline.run` fills them in."""

    def __init__(self, statement: Statement[Row], values: Sequence[bytes | None]) -> None:
        self.statement = statement
        self.values = values
        self.rows: list[Row] = []


class Pipeline:
    """Statements that share one round trip.

    `add` returns a handle for a statement's rows. The rows are available after `run`.
    """

    def __init__(self, session: "Session") -> None:
        self._session = session
        self.results: list[Result[Any]] = []
        """The handles of the added statements."""

    def add(self, statement: Statement[Row]) -> Result[Row]:
        """Append a statement; return the handle for its rows.

        Raises:
            psycopg.DataError: PostgreSQL cannot store a parameter.
        """
        values = [to_text(statement.parameters[name]) for name in statement.query.parameters]
        result = Result(statement, values)
        self.results.append(result)
        return result

    async def run(self) -> None:
        """Run the statements in the order in which they were added; an empty pipeline makes no round trip.

        Raises:
            psycopg.Error: the first statement that failed; the server skipped the later ones.
            RuntimeError: a statement affected another number of rows than `Statement.affects`.
        """
        if self.results:
            await self._session.exchange(self.results)

    async def commit(self, then: "Pipeline | None" = None) -> None:
        """Run the statements and commit the session's transaction, in one round trip.

        The server commits nothing after a failed statement. It does not know `Statement.affects`, so that the
        statements must not have it.

        Args:
            then: statements that follow in the same round trip, outside of the transaction. Their results have no rows
                if one of them fails.

        Raises:
            CommitUnknownError: the connection was lost, or the standby may lack the transaction.
            psycopg.Error: a statement or COMMIT failed.
            ValueError: a statement has `affects`.
        """
        if any(result.statement.affects is not None for result in self.results):
            raise ValueError("the server commits before the client can count the affected rows")
        await self._session.exchange_and_commit(self.results, then.results if then else ())


class Session:
    """A pooled connection in pipeline mode.

    The session sends statements through psycopg's wrapper of libpq. psycopg's cursors flush after each statement, which
    wakes the server each time. They also take several times as long to prepare a statement.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._prepared = _prepared.setdefault(connection, {})
        self._transformer = Transformer(connection)
        self._sent: list[_Sent] = []
        self._committed = False
        """True once the transaction is committed."""

    @property
    def shared(self) -> SharedState:
        """Return the state that the connections of the pool share."""
        return self._connection.shared

    @property
    def server(self) -> tuple[int, int] | None:
        """Return the system identifier and the timeline of the connection's server; None: unknown."""
        return self._connection.server

    @property
    def round_trip_max_s(self) -> float:
        """Return the limit of a round trip, in seconds."""
        return self._connection.round_trip_max_s

    async def check_commits(self) -> None:
        """Refuse a write while too many commits wait for the synchronous standby.

        A commit whose client has closed the connection continues to wait, and occupies a backend.

        Raises:
            psycopg.OperationalError: `SharedState.commits_waiting_max` commits wait.
        """
        if self.shared.abandoned:
            ((waiting,),) = await self.run(Statement(queries.replication.count_waiting, {}))
            if waiting >= self.shared.commits_waiting_max:
                raise psycopg.OperationalError(f"{waiting} commits wait for the standby")
            self.shared.abandoned = waiting > 0

    def pipeline(self) -> Pipeline:
        """Return an empty pipeline."""
        return Pipeline(self)

    async def run(self, statement: Statement[Row]) -> list[Row]:
        """Run one statement in a round trip of its own; return its rows.

        Raises:
            psycopg.Error: the statement failed.
            RuntimeError: the statement affected another number of rows than `Statement.affects`.
        """
        pipeline = self.pipeline()
        result = pipeline.add(statement)
        await pipeline.run()
        return result.rows

    async def exchange(self, results: Sequence[Result[Any]]) -> None:
        """Send a pipeline's statements, and fill in their rows, in one round trip."""
        self._queue(results)
        self._fill(results, self._receive(await self._sync()))

    async def exchange_and_commit(self, results: Sequence[Result[Any]], then: Sequence[Result[Any]]) -> None:
        """Send a pipeline's statements with COMMIT and the statements that follow; fill in their rows.

        An error of the statements that follow does not change the outcome of the transaction.
        """
        self._queue(results)
        self._send_command(b"commit")
        inside = len(self._sent)
        if then:
            self._pgconn.pipeline_sync()  # Statements behind it do not depend on the transaction.
            self._queue(then)
        try:
            exchanged = await self._sync(syncs=2 if then else 1)
            received = self._receive(exchanged[:inside])
        except psycopg.Error as error:
            if self._connection.closed:
                raise CommitUnknownError(str(error)) from error
            raise
        self._committed = True
        self._fill(results, received)
        try:
            self._fill(then, self._receive(exchanged[inside:]))
        except psycopg.Error as error:
            _log.warning("A statement behind a commit failed: %s", error)

    @contextlib.asynccontextmanager
    async def transaction(self, isolation: IsolationLevel | None = None) -> AsyncIterator[None]:
        """Run the statements of this context in a transaction, and commit it unless `Pipeline.commit` has done so.

        Args:
            isolation: the isolation level; None for the level of the settings.

        Raises:
            CommitUnknownError: the connection was lost during COMMIT, or the standby may lack the transaction.
            psycopg.OperationalError: too many commits wait for the standby.
            psycopg.Error: a statement or COMMIT failed; the transaction was rolled back.
        """
        await self.check_commits()
        # BEGIN shares the round trip of the first statements.
        self._send_command(_BEGIN[isolation or self._connection.isolation_level])
        self._committed = False
        try:
            yield
            if not self._committed:
                await self.exchange_and_commit((), ())
        except BaseException as error:
            await self._roll_back()
            if isinstance(error, errors.ReadOnlySqlTransaction):
                await self._connection.close()  # The pool replaces it, perhaps with one to the new primary.
            raise

    async def _roll_back(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self._send_command(b"rollback")
            self._receive(await self._sync())

    def _send_command(self, command: bytes) -> None:
        self._pgconn.send_query_params(command, None)
        self._sent.append(command)

    def _send(self, statement: Statement[Any], values: Sequence[bytes | None]) -> None:
        """Queue a statement; prepare it at its first use on this connection."""
        sql = statement.query.server_sql
        prepared = self._prepared.get(sql)
        if prepared is None:
            prepared = _Prepared(sql, b"s%d" % next(_numbers))
            self._pgconn.send_prepare(prepared.name, sql)
            self._sent.append(prepared)
        self._pgconn.send_query_prepared(prepared.name, values, result_format=pq.Format.BINARY)
        self._sent.append(statement)

    def _queue(self, results: Sequence[Result[Any]]) -> None:
        for result in results:
            self._send(result.statement, result.values)

    def _fill(self, results: Sequence[Result[Any]], received: Sequence[PGresult]) -> None:
        for result, rows in zip(results, received, strict=True):
            result.rows = self._rows(result.statement, rows)

    async def _sync(self, syncs: int = 1) -> "list[_Exchanged]":
        """Send the queue in one round trip; return each cause with its result."""
        sent, self._sent = self._sent, []
        try:
            results = await round_trip(self._connection, syncs)
        except psycopg.OperationalError:
            await self._connection.close()
            raise
        if self._connection.standby_wait_cancelled:
            await self._connection.close()
            raise CommitUnknownError("the wait for the standby was cancelled")
        if not self._connection.is_current():  # A server that was frozen responds late, from an outdated state.
            await self._connection.close()
            raise psycopg.OperationalError("the response came from a former primary")
        return list(zip(sent, results, strict=True))

    def _receive(self, exchanged: "Sequence[_Exchanged]") -> list[PGresult]:
        """Return the results of the statements; raise the first error."""
        received: list[PGresult] = []
        for item, result in exchanged:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                error = error_from_result(result)
                if isinstance(error, errors.DiskFull | errors.IoError):
                    self.shared.write_failed_at = time.monotonic()
                raise error
            match item:
                case Statement():
                    received.append(result)
                case _Prepared():
                    self._prepared[item.sql] = item
                case b"commit" if result.command_status != b"COMMIT":
                    # PostgreSQL reports the COMMIT of a failed transaction as a success.
                    raise errors.InFailedSqlTransaction("the server has rolled the transaction back")
        return received

    def _rows(self, statement: Statement[Any], result: PGresult) -> list[Any]:
        has_rows = result.status == pq.ExecStatus.TUPLES_OK
        affected = result.ntuples if has_rows else result.command_tuples or 0
        if statement.affects not in (None, affected):
            raise RuntimeError(f"{statement.query.name} affected {affected} rows, not {statement.affects}")
        if not has_rows or not affected:
            return []
        try:
            return self._load(statement, result, affected)
        except psycopg.DataError as error:
            _log.error("%s returned a value that is replaced: %s", statement.query.name, error)
            self._connection.adapters.register_loader("timestamptz", SaturatingLoader)
            self._transformer = Transformer(self._connection)
            return self._load(statement, result, affected)

    def _load(self, statement: Statement[Any], result: PGresult, count: int) -> list[Any]:
        self._transformer.set_pgresult(result)
        row = statement.row
        if row is None:
            return self._transformer.load_rows(0, count, tuple)
        columns = self._prepared[statement.query.server_sql].columns_of(result)
        return self._transformer.load_rows(0, count, lambda values: row(**dict(zip(columns, values, strict=True))))


class _Prepared(msgspec.Struct, eq=False):
    """A statement that is prepared on one connection under `name`."""

    sql: bytes
    name: bytes
    columns: list[str] | None = None
    """Names of the result's columns; None before the first result."""

    def columns_of(self, result: PGresult) -> list[str]:
        """Return the names of the columns, and keep them for the next result."""
        if self.columns is None:
            self.columns = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
        return self.columns


_Sent = Statement[Any] | _Prepared | bytes
"""The cause of a result: a statement, the preparation of a statement, or a command without rows."""

_Exchanged = tuple[_Sent, PGresult]

_prepared: "WeakKeyDictionary[Connection, dict[bytes, _Prepared]]" = WeakKeyDictionary()
"""Prepared statements of each connection, by their SQL."""
_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def open_session(pool: Pool) -> AsyncIterator[Session]:
    """Open a session on a connection of the pool, which takes the connection back at the end.

    Raises:
        psycopg.OperationalError: no connection was free within `ACQUIRE_TIMEOUT_S`, or the connection was lost.
    """
    connection = await pool.getconn()
    try:
        connection.pgconn.enter_pipeline_mode()
        try:
            yield Session(connection)
        finally:
            await _leave_pipeline(connection)
    finally:
        await pool.putconn(connection)


async def _leave_pipeline(connection: Connection) -> None:
    if not connection.closed:
        try:
            connection.pgconn.exit_pipeline_mode()
        except psycopg.OperationalError:  # A cancelled round trip left results unread.
            await connection.close()


async def with_timeout(read: Coroutine[Any, Any, Row]) -> Row:
    """Wait for a read, at most `READ_TIMEOUT_S`.

    After the timeout the read continues in the background, because its cancellation would also wait for the server.

    Raises:
        psycopg.OperationalError: the read took too long or failed.
    """
    return await _finish(read, READ_TIMEOUT_S, psycopg.OperationalError)


async def write_with_timeout(write: Coroutine[Any, Any, Row]) -> Row:
    """Wait for a write, at most `WRITE_TIMEOUT_S`.

    After the timeout the write continues in the background, so it may still commit.

    Raises:
        CommitUnknownError: the write took too long, or its outcome is unknown.
        psycopg.Error: the write failed and changed nothing.
    """
    return await _finish(write, WRITE_TIMEOUT_S, CommitUnknownError)


async def _finish(work: Coroutine[Any, Any, Row], timeout_s: float, late: type[Exception]) -> Row:
    """Return the result of a coroutine, or raise `late` after the timeout."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.wait([task], timeout=timeout_s)
    if not task.done():
        raise late(f"no result within {timeout_s} s")
    return task.result()
