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
AT_INSERT = "create trigger pause after insert on orders for each row execute function pause()"
AT_COMMIT = (
    "create constraint trigger pause after insert on orders deferrable initially deferred"
    " for each row execute function pause()"
)
AT_EXPIRY = "create trigger pause after update on orders for each row execute function pause()"
AT_PAYMENT = (
    "create trigger pause after update on payments for each row when (old.status <> new.status)"
    " execute function pause()"
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
