"""The tickets that can be bought."""

import msgspec
from psycopg.rows import class_row, dict_row

from api import contract, queries
from api.db import Connection, Pool, Statement, run_together
from api.errors import UnknownEvent, UnknownTier


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
) -> list[contract.Ticket]:
    """Return the available tickets of an event, by id: those above `after`, at most `limit` (None: all).

    Raises:
        UnknownEvent, UnknownTier: there is none of that name.
    """
    parameters = {"event": event, "tier": tier, "limit": limit, "after": after}
    async with pool.connection() as connection:
        statement = Statement(queries.tickets.list_available, parameters, class_row(_TicketRow))
        (rows,) = await run_together(connection, [statement])
        if not rows:
            await _check_names(connection, event, tier)
    return [
        contract.Ticket(
            id=row.id,
            tier=row.tier,
            price=contract.to_major(row.price_minor, row.currency),
            row=row.row_label,
            seat=row.seat_number,
        )
        for row in rows
    ]


async def _check_names(connection: Connection, event: str, tier: str | None) -> None:
    """Tell an event or tier that does not exist from one that has nothing left."""
    statement = Statement(queries.tiers.find_tiers, {"events": [event], "tiers": [tier]}, dict_row)
    (rows,) = await run_together(connection, [statement])
    if not rows:
        raise UnknownEvent(f"There is no event {event!r}.")
    if tier is not None and rows[0]["tier"] is None:
        raise UnknownTier(f"The event has no tier {tier!r}.")
