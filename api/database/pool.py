"""The connection pool, and the settings of its sessions."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import psycopg_pool
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import TupleRow

from api.config import Settings

Connection = AsyncConnection[TupleRow]
Pool = psycopg_pool.AsyncConnectionPool[Connection]

LOCK_TIMEOUT_MS = 200
"""The longest wait for a row that another transaction has locked."""
IDLE_IN_TRANSACTION_TIMEOUT_MS = 5000
"""When the server ends a transaction whose client has gone silent, and frees its locks."""
ACQUIRE_TIMEOUT_S = 0.5
"""The longest wait for a connection."""
ACQUIRE_WAITING_MAX = 500
"""Requests that may wait for a connection at once; the next is refused."""

_ISOLATION = {
    "serializable": IsolationLevel.SERIALIZABLE,
    "read_committed": IsolationLevel.READ_COMMITTED,
}


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
        # Every plan is right for all parameters, and to plan anew for each takes longer than to run it.
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
