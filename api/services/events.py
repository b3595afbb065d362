"""Events: what is on, when and where, and whether it can be bought."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Literal

import msgspec

from api import schemas
from api.database import queries
from api.database.pool import Pool
from api.services.snapshots import SnapshotCache

EVENTS_LISTED_MAX = 100
"""The most events that are listed at once."""


class EventRow(msgspec.Struct, frozen=True):
    """A row of `events.list_events`: a tier with its event. Where there is none, all but `as_of` is None."""

    as_of: datetime
    slug: str | None
    name: str
    venue: str
    description: str
    time_zone: str
    starts_at: datetime
    sales_start_at: datetime
    sales_end_at: datetime | None
    currency: str
    tier: str
    price_minor: int
    total: int
    seated: bool
    available: bool
    state: Literal["on_sale", "upcoming", "sold_out", "ended", "cancelled"]


def event_list_cache(pool: Pool) -> SnapshotCache[EventRow]:
    """Return the list of events that have not begun; it is got under None."""
    return SnapshotCache(pool, queries.events.list_events, EventRow, _encode_list, limit=EVENTS_LISTED_MAX)


def event_cache(pool: Pool) -> SnapshotCache[EventRow]:
    """Return the events that are asked for, with their tiers."""
    return SnapshotCache(pool, queries.events.list_events, EventRow, _encode_one, limit=1)


def _encode_list(rows: list[EventRow]) -> bytes:
    events = [_event(list(tiers)) for slug, tiers in itertools.groupby(rows, attrgetter("slug")) if slug is not None]
    return msgspec.json.encode(schemas.EventList(events=events))


def _encode_one(rows: list[EventRow]) -> bytes | None:
    if rows[0].slug is None:
        return None
    tiers = [
        schemas.Tier(
            name=row.tier,
            price=schemas.to_major(row.price_minor, row.currency),
            total=row.total,
            seated=row.seated,
        )
        for row in rows
    ]
    return msgspec.json.encode(schemas.EventDetails(**msgspec.structs.asdict(_event(rows)), tiers=tiers))


def _event(rows: Sequence[EventRow]) -> schemas.Event:
    """Return the event of these tiers."""
    first = rows[0]
    left = [row.price_minor for row in rows if row.available] or [row.price_minor for row in rows]
    return schemas.Event(
        slug=first.slug or "",
        name=first.name,
        venue=first.venue,
        description=first.description,
        starts_at=first.starts_at,
        time_zone=first.time_zone,
        sales_start_at=first.sales_start_at,
        sales_end_at=first.sales_end_at,
        currency=first.currency,
        state=first.state,
        price_from=schemas.to_major(min(left), first.currency),
    )
