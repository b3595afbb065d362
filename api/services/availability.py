"""Availability: the counts of each tier."""

from datetime import datetime
from operator import attrgetter

import msgspec

from api import schemas
from api.database import queries
from api.database.pool import Pool
from api.money import to_major
from api.services.snapshots import SnapshotCache


class TierRow(msgspec.Struct, frozen=True):
    """A row of `availability.count_tickets`; `price_minor` in the currency's minor units."""

    tier: str
    available: int
    total: int
    price_minor: int
    currency: str
    revision: int
    as_of: datetime


def availability_cache(pool: Pool) -> SnapshotCache[TierRow]:
    """Return the cache of the availability of events."""
    return SnapshotCache(pool, queries.availability.count_tickets, TierRow, _encode, revision=attrgetter("revision"))


def _encode(rows: list[TierRow]) -> bytes:
    return msgspec.json.encode(
        {
            row.tier: schemas.TierAvailability(
                available=row.available, total=row.total, price=to_major(row.price_minor, row.currency)
            )
            for row in rows
        }
    )
