"""Pauses the system's transactions at a trigger, so that a test can kill a process at a chosen moment."""

import contextlib
from collections.abc import Iterator

import psycopg

from tests.faults.target import until

LOCK_KEY = 4711
PAUSE = f"""
    create function pause() returns trigger language plpgsql as $$
    begin
        while not pg_try_advisory_xact_lock_shared({LOCK_KEY}) loop perform pg_sleep(0.01); end loop;
        return null;
    end $$;
"""
AT_COMMIT = (
    "create constraint trigger pause after insert on orders deferrable initially deferred"
    " for each row execute function pause()"
)
AT_EXPIRY = "create trigger pause after update on orders for each row execute function pause()"
AT_PAYMENT = (
    "create trigger pause after update on payments for each row when (old.status <> new.status)"
    " execute function pause()"
)
_LOCK_SEQUENCE = "alter sequence bookings_id_seq cache 1"
"""Blocks `nextval` until the end of the transaction."""
_STARTING = (
    "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    " and query ~ 'orders.start_batch'"
)
_PAUSED = (
    "select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep' and query ~ %s"
)


class Pause:
    """Pauses transactions at a trigger until `resume`."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._resumed = False

    async def reached(self, query: str = "") -> None:
        """Wait until a transaction pauses in a statement that matches the regular expression `query`."""
        await until(lambda: self._conn.execute(_PAUSED, [query]).fetchone() is not None, "a transaction is paused")

    def resume(self) -> None:
        if not self._resumed:
            self._conn.execute("select pg_advisory_unlock(%s)", [LOCK_KEY])
        self._resumed = True

    async def left(self) -> None:
        """Wait until no transaction is paused."""
        await until(lambda: self._conn.execute(_PAUSED, [""]).fetchone() is None, "no transaction is paused")


@contextlib.contextmanager
def paused(database_url: str, trigger: str) -> Iterator[Pause]:
    """Pause transactions at this trigger for the duration of the context."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(%s)", [LOCK_KEY])
        conn.execute(PAUSE.encode())
        conn.execute(trigger.encode())
        pause = Pause(conn)
        try:
            yield pause
        finally:
            pause.resume()
            conn.execute("drop function pause cascade")


class BlockedStart:
    """Blocks the first statement of transactions of the careful path, before which no process sends a commit.

    A direct sale sends its commit together with its statement. It would commit after `resume` even without its process.
    """

    def __init__(self, database_url: str, blocker: psycopg.Connection) -> None:
        self._database_url = database_url
        self._blocker = blocker
        self._pids: list[int] = []

    def _query(self, query: str, *parameters: object) -> list[int]:
        with psycopg.connect(self._database_url) as conn:
            return [pid for (pid,) in conn.execute(query.encode(), parameters).fetchall()]

    async def reached(self) -> None:
        """Wait until a transaction is blocked."""
        await until(lambda: bool(self._query(_STARTING)), "a booking transaction is blocked")

    def resume(self) -> None:
        """Stop blocking, after the process of the blocked transactions has ended."""
        self._pids = self._query(_STARTING)  # The API repeats a transaction that exceeds its limit of lock waits.
        self._blocker.rollback()

    async def left(self) -> None:
        """Wait until the sessions that `resume` found have ended."""
        ended = "select pid from pg_stat_activity where pid = any(%s)"
        await until(lambda: not self._query(ended, self._pids), "the blocked sessions have ended")


@contextlib.contextmanager
def blocked_start(database_url: str) -> Iterator[BlockedStart]:
    """Block transactions of the careful path for the duration of the context."""
    with psycopg.connect(database_url) as blocker:
        blocker.execute(_LOCK_SEQUENCE)
        yield BlockedStart(database_url, blocker)
