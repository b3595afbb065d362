"""The database's rows after a run, and the bounds that they imply for every moment of the run.

A change becomes visible at its commit. The commit lies between the start of its transaction, which the database
records, and the first response that reports the change. The number of tickets at a moment therefore has bounds
instead of one value. A response is false only if it is outside these bounds.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import class_row

from tests.faults.history import Fault

TRANSACTION_MAX_S = 30.0
"""Upper bound on the time until the changes of a transaction are visible, from its start or the end of a fault."""
FOREVER = float("inf")


class OrderFact(msgspec.Struct, kw_only=True):
    """An order with its payment. Times are in seconds."""

    id: int
    reference: str
    user_id: str
    status: str
    quantity: int
    total_minor: int
    currency: str
    created_at: float
    overdue: bool
    """True if the order is pending more than two seconds after the end of its hold."""
    payment: str | None
    amount_minor: int | None


class BookingFact(msgspec.Struct, kw_only=True):
    """A booking, which is one ticket of an order."""

    id: int
    order_id: int
    line: int
    ticket_id: int
    tier: str
    price_minor: int
    row_label: str | None
    seat_number: int | None
    live: bool


class EventFact(msgspec.Struct, kw_only=True):
    """A state of an order and the start of the transaction that set it."""

    order_id: int
    status: str
    at: float


class TierFact(msgspec.Struct, kw_only=True):
    name: str
    capacity: int
    price_minor: int
    available: int
    held: int
    overdue: int
    """Tickets that are held more than two seconds after the end of their hold."""
    tickets_per_buyer: int | None = None
    """The most tickets of the tier that a buyer may have; None without a limit."""


class Facts(msgspec.Struct, kw_only=True):
    """The rows of one event."""

    orders: list[OrderFact]
    bookings: list[BookingFact]
    events: list[EventFact]
    tiers: list[TierFact]
    open_payments: int = 0
    """Payments and refunds whose next check was due more than two seconds ago."""
    open_webhooks: int = 0
    """Webhooks that arrived more than two seconds ago and are unprocessed."""


_ORDERS = """
    select orders.id, orders.reference, orders.user_id, orders.status, orders.quantity, orders.total_minor,
        trim(orders.currency) as currency, extract(epoch from orders.created_at)::float8 as created_at,
        coalesce(orders.status = 'pending' and orders.expires_at < now() - interval '2 seconds', false) as overdue,
        payments.status as payment, payments.amount_minor
    from orders
    join events on events.id = orders.event_id
    left join payments on payments.order_id = orders.id
    where events.slug = %(event)s
    order by orders.id
"""
_BOOKINGS = """
    select bookings.id, bookings.order_id, bookings.line, bookings.ticket_id, tiers.name as tier,
        bookings.price_minor, tickets.row_label, tickets.seat_number, bookings.released_at is null as live
    from bookings
    join orders on orders.id = bookings.order_id
    join events on events.id = orders.event_id
    join tickets on tickets.id = bookings.ticket_id
    join tiers on tiers.id = tickets.tier_id
    where events.slug = %(event)s
    order by bookings.order_id, bookings.line
"""
_EVENTS = """
    select order_events.order_id, order_events.status,
        extract(epoch from order_events.created_at)::float8 as at
    from order_events
    join orders on orders.id = order_events.order_id
    join events on events.id = orders.event_id
    where order_events.subject = 'order' and events.slug = %(event)s
    order by order_events.id
"""
_TIERS = """
    select tiers.name, tiers.capacity, tiers.price_minor, tiers.tickets_per_buyer,
        count(*) filter (where tickets.status = 'available')::int as available,
        count(*) filter (where tickets.status = 'held')::int as held,
        count(*) filter (where tickets.held_until < now() - interval '2 seconds')::int as overdue
    from tiers
    join events on events.id = tiers.event_id
    join tickets on tickets.tier_id = tiers.id
    where events.slug = %(event)s
    group by tiers.id
    order by tiers.display_order
"""
_OPEN_PAYMENTS = """
    select (select count(*) from payments where next_check_at < now() - interval '2 seconds')::int
        + (select count(*) from refunds where next_check_at < now() - interval '2 seconds')::int
"""
_OPEN_WEBHOOKS = (
    "select count(*)::int from webhooks where processed_at is null and received_at < now() - interval '2 seconds'"
)


def read_facts(database_url: str, event: str) -> Facts:
    """Read an event's rows in one snapshot."""
    with psycopg.connect(database_url) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        def rows(kind: type[Any], query: str) -> list[Any]:
            return conn.cursor(row_factory=class_row(kind)).execute(query.encode(), {"event": event}).fetchall()

        def count(query: str) -> int:
            (number,) = conn.execute(query.encode()).fetchone() or (0,)
            return int(number)

        return Facts(
            orders=rows(OrderFact, _ORDERS),
            bookings=rows(BookingFact, _BOOKINGS),
            events=rows(EventFact, _EVENTS),
            tiers=rows(TierFact, _TIERS),
            open_payments=count(_OPEN_PAYMENTS),
            open_webhooks=count(_OPEN_WEBHOOKS),
        )


class Period(NamedTuple):
    """A state of an order. It began between the first two times and ended between the last two."""

    status: str
    from_earliest: float
    from_latest: float
    to_earliest: float
    to_latest: float


def periods(events: Sequence[EventFact], seen: Mapping[str, float], faults: Sequence[Fault] = ()) -> list[Period]:
    """Return the states of one order in sequence.

    `seen` maps a state to the end of the first response that reported it. Transactions may wait during `faults`.
    """
    latest = [min(_visible_by(event.at, faults), seen.get(event.status, FOREVER)) for event in events]
    # A visible state proves that the earlier states were committed.
    latest = list(itertools.accumulate(reversed(latest), min))[::-1]
    ends = [(event.at, late) for event, late in zip(events, latest, strict=True)]
    return [
        Period(event.status, *begun, *ended)
        for event, begun, ended in zip(events, ends, [*ends[1:], (FOREVER, FOREVER)], strict=True)
    ]


def _visible_by(start: float, faults: Sequence[Fault]) -> float:
    """Return the time by which the changes of a transaction are visible."""
    waited_until = [fault.end for fault in faults if fault.start <= start + TRANSACTION_MAX_S and fault.end >= start]
    return max([start, *waited_until]) + TRANSACTION_MAX_S


class Bounds(NamedTuple):
    """Bounds on the available and the unsold tickets of a tier at a moment. Unsold means available or held."""

    available_min: int
    available_max: int
    unsold_min: int
    unsold_max: int


_USES = {"pending": (1, 0), "confirmed": (1, 1)}
"""Share of an order's tickets per state that is unavailable, and share that is sold."""


class Stock:
    """The bounds on every tier's tickets over time."""

    def __init__(self, capacities: Mapping[str, int], orders: Iterable[tuple[str, int, list[Period]]]) -> None:
        """Take each tier's capacity, and a tier, a quantity and the states for each tier of an order with tickets."""
        steps: dict[float, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0, 0]))
        for tier, quantity, states in orders:
            before = (0, 0)
            for state in states:
                after = _USES.get(state.status, (0, 0))
                for index in (0, 1):
                    change = (before[index] - after[index]) * quantity
                    # The minimum falls as early and rises as late as possible; the maximum does the opposite.
                    early, late = (0, 1) if change < 0 else (1, 0)
                    steps[state.from_earliest][tier][2 * index + early] += change
                    steps[state.from_latest][tier][2 * index + late] += change
                before = after
        bounds = {tier: Bounds(*[capacity] * 4) for tier, capacity in capacities.items()}
        self._times: list[float] = []
        self._bounds = [bounds]
        for at in sorted(steps):
            changed = {tier: Bounds(*map(sum, zip(bounds[tier], by, strict=True))) for tier, by in steps[at].items()}
            bounds = bounds | changed
            self._times.append(at)
            self._bounds.append(bounds)

    def between(self, start: float, end: float) -> Iterator[Mapping[str, Bounds]]:
        """Return the bounds by tier at every moment from `start` to `end`, both included."""
        first = bisect.bisect_left(self._times, start)
        last = bisect.bisect_right(self._times, end)
        return itertools.islice(self._bounds, first, last + 1)
