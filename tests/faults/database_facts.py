"""What became of it: the database's rows after a run, and from them what may have been true at each moment.

A change becomes visible at its commit, which lies between its transaction's beginning (which the database notes) and
the first answer that tells of it. So each moment has bounds, not a value; an answer is a lie only outside of them.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from psycopg.rows import class_row

TRANSACTION_MAX_S = 30.0
"""The longest from a transaction's beginning until its changes are seen, whatever is frozen or down meanwhile."""
FOREVER = float("inf")


class OrderFact(msgspec.Struct, kw_only=True):
    """An order with its payment; times in seconds."""

    id: int
    reference: str
    user_id: str
    status: str
    tier: str | None
    """That of its bookings; None: it has none."""
    quantity: int
    total_minor: int
    currency: str
    created_at: float
    overdue: bool
    """Whether it waits for its payment although its time was over two seconds ago."""
    payment: str | None
    amount_minor: int | None


class BookingFact(msgspec.Struct, kw_only=True):
    """A ticket of an order."""

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
    """A state that an order came into, and when its transaction began."""

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
    """Tickets that are held although their hold was over two seconds ago."""


class Facts(msgspec.Struct, kw_only=True):
    """The rows of one event."""

    orders: list[OrderFact]
    bookings: list[BookingFact]
    events: list[EventFact]
    tiers: list[TierFact]
    open_payments: int = 0
    """Payments that are due to be taken up with the provider since more than two seconds."""
    open_webhooks: int = 0
    """Webhooks that came more than two seconds ago and are not worked off."""


_ORDERS = """
    select orders.id, orders.reference, orders.user_id, orders.status, orders.quantity, orders.total_minor,
        trim(orders.currency) as currency, extract(epoch from orders.created_at)::float8 as created_at,
        coalesce(orders.status = 'pending' and orders.expires_at < now() - interval '2 seconds', false) as overdue,
        (select min(tiers.name) from bookings join tiers on tiers.id = bookings.tier_id
            where bookings.order_id = orders.id) as tier,
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
    select tiers.name, tiers.capacity, tiers.price_minor,
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
_OPEN_PAYMENTS = "select count(*)::int from payments where next_check_at < now() - interval '2 seconds'"
_OPEN_WEBHOOKS = (
    "select count(*)::int from webhooks where processed_at is null and received_at < now() - interval '2 seconds'"
)


def read_facts(database_url: str, event: str) -> Facts:
    """Read an event's rows at one moment of the database."""
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
    """A state of an order: it came about within the first two times, and ended within the last two."""

    status: str
    from_earliest: float
    from_latest: float
    to_earliest: float
    to_latest: float


def periods(events: Sequence[EventFact], seen: Mapping[str, float]) -> list[Period]:
    """Return the states of one order, in order; `seen`: when an answer first told of a state."""
    latest = [min(event.at + TRANSACTION_MAX_S, seen.get(event.status, FOREVER)) for event in events]
    # A state that is seen shows that those before it came about.
    latest = list(itertools.accumulate(reversed(latest), min))[::-1]
    ends = [(event.at, late) for event, late in zip(events, latest, strict=True)]
    return [
        Period(event.status, *begun, *ended)
        for event, begun, ended in zip(events, ends, [*ends[1:], (FOREVER, FOREVER)], strict=True)
    ]


class Bounds(NamedTuple):
    """How many tickets of a tier may have been free, and unsold (free or held), at a moment."""

    free_min: int
    free_max: int
    unsold_min: int
    unsold_max: int


_USES = {"pending": (1, 0), "confirmed": (1, 1)}
"""Whether the tickets of an order in this state are not free, and whether they are sold."""


class Stock:
    """The bounds of every tier's tickets over time."""

    def __init__(self, tiers: Sequence[TierFact], orders: Iterator[tuple[str, int, list[Period]]]) -> None:
        """Take the tier, the quantity and the states of each order that ever had tickets."""
        steps: dict[float, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0, 0]))
        for tier, quantity, states in orders:
            before = (0, 0)
            for state in states:
                after = _USES.get(state.status, (0, 0))
                for what in (0, 1):
                    given = (before[what] - after[what]) * quantity
                    # The minimum falls as early as may be and rises as late; the maximum the other way round.
                    early, late = (0, 1) if given < 0 else (1, 0)
                    steps[state.from_earliest][tier][2 * what + early] += given
                    steps[state.from_latest][tier][2 * what + late] += given
                before = after
        bounds = {tier.name: Bounds(*[tier.capacity] * 4) for tier in tiers}
        self._times: list[float] = []
        self._bounds = [bounds]
        for at in sorted(steps):
            changed = {tier: Bounds(*map(sum, zip(bounds[tier], by, strict=True))) for tier, by in steps[at].items()}
            bounds = bounds | changed
            self._times.append(at)
            self._bounds.append(bounds)

    def between(self, start: float, end: float) -> Iterator[Mapping[str, Bounds]]:
        """Return the bounds by tier at every moment between two times, both included."""
        first = bisect.bisect_left(self._times, start)
        last = bisect.bisect_right(self._times, end)
        return itertools.islice(self._bounds, first, last + 1)
