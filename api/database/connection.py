"""A database connection whose every wait is bounded."""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.errors import Diagnostic
from psycopg.rows import TupleRow

from api.database.psycopg_patch import WAIT_INTERVAL_S, wait_at_most

Value = TypeVar("Value")

ROUND_TRIP_MAX_S = 3.0
"""Limit of a round trip on a connection that belongs to no pool."""
COMMITS_WAITING_MAX = 20
"""Limit of commits that wait for the standby, for a connection that belongs to no pool."""


class SharedState(msgspec.Struct):
    """State that the connections of a pool share."""

    commits_waiting_max: int = COMMITS_WAITING_MAX
    """Number of commits waiting for the standby from which on the pool starts no transaction."""
    abandoned: bool = False
    """True once a connection was closed during a round trip, so that its backend may still wait for the standby."""
    write_failed_at: float = -math.inf
    """Monotonic time of the last statement for which the server could not write to its disk, in seconds."""
    server: tuple[int, int] | None = None
    """System identifier and timeline of the server of the latest connection; None: unknown."""
    timeline_hidden: bool = False
    """True once a server did not reveal its timeline to this role."""
    replicated_at: datetime | None = None
    """The synchronous standby has every change that was committed before this database time; None: unknown."""


class Connection(AsyncConnection[TupleRow]):
    """A connection that limits every round trip and never cancels a statement.

    A frozen server still acknowledges packets, so TCP keepalives do not detect it. psycopg sends a cancel request if a
    task is cancelled during a statement. PostgreSQL responds to a cancelled COMMIT by ending its wait for the
    synchronous standby, and keeps the transaction on the primary only. This class closes the socket instead: the
    server then continues to wait.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shared = SharedState()
        self.server: tuple[int, int] | None = None
        """System identifier and timeline of the server; None: unknown."""
        self.is_current: Callable[[], bool] = lambda: True
        """Returns False if the server is known to be a former primary, whose results may be outdated."""
        self.address: tuple[str, int] = ("", 0)
        """Host and port of the server."""
        self.opened_at = time.monotonic()
        self.round_trip_max_s = ROUND_TRIP_MAX_S
        self.on_timeout: Callable[[Connection], None] | None = None
        """Receives the connection after a round trip that reached its limit."""
        self.standby_wait_cancelled = False
        """True once the server committed without waiting for the standby, because an operator cancelled the wait."""
        self.add_notice_handler(self._note)

    def _note(self, notice: Diagnostic) -> None:
        # PostgreSQL reports such a commit as a success, with a warning in the server's language.
        if notice.source_function == "SyncRepWaitForLSN":
            self.standby_wait_cancelled = True

    def _abandon(self) -> None:
        self.shared.abandoned = True
        self.pgconn.finish()

    async def wait(self, gen: PQGen[Value], interval: float = WAIT_INTERVAL_S, timeout: float | None = None) -> Value:  # noqa: ASYNC109 - psycopg's signature
        """Run a round trip of psycopg, at most `timeout` or `round_trip_max_s` seconds.

        Raises:
            psycopg.OperationalError: the server did not respond in time. The connection is closed.
        """
        limit_s = self.round_trip_max_s if timeout is None else timeout
        try:
            return await wait_at_most(gen, self.pgconn, limit_s, interval)
        except TimeoutError:
            self._abandon()
            if self.on_timeout:
                self.on_timeout(self)
            raise psycopg.OperationalError(f"no response within {limit_s:g} s, so the connection was closed") from None
        except (asyncio.CancelledError, KeyboardInterrupt):
            self._abandon()
            raise
