"""The default inventory: the built-in event, its three tiers and their tickets.

More events and other sizes are data: `python -m api seed --event SLUG --inventory "VIP=100,GA=1000"`.
"""

import itertools
import re
import string
from datetime import UTC, datetime

import msgspec
import psycopg
from psycopg.rows import TupleRow

from api import contract, queries
from api.errors import ConfigError
from api.migrate import connect

TIER_TICKETS_MAX = 5_000_000
"""The most tickets of one tier that can be seeded."""
TIER_NAME_MAX = 100
"""The longest name of a tier, in characters."""
_ROW_LABEL_MAX = 3
"""The most letters of a row's label."""
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SLUG_MAX = 64


class TierPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A tier to be made. `seats_per_row` 0: standing."""

    name: str
    capacity: int
    price_minor: int
    seats_per_row: int = 0

    @property
    def rows(self) -> int:
        """Rows of seats."""
        return -(-self.capacity // self.seats_per_row) if self.seats_per_row else 0

    @property
    def last_position(self) -> int:
        """The highest position: between two rows one is left out."""
        return self.capacity + max(self.rows - 1, 0)


DEFAULT_INVENTORY = (
    TierPlan(name="VIP", capacity=100, price_minor=10_000, seats_per_row=20),
    TierPlan(name="Front Row", capacity=200, price_minor=5_000, seats_per_row=20),
    TierPlan(name="GA", capacity=1_000, price_minor=1_000),
)

_UNKNOWN_TIER = TierPlan(name="", capacity=1, price_minor=1_000)


def parse_inventory(text: str) -> tuple[TierPlan, ...]:
    """Read sizes such as `VIP=100,Front Row=200,GA=1000`; a tier that is not built in is standing, at $10.

    Raises:
        ConfigError: the text cannot be read.
    """
    built_in = {plan.name: plan for plan in DEFAULT_INVENTORY}
    plans: dict[str, TierPlan] = {}
    for part in text.split(","):
        name, _, size = (piece.strip() for piece in part.rpartition("="))
        named = 1 <= len(name) <= TIER_NAME_MAX and name.isprintable() and name not in plans
        if not named or not size.isdecimal() or not 1 <= int(size) <= TIER_TICKETS_MAX:
            raise ConfigError(
                f"--inventory {text!r} cannot be read at {part.strip()!r}: it must be NAME=TICKETS,..., each "
                f"name once and 1 to {TIER_TICKETS_MAX} tickets."
            )
        plans[name] = msgspec.structs.replace(built_in.get(name, _UNKNOWN_TIER), name=name, capacity=int(size))
    return tuple(plans.values())


def row_labels(first: int, rows: int) -> list[str]:
    """Label so many rows of seats after the `first` ones: A to Z, AA to ZZ, AAA to ZZZ.

    Raises:
        ConfigError: there are no labels for so many.
    """
    letters = (itertools.product(string.ascii_uppercase, repeat=length) for length in range(1, _ROW_LABEL_MAX + 1))
    labels = ["".join(label) for label in itertools.chain.from_iterable(letters)]
    if first + rows > len(labels):
        raise ConfigError(
            f"The event would have {first + rows} rows of seats: an event can have {len(labels)}, A to {labels[-1]}."
        )
    return labels[first : first + rows]


def seed(
    conninfo: str, *, event: str = contract.BUILT_IN_EVENT, inventory: tuple[TierPlan, ...] = DEFAULT_INVENTORY
) -> int:
    """Make an event with these tiers, or what is missing of it; return the number of tickets made.

    A tier that exists is left as it is, whatever its size. Repeating it, also at once, changes nothing.

    Raises:
        ConfigError: the slug is not allowed, or there are more rows of seats than labels.
    """
    if len(event) > _SLUG_MAX or not _SLUG.fullmatch(event):
        raise ConfigError(
            f"--event {event!r} is not allowed: it must be small letters, digits and single hyphens, such as "
            f"new-year-2027, at most {_SLUG_MAX} characters."
        )
    with connect(conninfo) as connection:
        with connection.transaction():
            made = _insert_missing(connection, event, inventory)
        if made:
            # So that the first booking finds a plan made for the tickets that are there, and counts read the index
            # only.
            connection.execute("vacuum (analyze) tickets")
    return sum(plan.capacity for plan in made)


def seed_if_empty(conninfo: str) -> int:
    """Load the default inventory into a database without any event; return the number of tickets made."""
    with connect(conninfo) as connection:
        (found,) = connection.execute(queries.events.event_exists.sql).fetchone() or (False,)
    return 0 if found else seed(conninfo)


def _event_row(slug: str) -> dict[str, object]:
    return {
        "slug": slug,
        "name": "Aurora Sessions" if slug == contract.BUILT_IN_EVENT else slug.replace("-", " ").title(),
        "venue": "Harbour Hall",
        "starts_at": datetime(2027, 6, 18, 20, 0, tzinfo=UTC),
        "currency": "USD",
    }


def _insert_missing(
    connection: psycopg.Connection[TupleRow], event: str, inventory: tuple[TierPlan, ...]
) -> list[TierPlan]:
    """Make the event and its tiers, as far as they are missing; return the tiers made."""
    connection.execute(queries.events.upsert_event.sql, _event_row(event))
    (event_id,) = connection.execute(queries.events.lock_event.sql, {"slug": event}).fetchone() or (0,)
    (next_row,) = connection.execute(queries.tiers.count_rows.sql, {"event_id": event_id}).fetchone() or (0,)
    made = connection.execute(
        queries.tiers.insert_tiers.sql,
        {
            "event_id": event_id,
            "names": [plan.name for plan in inventory],
            "prices_minor": [plan.price_minor for plan in inventory],
            "seated": [plan.seats_per_row > 0 for plan in inventory],
            "capacities": [plan.capacity for plan in inventory],
            "last_positions": [plan.last_position for plan in inventory],
        },
    ).fetchall()
    tier_ids = {name: tier_id for tier_id, name in made}
    plans = [plan for plan in inventory if plan.name in tier_ids]
    for plan in plans:
        values = {"event_id": event_id, "tier_id": tier_ids[plan.name], "capacity": plan.capacity}
        if plan.rows:
            seats = {"seats_per_row": plan.seats_per_row, "row_labels": row_labels(next_row, plan.rows)}
            connection.execute(queries.tickets.insert_seated_tickets.sql, values | seats)
            next_row += plan.rows
        else:
            connection.execute(queries.tickets.insert_standing_tickets.sql, values)
    return plans
