"""The available tickets of an event."""

import sys
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from api import schemas
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import UnknownEvent, UnknownTier
from api.money import to_major

PAGE_TICKETS = 2000
"""The number of tickets that one read returns and that take a few milliseconds to encode.

The process serves no other request while it encodes them.
"""


class _TicketRow(msgspec.Struct, frozen=True):
    """A row of `tickets.list_available`."""

    id: int
    tier: str
    price_minor: int
    currency: str
    row_label: str | None
    seat_number: int | None


async def list_tickets(
    pool: Pool, event: str, *, tier: str | None, limit: int | None, after: int
) -> AsyncIterator[list[schemas.Ticket]]:
    """Yield pages of an event's available tickets with ids above `after`, by id: at most `limit` tickets (None: all).

    All pages but the last are full, and the last may be empty. Each page is a statement of its own, and no connection
    is kept between two pages, so a slow client holds no connection.

    Raises:
        UnknownEvent: no event has this slug.
        UnknownTier: the event has no tier with this name.
    """
    left = sys.maxsize if limit is None else limit
    size = PAGE_TICKETS
    while size == PAGE_TICKETS:
        parameters = {"event": event, "tier": tier, "after": after, "limit": min(PAGE_TICKETS, left)}
        async with open_session(pool) as session:
            statement = Statement(queries.tickets.list_available, parameters, _TicketRow)
            rows = await session.run(statement)
            if not rows:
                await _check_names(session, event, tier)
        yield [_ticket(row) for row in rows]
        size = len(rows)
        left -= size
        after = rows[-1].id if rows else after


def _ticket(row: _TicketRow) -> schemas.Ticket:
    return schemas.Ticket(
        id=row.id,
        tier=row.tier,
        price=to_major(row.price_minor, row.currency),
        row=row.row_label,
        seat=row.seat_number,
    )


async def _check_names(session: Session, event: str, tier: str | None) -> None:
    """Check the names of an event and a tier that have no available tickets."""
    statement: Statement[dict[str, Any]] = Statement(
        queries.tiers.find_tiers, {"events": [event], "tiers": [tier], "ticket_ids": []}, dict
    )
    rows = await session.run(statement)
    if not rows:
        raise UnknownEvent(event)
    if tier is not None and rows[0]["tier"] is None:
        raise UnknownTier(tier)
