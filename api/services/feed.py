"""The feed of order events: readers handle every entry of the history, in the order of its transactions.

A reader has a cursor `(xact, id)` in the table `feeds`. It reads only entries of transactions that are older than every
open one. So no entry can appear behind the cursor later, although transactions draw ids in another order than they
commit. The handler's changes and the new cursor are one transaction, so that a crash loses and repeats no entry. A
failover has the same guarantee, because a standby gets the entries before the cursor.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec
from psycopg import IsolationLevel

from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import SetupError
from api.services.isolation import ROW_ERRORS

_log = logging.getLogger(__name__)


class FeedEvent(msgspec.Struct, frozen=True):
    """A row of `feeds.read_events`: a change of an order, its payment or its event."""

    id: int
    xact: str
    """Transaction that wrote the entry; a number of 64 bits."""
    order_id: int
    subject: str
    previous: str | None
    """Previous state; None: the order is new."""
    status: str
    reason: str | None
    created_at: datetime


Handler = Callable[[Session, Sequence[FeedEvent]], Awaitable[None]]
"""Handles entries within the transaction that moves the cursor. It must not read or write anything else."""


class _State(msgspec.Struct, frozen=True):
    """A row of `feeds.inspect_feed`."""

    has_events: bool
    system_identifier: int | None


class _Cursor(msgspec.Struct, frozen=True):
    """A row of `feeds.lock_feed`."""

    xact: str
    id: int


async def read_feed(pool: Pool, name: str, limit: int, handle: Handler) -> int:
    """Handle at most `limit` entries of a feed; return their number. A migration has created the feed.

    The result is 0 while another worker reads the feed. If a batch fails because of a row, its entries are handled
    singly. An entry that fails alone is logged and skipped, because it would block all later ones.

    Raises:
        SetupError: the database was restored from a dump, so that its transaction ids have lost their order.
        psycopg.OperationalError: the database is unavailable, or another transaction conflicts.
    """
    async with open_session(pool) as session:
        (state,) = await session.run(Statement(queries.feeds.inspect_feed, {"name": name}, _State))
        _check_cluster(session, state.system_identifier)
    if not state.has_events:
        return 0
    try:
        return await _read(pool, name, limit, handle)
    except ROW_ERRORS:
        return await _read_singly(pool, name, limit, handle)


async def _read(pool: Pool, name: str, limit: int, handle: Handler) -> int:
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        cursors = await session.run(Statement(queries.feeds.lock_feed, {"name": name}, _Cursor))
        if not cursors:
            return 0
        (cursor,) = cursors
        parameters = {"xact": cursor.xact, "id": cursor.id, "limit": limit}
        events = await session.run(Statement(queries.feeds.read_events, parameters, FeedEvent))
        if not events:
            return 0
        await handle(session, events)
        last = events[-1]
        moved = {"name": name, "xact": last.xact, "id": last.id, "system_identifier": _cluster(session)}
        await session.run(Statement(queries.feeds.move_cursor, moved, affects=1))
    return len(events)


def _cluster(session: Session) -> int | None:
    """Return the identifier of the server's database cluster; None: the server does not reveal it."""
    return session.server[0] if session.server else None


def _check_cluster(session: Session, of_cursor: int | None) -> None:
    """Refuse the transaction ids of another database cluster.

    Raises:
        SetupError: the cursor is from another cluster.
    """
    if None not in (present := _cluster(session), of_cursor) and present != of_cursor:
        raise SetupError(
            "The history has the transaction ids of another server: run `make migrate` to number it again."
        )


async def _read_singly(pool: Pool, name: str, limit: int, handle: Handler) -> int:
    handled = 0
    while handled < limit and await _read_one(pool, name, handle):
        handled += 1
    return handled


async def _read_one(pool: Pool, name: str, handle: Handler) -> int:
    """Handle the next entry, or log and skip it if it fails; return the number of entries, which is 0 or 1."""
    tried: list[FeedEvent] = []

    async def attempt(session: Session, events: Sequence[FeedEvent]) -> None:
        tried[:] = events
        await handle(session, events)

    async def skip(session: Session, events: Sequence[FeedEvent]) -> None:
        if list(events) != tried:  # Another worker has moved the cursor behind the failed entry.
            await handle(session, events)
            return
        _log.exception("Entry %s of the history cannot be handled, and the others continue", events[0].id)

    try:
        return await _read(pool, name, 1, attempt)
    except ROW_ERRORS:
        return await _read(pool, name, 1, skip)
