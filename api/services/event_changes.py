"""Changes of events: each order with tickets gets an entry in its history, which the feed announces by e-mail.

A trigger records the details of an event before a change, whoever makes it. The worker waits for
`EVENT_CHANGE_DELAY_S`, so that several changes within a short time are one. Then it appends the entries in batches.
Each batch and its cursor are one transaction, so that a crash loses and repeats no entry.
"""

import logging
from collections.abc import Sequence

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.services.isolation import RETRY_PAUSE_MAX_S, RETRY_PAUSE_S, ROW_ERRORS

_log = logging.getLogger(__name__)

_BATCH = 1000
"""Orders that one transaction notifies."""
_SCANNED_MAX = 10_000
"""Orders of any event that one transaction reads, so that its time does not depend on the number of orders."""


class _Change(msgspec.Struct, frozen=True):
    """A row of `event_changes.claim_change`."""

    id: int
    last_order_id: int
    has_begun: bool


class _Batch(msgspec.Struct, frozen=True):
    """A row of `event_changes.insert_entries`."""

    last_order_id: int
    """The new cursor."""
    finished: bool


class _Concern(msgspec.Struct, frozen=True):
    """A row of `event_changes.concerns_buyers`."""

    concerns: bool


async def note_event_changes(pool: Pool, settings: Settings) -> int:
    """Append a batch of entries about a change of an event; return 0 if nothing is left to do now.

    A change that fails is postponed, so that later changes do not wait for it.
    """
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        await connection.execute(queries.event_changes.mark_seen.sql)
    changes: Sequence[_Change] = []
    try:
        async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
            parameters = {"delay_s": settings.event_change_delay_s}
            changes = await session.run(Statement(queries.event_changes.claim_change, parameters, _Change))
            for change in changes:
                await _append(session, change)
    except ROW_ERRORS:
        for change in changes:
            _log.exception("Change %d of an event cannot be announced, and the others continue", change.id)
            await _postpone(pool, change.id)
    return len(changes)


async def _postpone(pool: Pool, change_id: int) -> None:
    parameters = {"change_id": change_id, "pause_s": RETRY_PAUSE_S, "pause_max_s": RETRY_PAUSE_MAX_S}
    async with open_session(pool) as session:
        await session.run(Statement(queries.event_changes.postpone_change, parameters))


async def _append(session: Session, change: _Change) -> None:
    """Append the next entries about a claimed change. A change that was undone in time has none."""
    batch = _Batch(change.last_order_id, finished=True)
    if not change.has_begun and await _concerns_buyers(session, change.id):
        ((cursor,),) = await session.run(Statement(queries.event_changes.find_start, {"change_id": change.id}))
        batch = await _insert_entries(session, change.id, cursor)
    elif change.has_begun:
        batch = await _insert_entries(session, change.id, change.last_order_id)
    moved = {"change_id": change.id, "last_order_id": batch.last_order_id, "finished": batch.finished}
    await session.run(Statement(queries.event_changes.move_cursor, moved, affects=1))


async def _insert_entries(session: Session, change_id: int, cursor: int) -> _Batch:
    parameters = {"change_id": change_id, "cursor": cursor, "limit": _BATCH, "scanned": _SCANNED_MAX}
    (batch,) = await session.run(Statement(queries.event_changes.insert_entries, parameters, _Batch))
    return batch


async def _concerns_buyers(session: Session, change_id: int) -> bool:
    (row,) = await session.run(Statement(queries.event_changes.concerns_buyers, {"change_id": change_id}, _Concern))
    return row.concerns
