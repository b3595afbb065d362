"""What changes all the time and many ask for: answered from memory and never more than a second old.

Each process counts once for all who ask: at a fixed interval, and sooner after its own commits. What is asked for,
such as an event's availability, is counted as long as someone asks for it.
"""

import asyncio
import contextlib
import gzip
import hashlib
import logging
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
"""Older counts are not given out."""
_INTERVAL_S = 0.4
"""Time between two counts: two may fail or be late before what is known is too old."""
_REST_SHARE = 19
"""Between two counts as many times as long passes as the last one took, up to the interval: under a rush of
commits counting takes a twentieth of the time, however many there are."""
_ASKED_FOR_S = 60
"""For how long after it was asked for an event goes on being counted."""
_EVENTS_MAX = 1000
"""Events counted at once; of others each request counts anew."""
_GZIP_BYTES_MIN = 1000
"""Smaller bodies gain nothing from gzip."""
_GZIP_LEVEL = 6

Event = str | None
"""The event that is counted, by its slug; None: all of them."""


class Snapshot(NamedTuple):
    """What was counted as it is sent."""

    body: bytes
    gzipped: bytes | None
    """The same compressed, once for all who take it so; None: that would gain nothing."""
    etag: str
    """Weak where there are two forms of the body."""
    as_of: datetime
    """The database's time of the snapshot."""
    counted_at: float
    """The same by this process's monotonic clock, in seconds, and never later than that."""


class LiveRow(Protocol):
    """A row that says when it was true."""

    @property
    def as_of(self) -> datetime:
        """When the statement began."""


Row = TypeVar("Row", bound=LiveRow)


class SnapshotCache(Generic[Row]):
    """What a statement counts of the events that are asked for.

    The statement has a parameter `event` beside the `parameters`. `encode` makes a body of its rows, or None where
    they tell that there is no such event, as it does if there are none.
    """

    def __init__(
        self,
        pool: Pool,
        query: Query,
        row: Callable[..., Row],
        encode: Callable[[list[Row]], bytes | None],
        **parameters: Any,
    ) -> None:
        self._pool = pool
        self._query = query
        self._row = row
        self._encode = encode
        self._parameters = parameters
        self._known: dict[Event, Snapshot] = {}
        self._asked_for: dict[Event, float] = {}
        self._counting: dict[Event, asyncio.Task[Snapshot]] = {}
        self._stale: set[Event] = set()
        self._sold = asyncio.Event()

    async def get(self, event: Event) -> Snapshot:
        """Return what is counted of an event, at most `AGE_MAX_S` old.

        Raises:
            UnknownEvent: there is no such event.
            Busy: the database does not answer.
        """
        now = time.monotonic()
        known = self._known.get(event)
        if known is None or now - known.counted_at >= AGE_MAX_S:
            known = await self._count(event)
        if time.monotonic() - known.counted_at >= AGE_MAX_S:  # Counting itself took too long.
            raise Busy()
        self._asked_for[event] = now
        return known

    def invalidate(self, events: set[str]) -> None:
        """Note that this process has sold or freed tickets of these events: they are counted again at once."""
        self._stale |= events
        self._sold.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep what is asked for counted while the context lasts."""
        task = asyncio.create_task(self._refresh(), name=self._query.name)
        try:
            yield
        finally:
            for each in (task, *self._counting.values()):
                each.cancel()
            await asyncio.gather(task, *self._counting.values(), return_exceptions=True)

    async def _refresh(self) -> None:
        rested_s = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sold.wait(), _INTERVAL_S - rested_s)
            self._sold.clear()
            # A count that began before the sale does not know of it.
            await asyncio.gather(*self._counting.values(), return_exceptions=True)
            started = time.monotonic()
            self._forget(started)
            due = [
                event
                for event, known in self._known.items()
                if event in self._stale or started - known.counted_at >= _INTERVAL_S / 2
            ]
            self._stale.clear()
            for event in due:
                # Who asks meanwhile has the last counts until they are too old, and then the error.
                try:
                    await self._count(event)
                except (Busy, UnknownEvent):
                    continue
                except Exception:  # noqa: BLE001 - one bad count must not end the counting for good
                    _log.exception("%s of %s failed", self._query.name, event)
            rested_s = min(_REST_SHARE * (time.monotonic() - started), _INTERVAL_S)
            await asyncio.sleep(rested_s)

    def _forget(self, now: float) -> None:
        for event in [event for event, asked_at in self._asked_for.items() if now - asked_at > _ASKED_FOR_S]:
            del self._asked_for[event]
            self._known.pop(event, None)

    async def _count(self, event: Event) -> Snapshot:
        """Count an event; whoever asks while that is under way waits for the same answer."""
        task = self._counting.get(event)
        if task is None:
            task = asyncio.create_task(self._count_now(event))
            self._counting[event] = task
            task.add_done_callback(lambda task: self._counted(event, task))
        # Not cancelled when it takes too long: a frozen server would not notice, and others may wait for it.
        await asyncio.wait([task], timeout=AGE_MAX_S)
        if not task.done():
            raise Busy()
        return task.result()

    def _counted(self, event: Event, task: "asyncio.Task[Snapshot]") -> None:
        del self._counting[event]
        if not task.cancelled():
            task.exception()  # Looked at, in case that nobody waits any more.

    async def _count_now(self, event: Event) -> Snapshot:
        counted_at = time.monotonic()
        try:
            async with open_session(self._pool) as session:
                statement = Statement(self._query, {"event": event, **self._parameters}, self._row)
                rows = await session.run(statement)
        except psycopg.Error as error:
            _log.warning("%s of %s failed: %s", self._query.name, event, error)
            raise Busy() from error
        body = self._encode(rows) if rows else None
        if body is None:
            self._known.pop(event, None)
            raise UnknownEvent(event)
        counted = _as_sent(body, rows[0].as_of, counted_at, self._known.get(event))
        if len(self._known) < _EVENTS_MAX or event in self._known:
            self._known[event] = counted
            self._asked_for.setdefault(event, counted_at)
        return counted


def _as_sent(body: bytes, as_of: datetime, counted_at: float, before: Snapshot | None) -> Snapshot:
    if before is not None and before.body == body:
        return before._replace(as_of=as_of, counted_at=counted_at)
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    if len(body) < _GZIP_BYTES_MIN:
        return Snapshot(body, None, etag, as_of, counted_at)
    return Snapshot(body, gzip.compress(body, _GZIP_LEVEL, mtime=0), f"W/{etag}", as_of, counted_at)
