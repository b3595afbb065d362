"""The evidence that the invariants read: a run's history, the database's rows and the provider's charges."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec

from tests.faults.database_facts import FOREVER, BookingFact, Facts, OrderFact, Period, Stock, periods
from tests.faults.history import BookingRequest, Entry, History, Kind

ACKNOWLEDGED = {201: "confirmed", 202: "pending"}
"""The order's state per status of an acknowledged booking."""
LOST_REQUEST_MAX_S = 5.0
"""Upper bound on the processing time of a booking after its client has lost the connection."""


class Charge(msgspec.Struct, frozen=True):
    """A charge of the payment provider."""

    reference: str
    amount: int
    currency: str
    status: str
    refunded: int = 0
    """The sum of the charge's refunds, in minor units."""


class Evidence:
    """A run's history, facts and charges, with the lookups that invariants share."""

    def __init__(
        self, history: History, facts: Facts, *, limit: int = 0, charges: Sequence[Charge] | None = None
    ) -> None:
        self.history = history
        self.facts = facts
        self.limit = limit
        """Bookings per buyer and minute; 0: unlimited."""
        self.charges = charges
        """The provider's charges; None: the run had no provider."""
        self.orders = {order.reference: order for order in facts.orders}
        self.prices = {tier.name: tier.price_minor for tier in facts.tiers}

    def responded(self, *kinds: str) -> Iterator[Entry]:
        """Return the requests of these kinds that got a response."""
        return (entry for entry in self.history.entries if entry.status and entry.kind in kinds)

    def bookings_with_code(self, code: str) -> Iterator[tuple[Entry, BookingRequest]]:
        """Return the booking requests that got this error code."""
        for entry in self.responded("book"):
            if entry.code == code:
                yield entry, booking_request(entry)

    @cached_property
    def by_reference(self) -> dict[str, list[Entry]]:
        """The booking requests of each reference."""
        return self._by_reference("book")

    @cached_property
    def cancellations(self) -> dict[str, list[Entry]]:
        """The cancellations of each reference."""
        return self._by_reference("cancel")

    def _by_reference(self, kind: Kind) -> dict[str, list[Entry]]:
        entries: dict[str, list[Entry]] = defaultdict(list)
        for entry in self.history.entries:
            if entry.kind == kind:
                entries[entry.reference].append(entry)
        return entries

    @cached_property
    def bookings(self) -> dict[int, list[BookingFact]]:
        """The bookings of each order, by the order's id."""
        bookings: dict[int, list[BookingFact]] = defaultdict(list)
        for booking in self.facts.bookings:
            bookings[booking.order_id].append(booking)
        return bookings

    @cached_property
    def states(self) -> dict[str, list[Period]]:
        """The states of each order, by its reference."""
        seen: dict[str, dict[str, float]] = defaultdict(dict)
        for entry in self.responded("book", "order", "cancel"):
            if status := _reported_status(entry):
                seen[entry.reference][status] = min(entry.end, seen[entry.reference].get(status, FOREVER))
        events = defaultdict(list)
        for event in self.facts.events:
            events[event.order_id].append(event)
        return {
            order.reference: periods(events[order.id], seen[order.reference], self.history.faults)
            if events[order.id]
            else []
            for order in self.facts.orders
        }

    @cached_property
    def stock(self) -> Stock:
        """The bounds on every tier's tickets over time."""
        capacities = {tier.name: tier.capacity for tier in self.facts.tiers}
        return Stock(capacities, (use for order in self.facts.orders for use in self._uses(order)))

    def _uses(self, order: OrderFact) -> Iterator[tuple[str, int, list[Period]]]:
        """Return the tiers of an order's tickets, with the number of tickets and the states of the order."""
        for tier, quantity in Counter(booking.tier for booking in self.bookings[order.id]).items():
            yield tier, quantity, self.states[order.reference]

    @cached_property
    def tickets_per_buyer(self) -> dict[str, int]:
        """The limits of tickets per buyer, by tier."""
        return {tier.name: tier.tickets_per_buyer for tier in self.facts.tiers if tier.tickets_per_buyer is not None}

    @cached_property
    def allowances(self) -> dict[str, Stock]:
        """The bounds on the tickets that each buyer may still book in the tiers with a limit, by buyer."""
        uses: dict[str, list[tuple[str, int, list[Period]]]] = defaultdict(list)
        for order in self.facts.orders:
            uses[order.user_id] += [use for use in self._uses(order) if use[0] in self.tickets_per_buyer]
        return {user_id: Stock(self.tickets_per_buyer, of_user) for user_id, of_user in uses.items()}

    @cached_property
    def owners(self) -> dict[int, list[tuple[str, Period]]]:
        """The references that held or owned each ticket, with the period."""
        owners: dict[int, list[tuple[str, Period]]] = defaultdict(list)
        for order in self.facts.orders:
            owned = [state for state in self.states[order.reference] if state.status in {"pending", "confirmed"}]
            for booking in self.bookings[order.id]:
                owners[booking.ticket_id] += [(order.reference, state) for state in owned]
        return owners


def booking_request(entry: Entry) -> BookingRequest:
    """Return the request of a booking entry."""
    assert entry.request is not None
    return entry.request


def processing_start(evidence: Evidence, entry: Entry) -> float:
    """Return the start of the processing that led to a response. A repeat waits for a running first request."""
    began = entry.start
    for other in sorted(evidence.by_reference[entry.reference], key=lambda each: each.start, reverse=True):
        end = other.end if other.status else other.end + LOST_REQUEST_MAX_S
        if booking_request(other).content == booking_request(entry).content and other.start < began <= end:
            began = other.start
    return began


def refused_tier(entry: Entry) -> str:
    """Return the tier of the item that a refusal names, or of the only item."""
    item: int = entry.content.get("item", 0)
    return booking_request(entry).items[item].tiers[0]


def overlaps(state: Period, entry: Entry) -> bool:
    """Return True if the state may have existed during the request."""
    return state.from_earliest <= entry.end and state.to_latest >= entry.start


def _reported_status(entry: Entry) -> str | None:
    """Return the order's state according to a response."""
    if entry.kind == "book":
        return "declined" if entry.status == 402 else ACKNOWLEDGED.get(entry.status)
    return str(entry.content["status"]) if entry.status == 200 else None
