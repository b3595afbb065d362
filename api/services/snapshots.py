"""Snapshots: encoded results of a query that many clients poll, served from memory and at most one second old.

Each process takes a snapshot for all of its clients, at a fixed interval and sooner after its own commits. It refreshes
the snapshots of an event only while clients request them. The first request after a pause waits for a new snapshot.
"""

import asyncio
import contextlib
import gzip
import hashlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import psycopg

from api.database.pool import Pool
from api.database.queries import Query
from api.database.session import Statement, open_session
from api.errors import Busy, UnknownEvent

_log = logging.getLogger(__name__)

AGE_MAX_S = 1.0
"""The age at which a snapshot is no longer served."""
_INTERVAL_S = 0.4
"""Time between two snapshots. Two in a row may fail or be late before the last one exceeds `AGE_MAX_S`."""
_REST_SHARE = 19
"""Minimum rest between two rounds as a multiple of the last round's duration, up to the interval.

Under a rush of commits the queries take at most a twentieth of the time.
"""
_REQUESTED_S = AGE_MAX_S
"""Time since the last request of an event in which its snapshot is refreshed.

Requests at longer intervals gain nothing from a refresh, because they find the last snapshot too old.
"""
_IDLE_MAX_S = 60
"""Time without a request after which an event's snapshot is dropped. Its body is reused while it is unchanged."""
_EVENTS_MAX = 1000
"""Number of events with a snapshot in memory. A request for any further event runs its own query."""
_GZIP_BYTES_MIN = 1000
"""Size below which gzip gains nothing."""
_GZIP_LEVEL = 6

Slug = str | None
"""An event's slug, or None for a query about all events."""


class Snapshot(NamedTuple):
    """A result in its encoded form."""

    body: bytes
    gzipped: bytes | None
    """The compressed body, or None if the body is too small to gain from it."""
    etag: str
    """The entity tag of the body; weak if there is a compressed body as well."""
    as_of: datetime
    """The database's time at the start of the query."""
    taken_at: float
    """This process's monotonic time in seconds before the query; never later than `as_of`."""
    revision: int | None
    """The revision of the event at that time; None if the body contains it or lists several events."""


class TimedRow(Protocol):
    """A row with the time of its query."""

    @property
    def as_of(self) -> datetime:
        """The database's time at the start of the query."""


Row = TypeVar("Row", bound=TimedRow)


class SnapshotCache(Generic[Row]):
    """The snapshots of one query by event.

    The query has a parameter `event` in addition to `parameters`. `encode` returns the body for the rows, or None if
    they report that the event does not exist. A result without rows reports the same. `revision` returns the event's
    revision from any row.
    """

    def __init__(
        self,
        pool: Pool,
        query: Query,
        row: Callable[..., Row],
        encode: Callable[[list[Row]], bytes | None],
        *,
        revision: Callable[[Row], int | None] = lambda _: None,
        **parameters: Any,
    ) -> None:
        self._pool = pool
        self._query = query
        self._row = row
        self._encode = encode
        self._revision = revision
        self._parameters = parameters
        self._snapshots: dict[Slug, Snapshot] = {}
        self._requested_at: dict[Slug, float] = {}
        self._queries: dict[Slug, asyncio.Task[Snapshot]] = {}
        self._stale: set[Slug] = set()
        self._invalidated = asyncio.Event()
        self._unreadable: set[Slug] = set()
        """Keys whose last result could not be encoded."""

    async def get(self, event: Slug) -> Snapshot:
        """Return the snapshot of an event, at most `AGE_MAX_S` old.

        Raises:
            UnknownEvent: the event does not exist, or clients could not read its values.
            Busy: the database does not respond.
        """
        if snapshot := self.current(event):
            return snapshot
        requested_at = time.monotonic()
        snapshot = await self._take(event)
        if time.monotonic() - snapshot.taken_at >= AGE_MAX_S:  # The query itself was too slow.
            raise Busy
        self._requested_at[event] = requested_at
        return snapshot

    def current(self, event: Slug) -> Snapshot | None:
        """Return the snapshot of an event if one in memory is less than `AGE_MAX_S` old."""
        now = time.monotonic()
        snapshot = self._snapshots.get(event)
        if snapshot is None or now - snapshot.taken_at >= AGE_MAX_S:
            return None
        self._requested_at[event] = now
        return snapshot

    def invalidate(self, events: set[str]) -> None:
        """Take new snapshots of these events soon, because this process sold or released tickets of theirs.

        Without recent requests the next one takes the snapshot.
        """
        now = time.monotonic()
        for event in events & self._snapshots.keys():
            if self._is_requested(event, now):
                self._stale.add(event)
                self._invalidated.set()
            else:
                del self._snapshots[event]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Refresh the requested snapshots while the context lasts."""
        task = asyncio.create_task(self._refresh(), name=self._query.name)
        try:
            yield
        finally:
            for each in (task, *self._queries.values()):
                each.cancel()
            await asyncio.gather(task, *self._queries.values(), return_exceptions=True)

    async def _refresh(self) -> None:
        rested_s = 0.0
        while True:
            # In Python 3.11 `wait_for` ignores a cancellation that arrives together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_S - rested_s):
                    await self._invalidated.wait()
            self._invalidated.clear()
            # A query that began before the commit does not see the sale.
            await asyncio.gather(*self._queries.values(), return_exceptions=True)
            started = time.monotonic()
            self._drop_idle(started)
            due = [
                event
                for event, snapshot in self._snapshots.items()
                if self._is_requested(event, started)
                and (event in self._stale or started - snapshot.taken_at >= _INTERVAL_S / 2)
            ]
            self._stale.clear()
            for event in due:
                # After a failure `get` serves the last snapshot until it is too old, and then raises.
                try:
                    await self._take(event)
                except (Busy, UnknownEvent):
                    continue
                except Exception:  # noqa: BLE001 - one failure must not end the refreshing for good
                    _log.exception("%s of %r failed", self._query.name, event)
            rested_s = min(_REST_SHARE * (time.monotonic() - started), _INTERVAL_S)
            await asyncio.sleep(rested_s)

    def _is_requested(self, event: Slug, now: float) -> bool:
        return now - self._requested_at.get(event, -math.inf) < _REQUESTED_S

    def _drop_idle(self, now: float) -> None:
        for event in [event for event, requested_at in self._requested_at.items() if now - requested_at > _IDLE_MAX_S]:
            del self._requested_at[event]
            self._snapshots.pop(event, None)

    async def _take(self, event: Slug) -> Snapshot:
        """Take a snapshot of an event; concurrent callers share one query."""
        task = self._queries.get(event)
        if task is None:
            task = asyncio.create_task(self._query_now(event))
            self._queries[event] = task
            task.add_done_callback(lambda task: self._finished(event, task))
        # A slow query continues, because other callers may await it. A cancellation has no effect on a frozen server.
        await asyncio.wait([task], timeout=AGE_MAX_S)
        if not task.done():
            raise Busy
        return task.result()

    def _finished(self, event: Slug, task: "asyncio.Task[Snapshot]") -> None:
        del self._queries[event]
        if not task.cancelled():
            task.exception()  # Retrieve the exception even if no caller awaits the task any more.

    async def _query_now(self, event: Slug) -> Snapshot:
        taken_at = time.monotonic()
        try:
            async with open_session(self._pool) as session:
                rows = await session.run(Statement(self._query, {"event": event, **self._parameters}, self._row))
        except psycopg.Error as error:
            _log.warning("%s of %r failed: %s", self._query.name, event, error)
            raise Busy from error
        body = self._encode_readable(event, rows) if rows else None
        if body is None:
            self._snapshots.pop(event, None)
            raise UnknownEvent(event)
        snapshot = _snapshot(body, rows[0].as_of, taken_at, self._revision(rows[0]), self._snapshots.get(event))
        if len(self._snapshots) < _EVENTS_MAX or event in self._snapshots:
            self._snapshots[event] = snapshot
            self._requested_at.setdefault(event, taken_at)
        return snapshot

    def _encode_readable(self, event: Slug, rows: list[Row]) -> bytes | None:
        """Return the body; None if a value cannot be read, which is logged once."""
        try:
            body = self._encode(rows)
        except Exception:  # noqa: BLE001 - a value of one event must not fail each refresh
            if event not in self._unreadable and len(self._unreadable) < _EVENTS_MAX:
                self._unreadable.add(event)
                _log.exception("%s of %s cannot be read", self._query.name, event)
            return None
        self._unreadable.discard(event)
        return body


def _snapshot(
    body: bytes, as_of: datetime, taken_at: float, revision: int | None, previous: Snapshot | None
) -> Snapshot:
    if previous is not None and previous.body == body:
        return previous._replace(as_of=as_of, taken_at=taken_at, revision=revision)
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if len(body) < _GZIP_BYTES_MIN:
        return Snapshot(body, None, etag, as_of, taken_at, revision)
    return Snapshot(body, gzip.compress(body, _GZIP_LEVEL, mtime=0), f"W/{etag}", as_of, taken_at, revision)
