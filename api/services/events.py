"""Events: their descriptions, times, tiers and sale states."""

import functools
import itertools
import logging
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from api import schemas
from api.database import queries
from api.database.decoding import is_readable
from api.database.pool import Pool
from api.money import currency_digits, to_major
from api.services.order_rules import OrderRules, OwnRules, take_own_rules
from api.services.snapshots import SnapshotCache

_log = logging.getLogger(__name__)

EVENTS_LISTED_MAX = 100
"""Number of events in the list."""

AnyEvent = TypeVar("AnyEvent", bound=schemas.Event)

_COLUMNS = [name for name in schemas.Event.__struct_fields__ if name not in {"price_from", "currency_digits"}]
"""The columns of `events.list_events` that are fields of the wire under the same names."""


class TierRow(msgspec.Struct, frozen=True):
    """A row of `events.list_events`: a tier and its event; `price_minor` in the currency's minor units.

    If no event matches the query, the only row has null in all columns but `as_of`.
    """

    event: dict[str, Any]
    """The values of `_COLUMNS`."""
    as_of: datetime
    tier: str
    price_minor: int
    total: int
    seated: bool
    available: bool
    own_rules: OwnRules
    event_rules: OwnRules

    @property
    def slug(self) -> str | None:
        """The event's slug, or None if no event matches the query."""
        slug: str | None = self.event["slug"]
        return slug

    @property
    def price(self) -> int | float:
        """The price in the currency's major unit."""
        return to_major(self.price_minor, self.event["currency"])


def _row(**columns: Any) -> TierRow:
    """Return a row from its columns by name."""
    event = {name: columns.pop(name) for name in _COLUMNS}
    event_rules, own_rules = take_own_rules(columns)
    return TierRow(event=event, own_rules=own_rules, event_rules=event_rules, **columns)


def event_list_cache(pool: Pool) -> SnapshotCache[TierRow]:
    """Return the cache of the list of events that have not begun, whose key is None."""
    return SnapshotCache(pool, queries.events.list_events, _row, _ListEncoder(), limit=EVENTS_LISTED_MAX)


def event_cache(pool: Pool, defaults: OrderRules) -> SnapshotCache[TierRow]:
    """Return the cache of single events with their tiers. `defaults` are the rules of events without their own."""
    encode = functools.partial(_encode_one, defaults)
    return SnapshotCache(pool, queries.events.list_events, _row, encode, limit=1)


class _ListEncoder:
    """Encodes the list, without the events that clients could not read. It logs each of these once."""

    def __init__(self) -> None:
        self._unreadable: set[str] = set()

    def __call__(self, rows: list[TierRow]) -> bytes:
        events: list[schemas.Event] = []
        unreadable: set[str] = set()
        for slug, group in itertools.groupby(rows, attrgetter("slug")):
            if slug is None:
                continue
            try:
                events.append(_checked(schemas.Event(**_fields(list(group)))))
            except Exception:  # noqa: BLE001 - no value of one event may hide the other events
                unreadable.add(slug)
                if slug not in self._unreadable:
                    _log.exception("Event %r is not listed, because a value of it cannot be read", slug)
        self._unreadable = unreadable
        return msgspec.json.encode(schemas.EventList(events=events))


def _encode_one(defaults: OrderRules, rows: list[TierRow]) -> bytes | None:
    first = rows[0]
    if first.slug is None:
        return None
    rules = OrderRules.of_event(first.event_rules, defaults)
    tiers = [
        schemas.Tier(
            name=row.tier,
            price=row.price,
            total=row.total,
            seated=row.seated,
            **msgspec.structs.asdict(OrderRules.of_tier(row.own_rules, rules)),
        )
        for row in rows
    ]
    details = schemas.EventDetails(**_fields(rows), **msgspec.structs.asdict(rules), tiers=tiers)
    return msgspec.json.encode(_checked(details))


def _fields(rows: Sequence[TierRow]) -> dict[str, Any]:
    """Return the fields of an event on the wire from the rows of its tiers."""
    event = rows[0].event
    return {**event, "currency_digits": currency_digits(event["currency"]), "price_from": _price_from(rows)}


def _checked(event: AnyEvent) -> AnyEvent:
    """Return an event whose values clients can read.

    Raises:
        ValueError: a time is out of range.
        msgspec.ValidationError: a value has another type than on the wire.
    """
    for name in event.__struct_fields__:
        if not is_readable(getattr(event, name)):
            raise ValueError(f"{name} is out of range")
    msgspec.json.decode(msgspec.json.encode(event), type=type(event))
    return event


def _price_from(rows: Sequence[TierRow]) -> int | float:
    """Return the price of the cheapest available tier, or of the cheapest tier if none is available."""
    return min([row for row in rows if row.available] or rows, key=attrgetter("price_minor")).price
