"""The connection pool and the session settings of its connections."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import psycopg_pool
from psycopg import AsyncConnection, IsolationLevel, errors
from psycopg.rows import TupleRow

from api.config import Settings
from api.database import queries
from api.database.connection import Connection, SharedState
from api.database.timeline import Hosts, Timelines

_log = logging.getLogger(__name__)

Pool = psycopg_pool.AsyncConnectionPool[Connection]

LOCK_TIMEOUT_MS = 200
"""The longest wait for a row lock."""
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5000
"""Time after which the server ends the transaction of a silent client and releases its locks."""
ACQUIRE_TIMEOUT_S = 0.5
"""The longest wait for a connection of the pool."""
ACQUIRE_WAITING_MAX = 500
"""The most requests that wait for a connection at once; the pool refuses the next one."""

REQUIRED_SETTINGS = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "search_path": "public",
    "row_security": "on",
    # A commit that did not wait for the standby is reported as a warning.
    "client_min_messages": "notice",
    # A crash loses no acknowledged commit: neither a crash of this server, nor one with a failover to the standby.
    "synchronous_commit": "on",
}
"""The server's settings that decide the meaning of statements, the format of values and durability, by name.

A role or a database may have other defaults.
"""

_UNREADABLE = (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.FeatureNotSupported)
"""Errors of a server whose timeline this role cannot read."""

_ISOLATION = {
    "serializable": IsolationLevel.SERIALIZABLE,
    "read_committed": IsolationLevel.READ_COMMITTED,
}


@contextlib.asynccontextmanager
async def open_pool(
    conninfo: str, settings: Settings, admit: Callable[[Connection], Awaitable[None]] | None = None
) -> AsyncIterator[Pool]:
    """Open a pool of autocommit connections, whose transactions have the isolation level of the settings.

    The pool opens even while the database is unavailable, and connects as soon as it is available. `admit` raises an
    error for a new connection that must not be used.
    """
    shared = SharedState(commits_waiting_max=settings.db_commits_waiting_max)

    hosts = Hosts(conninfo)
    timelines = Timelines(settings.data_dir / "timelines.json")

    async def configure(connection: Connection) -> None:
        connection.shared = shared
        connection.round_trip_max_s = settings.round_trip_max_s
        connection.on_timeout = replacement.request
        connection.address = connection.info.host, connection.info.port
        if admit:
            await admit(connection)
        try:
            await _admit(connection, timelines)
        except psycopg.OperationalError:
            hosts.put_last(connection.address)
            raise
        await prepare_session(connection, settings)

    async def check_usable(connection: Connection) -> None:
        await replacement.check(connection)
        if not connection.is_current():
            await connection.close()
            raise psycopg.OperationalError("the server is a former primary")
        await check(connection)

    pool: Pool = psycopg_pool.AsyncConnectionPool(
        hosts.conninfo,
        connection_class=Connection,
        kwargs=_connect_options(settings),
        configure=configure,
        check=check_usable,
        min_size=min(2, settings.db_pool_max),
        max_size=settings.db_pool_max,
        timeout=ACQUIRE_TIMEOUT_S,
        max_waiting=ACQUIRE_WAITING_MAX,
        # Each request that needs a connection starts new attempts, so a short timeout avoids a pause after an outage.
        reconnect_timeout=2,
        open=False,
    )
    replacement = _Replacement(pool, hosts)
    await pool.open(wait=False)
    try:
        yield pool
    finally:
        await pool.close(timeout=2)


class _Replacement:
    """Replaces all connections of a pool after a round trip has reached its limit.

    The pool's other connections lead to the same server. If it is frozen, each of them would cost a request the full
    limit.
    """

    def __init__(self, pool: Pool, hosts: Hosts) -> None:
        self._pool = pool
        self._hosts = hosts
        self._replaced_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def request(self, silent: Connection) -> None:
        """Replace the connections, unless this happened after `silent` was opened."""
        if silent.opened_at > self._replaced_at:
            self._replaced_at = time.monotonic()
            self._hosts.put_last(silent.address)
            self._task = asyncio.create_task(self._pool.drain())

    async def check(self, connection: Connection) -> None:
        """Discard a connection that is to be replaced.

        Raises:
            psycopg.OperationalError: the connection is older than the last timeout.
        """
        if connection.opened_at <= self._replaced_at:
            await connection.close()
            raise psycopg.OperationalError("another connection to this server timed out")


async def _admit(connection: Connection, timelines: Timelines) -> None:
    """Read a server's timeline, and refuse a former primary.

    A hosted PostgreSQL may forbid the functions that read the timeline. Its provider then decides which server is the
    primary.

    Raises:
        psycopg.OperationalError: another server of the cluster has a higher timeline.
    """
    try:
        cursor = await connection.execute(queries.replication.read_timeline.sql)
    except _UNREADABLE as error:
        if not connection.shared.timeline_hidden:
            _log.warning("The server does not reveal its timeline, so a former primary is not refused: %s", error)
        connection.shared.timeline_hidden = True
        # The connection may lead to another server than the former ones.
        connection.shared.server = connection.shared.replicated_at = None
        return
    ((cluster, wal_file),) = await cursor.fetchall()
    timeline = int(wal_file[:8], 16)
    timelines.admit(cluster, timeline)
    connection.server = cluster, timeline
    connection.is_current = lambda: timelines.is_current(cluster, timeline)
    if connection.shared.server != connection.server:
        # The standbys of another server may lack the changes that those of the former one have.
        connection.shared.server, connection.shared.replicated_at = connection.server, None


async def prepare_session(connection: AsyncConnection[TupleRow], settings: Settings) -> None:
    """Set a connection's isolation level and every setting of the server on which the code relies."""
    await connection.set_isolation_level(_ISOLATION[settings.booking_isolation])
    await connection.execute(
        queries.sessions.apply_settings.sql, settings_parameters(session_settings(settings), local=False)
    )


def settings_parameters(values: dict[str, str], *, local: bool) -> dict[str, Any]:
    """Return the parameters of `sessions.apply_settings` for values by name."""
    return {"names": list(values), "values": list(values.values()), "local": local}


def session_settings(settings: Settings) -> dict[str, str]:
    """Return the server's settings that each session needs, by name."""
    return {
        **REQUIRED_SETTINGS,
        # Applies to statements outside a transaction, regardless of the server's default.
        "default_transaction_isolation": "read committed",
        "statement_timeout": f"{settings.statement_timeout_ms}ms",
        "lock_timeout": f"{LOCK_TIMEOUT_MS}ms",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_MS}ms",
        # The pool keeps idle connections, and the other limits bound a transaction.
        "idle_session_timeout": "0",
        "transaction_timeout": "0",  # from PostgreSQL 17 on
        "default_transaction_deferrable": "off",
        # A sequential scan predicate-locks the whole table, however small. Under SERIALIZABLE every concurrent
        # booking would then conflict with this one.
        "enable_seqscan": "off",
        # One plan suits all parameters of a statement, and planning takes longer than running it.
        "plan_cache_mode": "force_generic_plan",
    }


def _connect_options(settings: Settings) -> dict[str, Any]:
    return {
        "autocommit": True,
        "connect_timeout": settings.db_connect_timeout_s,
        "application_name": "tickets-api",
        # The statements are few and all frequent, so each is prepared at its first use.
        "prepare_threshold": 0,
        # Detect a server that vanished without closing the connection within seconds instead of hours.
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "tcp_user_timeout": 5000,
    }


async def check(connection: Connection) -> None:
    """Discard a pooled connection that is dead or whose server is read-only, such as a demoted primary.

    The check needs no round trip. A server that ends closes the socket. A server whose role changes reports the new
    parameter values to its clients.

    Raises:
        psycopg.OperationalError: the connection is closed or read-only.
    """
    connection.pgconn.consume_input()
    for parameter in ("in_hot_standby", "default_transaction_read_only"):
        if connection.info.parameter_status(parameter) == "on":
            await connection.close()  # Otherwise the pool would keep the connection.
            raise psycopg.OperationalError(f"the server is read-only: {parameter}")
