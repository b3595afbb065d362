"""`python -m api seed`: creates events with their tiers and tickets.

The defaults are three events at one venue. The built-in event is on sale, the second is sold out, and the third is not
yet on sale. `--event SLUG --inventory "VIP=100,GA=1000"` creates others. Further arguments are the rules for the orders
of such an event.
"""

import contextlib
import itertools
import re
import string
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from psycopg.rows import TupleRow

from api import schemas
from api.database import queries
from api.database.migrations import connect, unlimited_transaction
from api.errors import ConfigError
from api.services.bookings.model import Item, NewOrder
from api.services.order_rules import NO_RULES, OwnRules

TIER_TICKETS_MAX = 5_000_000
"""The most tickets of one tier that can be seeded."""
TIER_NAME_MAX = 100
"""The maximum length of a tier's name, in characters."""
_ROW_LABEL_MAX = 3
"""The maximum length of a row's label, in letters."""
_SLUG = re.compile(schemas.SLUG_PATTERN)
_VENUE = "Harbour Hall"
_ADDRESS = "12 Quay Street, New York, NY 10004, USA"
_ZONE = ZoneInfo("America/New_York")
"""The venue's time zone."""
_CURRENCY = "USD"
_TICKETS_PER_ORDER = 4
"""Tickets of each order of the sold-out event; a tier's last order may have fewer."""


class TierPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A tier to create.

    `price_minor` is in the currency's minor unit. A tier with `seats_per_row` 0 is standing.
    """

    name: str
    capacity: int
    price_minor: int
    seats_per_row: int = 0
    rules: OwnRules = NO_RULES

    @property
    def rows(self) -> int:
        """Return the number of rows of seats."""
        return -(-self.capacity // self.seats_per_row) if self.seats_per_row else 0

    @property
    def last_position(self) -> int:
        """Return the highest position. One position between two rows stays unused."""
        return self.capacity + max(self.rows - 1, 0)


DEFAULT_INVENTORY = (
    TierPlan(name="VIP", capacity=100, price_minor=10_000, seats_per_row=20),
    TierPlan(name="Front Row", capacity=200, price_minor=5_000, seats_per_row=20),
    TierPlan(name="GA", capacity=1_000, price_minor=1_000),
)


class EventPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An event to create.

    If `doors_at` is None, no time is announced for the doors. If `sales_start_at` is None, the sale starts at once.
    `sold` creates orders for every ticket.
    """

    slug: str
    name: str
    description: str = ""
    doors_at: datetime | None = None
    starts_at: datetime
    sales_start_at: datetime | None = None
    inventory: tuple[TierPlan, ...] = DEFAULT_INVENTORY
    rules: OwnRules = NO_RULES
    sold: bool = False


DEFAULT_EVENTS = (
    EventPlan(
        slug=schemas.BUILT_IN_EVENT,
        name="Aurora Sessions",
        description="One night of strings, synths and northern light, live by the water.",
        doors_at=datetime(2027, 6, 18, 19, 0, tzinfo=_ZONE),
        starts_at=datetime(2027, 6, 18, 20, 0, tzinfo=_ZONE),
    ),
    EventPlan(
        slug="small-hours",
        name="Small Hours",
        description="Four voices and an upright bass, unamplified, for a house of sixty.",
        doors_at=datetime(2027, 4, 9, 20, 0, tzinfo=_ZONE),
        starts_at=datetime(2027, 4, 9, 21, 0, tzinfo=_ZONE),
        inventory=(
            TierPlan(name="Front Row", capacity=20, price_minor=4_500, seats_per_row=10),
            TierPlan(name="GA", capacity=40, price_minor=2_500),
        ),
        sold=True,
    ),
    EventPlan(
        slug="winterlight",
        name="Winterlight",
        description="Choir, brass and a single piano, by candlelight on the longest night of the year.",
        doors_at=datetime(2027, 12, 21, 18, 30, tzinfo=_ZONE),
        starts_at=datetime(2027, 12, 21, 19, 30, tzinfo=_ZONE),
        sales_start_at=datetime(2027, 10, 1, 10, 0, tzinfo=_ZONE),
        inventory=(
            TierPlan(name="VIP", capacity=60, price_minor=12_000, seats_per_row=20),
            TierPlan(name="Front Row", capacity=120, price_minor=6_500, seats_per_row=20),
            TierPlan(name="GA", capacity=600, price_minor=1_500),
        ),
    ),
)
"""The default events; the first one is the built-in event."""

_JOINER = re.compile(
    r"(?<=[^\s!-~\u200c\u200d])[\u200c\u200d](?=[^\s\u200c\u200d])"
    r"|(?<=[^\s\u200c\u200d])[\u200c\u200d](?=[^\s!-~\u200c\u200d])"
)
"""A joiner within a word or an emoji, as the database's `is_displayable` permits it."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufffc\ufffd\U000e0100-\U000e01ef]"
    r"|(?:^|[\s\u200c\u200d])[\ufe00-\ufe0f]"
)
"""The characters that are printable for Python but not displayable for `is_displayable`.

A variation selector is refused unless it follows a visible character.
"""
_SIZE = re.compile(r"[0-9]{1,7}")

_UNKNOWN_TIER = TierPlan(name="", capacity=1, price_minor=1_000)


def parse_inventory(text: str) -> tuple[TierPlan, ...]:
    """Parse tier sizes such as `VIP=100,GA=1000`. An unknown tier is standing and costs $10.

    Raises:
        ConfigError: the text has another form or a size out of range.
    """
    built_in = {plan.name: plan for plan in DEFAULT_INVENTORY}
    plans: dict[str, TierPlan] = {}
    for part in unicodedata.normalize("NFC", text).split(","):
        name, _, size = (piece.strip() for piece in part.rpartition("="))
        visible = _JOINER.sub("", name).isprintable() and not _UNSEEN.search(name)
        named = 1 <= len(name) <= TIER_NAME_MAX and visible and name not in plans
        if not named or not _SIZE.fullmatch(size) or not 1 <= int(size) <= TIER_TICKETS_MAX:
            raise ConfigError(
                f"--inventory {text!r} cannot be read at {part.strip()!r}: it must be NAME=TICKETS,..., each "
                f"name once and 1 to {TIER_TICKETS_MAX} tickets."
            )
        plans[name] = msgspec.structs.replace(built_in.get(name, _UNKNOWN_TIER), name=name, capacity=int(size))
    return tuple(plans.values())


def row_labels(first: int, rows: int) -> list[str]:
    """Return labels for `rows` rows after the `first` ones: A to Z, AA to ZZ, AAA to ZZZ.

    Raises:
        ConfigError: the event has more rows than there are labels.
    """
    letters = (itertools.product(string.ascii_uppercase, repeat=length) for length in range(1, _ROW_LABEL_MAX + 1))
    labels = ["".join(label) for label in itertools.chain.from_iterable(letters)]
    if first + rows > len(labels):
        raise ConfigError(
            f"The event would have {first + rows} rows of seats: an event can have {len(labels)}, A to {labels[-1]}."
        )
    return labels[first : first + rows]


def seed(
    conninfo: str,
    *,
    event: str = schemas.BUILT_IN_EVENT,
    inventory: tuple[TierPlan, ...] | None = None,
    rules: OwnRules = NO_RULES,
) -> int:
    """Create the missing parts of an event: itself, its tiers and their tickets; return the number of new tickets.

    Without an inventory a default event has the tiers of its plan, and any other event has `DEFAULT_INVENTORY`. The
    tickets of a given inventory are available. An existing tier stays as it is, even if its size differs. Repeated and
    concurrent calls are harmless.

    Raises:
        ConfigError: the slug or a rule is not allowed, the event exists with other rules, or it has more rows of seats
            than there are labels.
    """
    if len(event) > schemas.SLUG_MAX or not _SLUG.fullmatch(event):
        raise ConfigError(
            f"--event {event!r} is not allowed: it must be small letters, digits and single hyphens, such as "
            f"new-year-2027, at most {schemas.SLUG_MAX} characters."
        )
    name = event.replace("-", " ").title()
    other = EventPlan(slug=event, name=name, starts_at=DEFAULT_EVENTS[0].starts_at)
    plan = next((default for default in DEFAULT_EVENTS if default.slug == event), other)
    if inventory is not None:
        plan = msgspec.structs.replace(plan, inventory=inventory, sold=False)
    if rules.allow_no_order():
        raise ConfigError(f"--tickets-min {rules.tickets_min} is above --tickets-max or --tickets-per-buyer.")
    if rules != NO_RULES:
        plan = msgspec.structs.replace(plan, rules=rules)
    return _create(conninfo, [plan])[event]


def seed_default(conninfo: str) -> dict[str, int]:
    """Create the missing parts of the default events; return the number of new tickets by event slug."""
    return _create(conninfo, DEFAULT_EVENTS)


def seed_if_empty(conninfo: str) -> int:
    """Create the default events in a database without events; return the number of new tickets."""
    with connect(conninfo) as connection:
        (found,) = connection.execute(queries.events.event_exists.sql).fetchone() or (False,)
    return 0 if found else sum(seed_default(conninfo).values())


def _create(conninfo: str, events: Sequence[EventPlan]) -> dict[str, int]:
    """Create the missing parts of events, each event in one transaction; return the number of new tickets of each."""
    created = {}
    with connect(conninfo) as connection:
        for event in events:
            with unlimited_transaction(connection):
                created[event.slug] = sum(plan.capacity for plan in _insert_missing(connection, event))
        if any(created.values()):
            # VACUUM ANALYZE updates the planner's statistics for the new tickets. It also enables index-only scans for
            # the counts.
            with contextlib.suppress(psycopg.errors.QueryCanceled):  # The role's time limit applies to VACUUM.
                connection.execute("vacuum (analyze) tickets")
    return created


def _insert_missing(connection: psycopg.Connection[TupleRow], event: EventPlan) -> list[TierPlan]:
    """Create an event unless it exists, and its missing tiers; return the new tiers."""
    details = {
        "slug": event.slug,
        "name": event.name,
        "venue": _VENUE,
        "address": _ADDRESS,
        "description": event.description,
        "time_zone": _ZONE.key,
        "doors_at": event.doors_at,
        "starts_at": event.starts_at,
        "sales_start_at": event.sales_start_at,
        "currency": _CURRENCY,
        **msgspec.structs.asdict(event.rules),
    }
    connection.execute(queries.events.upsert_event.sql, details)
    event_id, *rules = connection.execute(queries.events.lock_event.sql, {"slug": event.slug}).fetchone() or (0,)
    if event.rules != NO_RULES and list(msgspec.structs.astuple(event.rules)) != rules:
        raise ConfigError(
            f"Event {event.slug} exists with other rules. Change its columns "
            f"{', '.join(OwnRules.__struct_fields__)} in the table events."
        )
    (next_row,) = connection.execute(queries.tiers.count_rows.sql, {"event_id": event_id}).fetchone() or (0,)
    inserted = connection.execute(
        queries.tiers.insert_tiers.sql,
        {
            "event_id": event_id,
            "names": [plan.name for plan in event.inventory],
            "prices_minor": [plan.price_minor for plan in event.inventory],
            "seated": [plan.seats_per_row > 0 for plan in event.inventory],
            "capacities": [plan.capacity for plan in event.inventory],
            "last_positions": [plan.last_position for plan in event.inventory],
            **{rule: [getattr(plan.rules, rule) for plan in event.inventory] for rule in OwnRules.__struct_fields__},
        },
    ).fetchall()
    tier_ids = {name: tier_id for tier_id, name in inserted}
    plans = [plan for plan in event.inventory if plan.name in tier_ids]
    for plan in plans:
        values = {"event_id": event_id, "tier_id": tier_ids[plan.name], "capacity": plan.capacity}
        if plan.rows:
            seats = {"seats_per_row": plan.seats_per_row, "row_labels": row_labels(next_row, plan.rows)}
            connection.execute(queries.tickets.insert_seated_tickets.sql, values | seats)
            next_row += plan.rows
        else:
            connection.execute(queries.tickets.insert_standing_tickets.sql, values)
        if event.sold:
            _sell(connection, event, event_id, plan, tier_ids[plan.name])
    return plans


def _sell(
    connection: psycopg.Connection[TupleRow], event: EventPlan, event_id: int, plan: TierPlan, tier_id: int
) -> None:
    """Sell every ticket of a new tier through confirmed and paid orders."""
    claim = {"tier_id": tier_id, "start": 1, "quantity": plan.capacity}
    found = connection.execute(queries.tickets.claim_standing.sql, claim).fetchall()
    tickets = [ticket_id for ticket_id, *_ in found]
    baskets = [tickets[first : first + _TICKETS_PER_ORDER] for first in range(0, len(tickets), _TICKETS_PER_ORDER)]
    start = {
        "references": [],
        "tier_ids": [],
        "event_ids": [],
        "revisions": [],
        "updated_at": [],
        "orders": len(baskets),
        "bookings": len(tickets),
    }
    *_, order_ids, booking_ids = connection.execute(queries.orders.start_batch.sql, start).fetchone() or ([], [])
    _insert_paid_orders(connection, event, event_id, plan, dict(zip(order_ids, map(len, baskets), strict=True)))
    connection.execute(
        queries.bookings.insert_bookings.sql,
        {
            "ids": booking_ids,
            "order_ids": [order_id for order_id, basket in zip(order_ids, baskets, strict=True) for _ in basket],
            "lines": [line for basket in baskets for line, _ in enumerate(basket, start=1)],
            "ticket_ids": tickets,
            "tier_ids": [tier_id] * len(tickets),
            "prices_minor": [plan.price_minor] * len(tickets),
        },
    )
    connection.execute(queries.tickets.take_tickets.sql, {"ctids": [ctid for *_, ctid in found], "held_until": None})


def _insert_paid_orders(
    connection: psycopg.Connection[TupleRow],
    event: EventPlan,
    event_id: int,
    plan: TierPlan,
    quantities: dict[int, int],
) -> None:
    """Insert confirmed orders of a tier with their payments; `quantities` are their tickets by the order's id."""
    orders = [
        NewOrder(
            reference=f"{event.slug}-{order_id}",
            event=event.slug,
            items=(Item(tier=plan.name, quantity=quantity),),
            user_id=f"guest-{order_id}",
        )
        for order_id, quantity in quantities.items()
    ]
    totals = [plan.price_minor * quantity for quantity in quantities.values()]
    connection.execute(
        queries.orders.insert_orders.sql,
        {
            "ids": [*quantities],
            "event_ids": [event_id] * len(orders),
            "references": [order.reference for order in orders],
            "user_ids": [order.user_id for order in orders],
            "limit_keys": [None] * len(orders),
            "request_digests": [order.digest for order in orders],
            "statuses": ["confirmed"] * len(orders),
            "quantities": [order.quantity for order in orders],
            "totals_minor": totals,
            "currencies": [_CURRENCY] * len(orders),
            "expires_at": [None] * len(orders),
            "client_hashes": [None] * len(orders),
            "access_digests": [None] * len(orders),
            "accounts": [None] * len(orders),
            "emails": [None] * len(orders),
            "locales": [None] * len(orders),
        },
    )
    connection.execute(
        queries.payments.insert_payments.sql,
        {
            "order_ids": [*quantities],
            "statuses": ["captured"] * len(orders),
            "amounts_minor": totals,
            "currencies": [_CURRENCY] * len(orders),
            "check_after_ms": None,
        },
    )
