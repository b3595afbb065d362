"""Ticket states: the held tickets of each tier and the state of each seat."""

from datetime import datetime
from operator import attrgetter

import msgspec

from api import schemas
from api.database import queries
from api.database.pool import Pool
from api.services.snapshots import SnapshotCache


class StateRow(msgspec.Struct, frozen=True):
    """A row of `states.list_states`: a row of seats, or a tier without seats, in which `row_label` is None."""

    tier: str
    held: int
    held_until: datetime | None
    row_label: str | None
    ids: list[int]
    numbers: list[int]
    states: str
    revision: int
    as_of: datetime


def states_cache(pool: Pool, *, seats_max: int) -> SnapshotCache[StateRow]:
    """Return the cache of the ticket states of events. An event with more than `seats_max` seats has no seat rows."""
    return SnapshotCache(
        pool, queries.states.list_states, StateRow, _encode, revision=attrgetter("revision"), seats_max=seats_max
    )


def _encode(rows: list[StateRow]) -> bytes:
    tiers = {row.tier: schemas.TierState(held=row.held, held_until=row.held_until) for row in rows}
    seats = [
        schemas.SeatRow(tier=row.tier, row=row.row_label, ids=row.ids, numbers=row.numbers, states=row.states)
        for row in rows
        if row.row_label is not None
    ]
    return msgspec.json.encode(schemas.TicketStates(tiers=tiers, rows=seats))
