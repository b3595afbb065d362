"""Messages about orders that reached nobody: their list for the box office, and another attempt."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import UnknownEvent
from api.services.mail.outbox import Kind, Outcome
from api.services.short_reference import order_id_of

_PAGE = 1000
"""Messages that one statement lists or queues."""


class Undelivered(msgspec.Struct, frozen=True):
    """A row of `undelivered.list_undelivered`: the last message about an order."""

    id: int
    order_id: int
    event: str
    recipient: str
    kind: Kind
    status: Outcome
    created_at: datetime
    last_error: str | None


class Selection(msgspec.Struct, frozen=True):
    """The orders to consider: those of an event, or the one with a reference or a short reference; None: all."""

    event: str | None = None
    order: str | None = None


async def list_undelivered(pool: Pool, selection: Selection) -> AsyncIterator[Undelivered]:
    """Yield the messages that reached nobody, the oldest first.

    Raises:
        UnknownEvent: no event has this slug.
    """
    await _check_event(pool, selection)
    after = 0
    while True:
        async with open_session(pool) as session:
            page = await _list(session, selection, after)
        for message in page:
            yield message
        if len(page) < _PAGE:
            return
        after = page[-1].id


async def resend(pool: Pool, settings: Settings, selection: Selection) -> int:
    """Queue the messages again that reached nobody, to the same addresses; return their number.

    A message that is queued again is no longer undelivered, so that a repeat queues it once more only if it fails.

    Raises:
        UnknownEvent: no event has this slug.
        psycopg.Error: the messages of the last page are not queued.
        CommitUnknownError: they may be queued. A repeat is safe.
    """
    await _check_event(pool, selection)
    queued = after = 0
    while page := await _resend_page(pool, settings, selection, after):
        queued += len(page)
        after = page[-1].id
    return queued


async def _resend_page(pool: Pool, settings: Settings, selection: Selection, after: int) -> Sequence[Undelivered]:
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(Statement(queries.undelivered.lock_resending, {}))
        page = await _list(session, selection, after)
        if page:
            parameters = {"ids": [message.id for message in page], "domain": settings.mail_domain}
            await session.run(Statement(queries.undelivered.insert_again, parameters))
    return page


async def _list(session: Session, selection: Selection, after: int) -> Sequence[Undelivered]:
    parameters = {
        "event": selection.event,
        "search": selection.order,
        "order_id": None if selection.order is None else order_id_of(selection.order),
        "after": after,
        "limit": _PAGE,
    }
    return await session.run(Statement(queries.undelivered.list_undelivered, parameters, Undelivered))


async def _check_event(pool: Pool, selection: Selection) -> None:
    if selection.event is None:
        return
    async with open_session(pool) as session:
        if not await session.run(Statement(queries.grants.find_event, {"event": selection.event})):
            raise UnknownEvent(selection.event)
