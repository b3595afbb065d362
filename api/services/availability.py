"""Availability: what is left of each tier, answered from memory and never more than a second old.

Each process counts once for all who ask: at a fixed interval, and sooner after its own commits. An event is
counted as long as someone asks for it.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import psycopg

from api import contract, queries
from api.db import Pool, Statement, open_session
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


class _TierRow(msgspec.Struct, frozen=True):
    """A row of `availability.count_tickets`."""

    tier: str
    available: int
    total: int
    price_minor: int
    currency: str
    as_of: datetime


class Availability(NamedTuple):
    """An event's availability as it is sent."""

    body: bytes
    etag: str
    as_of: str
    """When the counts were true: RFC 3339 in UTC, by the database's clock."""
    counted_at: float
    """The same by this process's monotonic clock, in seconds, and never later than that."""


class AvailabilityCache:
    """The availability of the events that are asked for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, Availability] = {}
        self._asked_for: dict[str, float] = {}
        self._counting: dict[str, asyncio.Task[Availability]] = {}
        self._stale: set[str] = set()
        self._sold = asyncio.Event()

    async def get(self, event: str) -> Availability:
        """Return an event's availability, at most `AGE_MAX_S` old.

        Raises:
            UnknownEvent: there is no such event.
            Busy: the database does not answer.
        """
        now = time.monotonic()
        known = self._known.get(event)
        if known is None or now - known.counted_at >= AGE_MAX_S:
            known = await self._count(event)
        if time.monotonic() - known.counted_at >= AGE_MAX_S:  # Counting itself took too long.
            raise _away()
        self._asked_for[event] = now
        return known

    def changed(self, events: set[str]) -> None:
        """Note that this process has sold or freed tickets of these events: they are counted again at once."""
        self._stale |= events
        self._sold.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep what is asked for counted while the context lasts."""
        task = asyncio.create_task(self._refresh(), name="availability")
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
                    _log.exception("availability of %s could not be counted", event)
            rested_s = min(_REST_SHARE * (time.monotonic() - started), _INTERVAL_S)
            await asyncio.sleep(rested_s)

    def _forget(self, now: float) -> None:
        for event in [event for event, asked_at in self._asked_for.items() if now - asked_at > _ASKED_FOR_S]:
            del self._asked_for[event]
            self._known.pop(event, None)

    async def _count(self, event: str) -> Availability:
        """Count an event's tickets; whoever asks while that is under way waits for the same answer."""
        task = self._counting.get(event)
        if task is None:
            task = asyncio.create_task(self._count_now(event))
            self._counting[event] = task
            task.add_done_callback(lambda task: self._counted(event, task))
        # Not cancelled when it takes too long: a frozen server would not notice, and others may wait for it.
        await asyncio.wait([task], timeout=AGE_MAX_S)
        if not task.done():
            raise _away()
        return task.result()

    def _counted(self, event: str, task: "asyncio.Task[Availability]") -> None:
        del self._counting[event]
        if not task.cancelled():
            task.exception()  # Looked at, in case that nobody waits any more.

    async def _count_now(self, event: str) -> Availability:
        counted_at = time.monotonic()
        try:
            async with open_session(self._pool) as session:
                statement = Statement(queries.availability.count_tickets, {"event": event}, _TierRow)
                (rows,) = await session.run(statement)
        except psycopg.Error as error:
            _log.warning("availability of %s could not be counted: %s", event, error)
            raise _away() from error
        if not rows:
            self._known.pop(event, None)
            raise UnknownEvent(f"There is no event {event!r}.")
        availability = _encode(rows, counted_at)
        if len(self._known) < _EVENTS_MAX or event in self._known:
            self._known[event] = availability
            self._asked_for.setdefault(event, counted_at)
        return availability


def _away() -> Busy:
    return Busy("The box office does not answer at the moment: try again.", retry_after_s=1)


def _encode(rows: list[_TierRow], counted_at: float) -> Availability:
    tiers = {
        row.tier: contract.TierAvailability(
            available=row.available, total=row.total, price=contract.to_major(row.price_minor, row.currency)
        )
        for row in rows
    }
    body = msgspec.json.encode(tiers)
    digest = hashlib.blake2b(body, digest_size=12).hexdigest()
    as_of = rows[0].as_of.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Availability(body, f'"{digest}"', as_of, counted_at)
