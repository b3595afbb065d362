"""A model of orders with lines and refunds, in plain Python: what must become of tickets and money, event by event.

The model knows neither the database nor the services. `test_order_lines.py` compares it with both.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from api.errors import AllHeld, ApiError, NotCancellable, NotOnSale, PaymentDeclined, SeatTaken, SoldOut

Shape = tuple[str, str, int, list[tuple[int, bool]], list[tuple[int, str, int]]]
"""An order to compare: its status, its payment's, the refunded amount, its lines and its refunds."""


@dataclass
class Line:
    """A line of an order: one ticket."""

    booking: int
    ticket: int
    price: int
    is_returned: bool = False


@dataclass
class Refund:
    """A refund of an order's payment. `status` is that of the last attempt."""

    amount: int
    status: str
    attempt: int = 1


@dataclass
class Order:
    """An order. Amounts are in minor units."""

    reference: str
    owner: str
    """The name of the guest or of the account."""
    status: str
    payment: str
    lines: list[Line]
    total: int
    is_held: bool
    """True if the order was made with a hold, for a payment by the provider."""
    refunds: list[Refund] = field(default_factory=list)
    is_listed: bool = False
    """True if the cancellation of the event has to end the order."""
    is_long_over: bool = False
    """True if the hold ended longer ago than a request to the provider can last."""

    @property
    def is_live(self) -> bool:
        return self.status in {"pending", "confirmed"}

    @property
    def live_lines(self) -> list[Line]:
        return [line for line in self.lines if self.is_live and not line.is_returned]

    @property
    def refunded(self) -> int:
        """The refunded amount. A failed refund keeps its amount, so that nobody refunds it a second time."""
        return sum(refund.amount for refund in self.refunds)

    @property
    def is_returnable(self) -> bool:
        return self.is_live or self.status == "cancelled"

    def refund(self, amount: int) -> None:
        """Request a refund. The provider refunds held orders, and the payments of others return at once."""
        if amount:
            self.refunds.append(Refund(amount, "requested" if self.is_held else "succeeded"))

    def cancel(self) -> ApiError | None:
        """Cancel the order as its buyer or with its event; return the refusal."""
        if not self.is_returnable:
            return NotCancellable(self.status)
        if self.is_live:
            self.status = "cancelled"
            if self.payment == "captured":
                self.payment = "refunding" if self.is_held else "refunded"
                self.refund(self.total - self.refunded)
                self.finish()
        return None

    def return_lines(self, bookings: Collection[int]) -> ApiError | None:
        """Return single tickets; return the refusal."""
        if not self.is_returnable:
            return NotCancellable(self.status)
        chosen = [line for line in self.live_lines if line.booking in bookings]
        if not chosen:
            return None
        if len(chosen) == len(self.live_lines):
            return self.cancel()
        if self.payment != "captured":
            return NotCancellable("not paid")
        for line in chosen:
            line.is_returned = True
        self.refund(sum(line.price for line in chosen))
        return None

    def finish(self) -> None:
        """Finish the payment if all of its refunds have succeeded."""
        if self.payment == "refunding" and all(refund.status == "succeeded" for refund in self.refunds):
            self.payment = "refunded"

    def shape(self) -> Shape:
        """Return the order to compare with the database."""
        lines = sorted((line.ticket, line in self.live_lines) for line in self.lines)
        refunds = [(refund.amount, refund.status, refund.attempt) for refund in self.refunds]
        return self.status, self.payment, self.refunded, lines, refunds


class EventModel:
    """All orders of one event, and its tickets."""

    def __init__(self, tiers: Mapping[str, Sequence[int]], prices: Mapping[str, int]) -> None:
        self.tiers = tiers
        """The ids of the tickets, by tier."""
        self.prices = prices
        self.is_cancelled = False
        self.orders: list[Order] = []

    @property
    def has_failed_refund(self) -> bool:
        return any(refund.status == "failed" for order in self.orders for refund in order.refunds)

    def tickets(self) -> dict[int, str]:
        """Return the state of each ticket."""
        free = "withdrawn" if self.is_cancelled else "available"
        states = dict.fromkeys((ticket for tickets in self.tiers.values() for ticket in tickets), free)
        for order in self.orders:
            state = "held" if order.status == "pending" else "sold"
            states |= {line.ticket: state for line in order.live_lines}
        return states

    def price_of(self, ticket: int) -> int:
        return next(self.prices[tier] for tier, tickets in self.tiers.items() if ticket in tickets)

    def refusals(self, seats: Collection[int], standing: int, tier: str, *, is_declined: bool) -> set[type[ApiError]]:
        """Return the refusals that a booking of seats and standing tickets may get; none: it succeeds."""
        if self.is_cancelled:
            return {NotOnSale}
        states = self.tickets()
        counts = [states[ticket] for ticket in self.tiers[tier]]
        found: set[type[ApiError]] = {SeatTaken} if any(states[seat] != "available" for seat in seats) else set()
        if counts.count("available") < standing:
            enough = counts.count("available") + counts.count("held") >= standing
            found.add(AllHeld if enough else SoldOut)
        return found or ({PaymentDeclined} if is_declined else set())

    def decide(self, order: Order, charge: str) -> None:
        """Apply the provider's decision about a charge. It may come late, twice or after the order's end."""
        is_open = order.payment in {"pending", "void"}
        is_declined = order.payment == "declined" and order.is_held
        match charge, order.status:
            case "captured", "pending" if not self.is_cancelled:
                order.status = "confirmed"
                order.payment = "captured"
            case "captured", "expired" if is_open and self._can_reclaim(order):
                order.status = "confirmed"
                order.payment = "captured"
            case "captured", "pending" | "expired" | "cancelled" | "declined" if is_open or is_declined:
                order.status = "cancelled" if order.status == "pending" else order.status
                order.payment = "refunding"
                order.refund(order.total)
            case "declined", "pending":
                order.status = order.payment = "declined"
            case "declined", "expired" | "cancelled" if order.payment == "pending":
                order.payment = "declined"

    def _can_reclaim(self, order: Order) -> bool:
        states = self.tickets()
        return not self.is_cancelled and all(states[line.ticket] == "available" for line in order.lines)

    def end_holds(self) -> None:
        """End the holds of all pending orders."""
        for order in self.orders:
            order.is_long_over = True
            if order.status == "pending":
                order.status = "expired"

    def start_cancellation(self) -> int:
        """Cancel the event; return the number of orders that end with it."""
        self.is_cancelled = True
        for order in self.orders:
            order.is_listed = order.is_live
        return sum(order.is_listed for order in self.orders)

    def end_listed(self) -> None:
        """Let the worker end the orders of the cancelled event."""
        for order in self.orders:
            if order.is_listed:
                order.is_listed = False
                if order.is_live:
                    order.cancel()

    def open_refunds(self) -> Iterable[tuple[Order, Refund]]:
        """Return the refunds that the provider has not decided."""
        return [
            (order, refund)
            for order in self.orders
            for refund in order.refunds
            if refund.status in {"requested", "pending"}
        ]
