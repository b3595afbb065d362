"""Detection of a connection pooler that gives each transaction another server session.

Prepared statements and session settings then belong to the wrong session. PgBouncer carries prepared statements over
from version 1.21 on, with `max_prepared_statements`. The settings must then come from the role.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import psycopg
from psycopg import AsyncConnection, pq, sql
from psycopg.rows import TupleRow

from api.config import Settings
from api.database import queries
from api.database.pool import session_settings
from api.errors import SetupError

_PROBE = b"tickets_probe"
_ATTEMPTS = 5
"""The pooler chooses the server session, so one attempt may miss the change."""


class PoolerCheck:
    """Admits the connections of a process once `check_pooler` has passed.

    The API starts without a database, so the check at its start may have found none.
    """

    def __init__(self, conninfo: str, settings: Settings) -> None:
        self._conninfo = conninfo
        self._settings = settings
        self._passed = False
        self._one_probe = asyncio.Lock()

    async def admit(self, connection: AsyncConnection[TupleRow]) -> None:
        """Admit a new connection.

        Raises:
            SetupError: the pooler is unusable.
            psycopg.OperationalError: the connection leads to a pooler whose mode is unknown.
        """
        async with self._one_probe:  # Another probe would use the session whose change this one expects.
            if not self._passed:
                await self._probe(connection)
                self._passed = True

    async def _probe(self, connection: AsyncConnection[TupleRow]) -> None:
        cursor = await connection.execute(queries.sessions.read_backend.sql, prepare=False)
        ((backend,),) = await cursor.fetchall()
        if backend == connection.info.backend_pid:
            return  # A pooler would have its own process ids.
        if not await asyncio.to_thread(check_pooler, self._conninfo, self._settings):
            raise psycopg.OperationalError("the connection pooler's mode is unknown")


def check_pooler(conninfo: str, settings: Settings) -> bool:
    """Refuse a pooler in transaction mode that loses prepared statements or settings.

    Return False if the database is unavailable, or if the check takes longer than the limit of a round trip. The
    database may still be behind an unusable pooler.

    Raises:
        SetupError: the pooler is unusable; the message names the remedy.
    """
    try:
        with _connect(conninfo, settings) as one:
            if _backend_of(one) == one.info.backend_pid:
                return True  # A pooler would have its own process ids.
            with _connect(conninfo, settings) as other:
                changed, survives = _probe(one, other)
            missing = _settings_missing(one, settings) if changed else []
    except psycopg.OperationalError:
        return False
    if changed and not survives:
        raise SetupError(
            "DATABASE_URL leads to a connection pooler that shares server sessions between transactions and loses "
            "prepared statements. Use session pooling (pool_mode = session), or PgBouncer 1.21 or newer with "
            "max_prepared_statements."
        )
    if missing:
        raise SetupError(
            "DATABASE_URL leads to a connection pooler that shares server sessions between transactions, so the "
            f"settings must belong to the role. Run in this database, for this role: {' '.join(missing)}"
        )
    return True


@contextlib.contextmanager
def _connect(conninfo: str, settings: Settings) -> Iterator[psycopg.Connection[TupleRow]]:
    """Open a connection, which ends after the limit of a round trip.

    A pooler whose server sessions are all in use delays a statement for minutes.
    """
    with (
        psycopg.connect(
            conninfo, autocommit=True, connect_timeout=settings.db_connect_timeout_s, prepare_threshold=None
        ) as connection,
        # The duplicate is valid until the timer has ended.
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as duplicate,
    ):
        timer = threading.Timer(settings.round_trip_max_s, _shut_down, [duplicate])
        timer.start()
        try:
            yield connection
        finally:
            timer.cancel()
            timer.join()


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # The other end has closed the connection.
        connection.shutdown(socket.SHUT_RDWR)


def _probe(one: psycopg.Connection[TupleRow], other: psycopg.Connection[TupleRow]) -> tuple[bool, bool]:
    """Return whether `one` changes its server session, and whether its prepared statement survives the change."""
    one.pgconn.prepare(_PROBE, queries.sessions.read_backend.server_sql)
    before = _backend_of(one)
    for _ in range(_ATTEMPTS):
        with other.transaction():
            taken = _backend_of(other)  # In transaction mode this is probably the session that `one` has just used.
            result = one.pgconn.exec_prepared(_PROBE, [])
            if one.pgconn.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError("the connection was lost during the check of the pooler")
            if result.status != pq.ExecStatus.TUPLES_OK:
                return True, False
            if taken == before or _backend_of(one) != before:
                return True, True
    return False, True


def _backend_of(connection: psycopg.Connection[TupleRow]) -> int:
    ((pid,),) = connection.execute(queries.sessions.read_backend.sql).fetchall()
    return int(pid)


def _settings_missing(connection: psycopg.Connection[TupleRow], settings: Settings) -> list[str]:
    """Return the statements that give the role the session settings that it lacks, or has with another value."""
    rows = connection.execute(queries.sessions.list_role_settings.sql).fetchall()
    configured = {name.lower(): value for name, _, value in (text.partition("=") for (text,) in rows)}
    role, database = sql.Identifier(connection.info.user), sql.Identifier(connection.info.dbname)
    return [
        sql.SQL("alter role {} in database {} set {} = {};")
        .format(role, database, sql.Identifier(name), sql.Literal(value))
        .as_string(connection)
        for name, value in session_settings(settings).items()
        if _lacks(connection, {"name": name, "configured": configured.get(name), "value": value})
    ]


def _lacks(connection: psycopg.Connection[TupleRow], parameters: dict[str, str | None]) -> bool:
    with connection.transaction(force_rollback=True):
        row = connection.execute(queries.sessions.lacks_setting.sql, parameters).fetchone()
    return row is not None and bool(row[0])
