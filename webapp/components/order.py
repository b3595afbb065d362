"""An order in the browser: wrappers of webapp/js/orders, typed vars for pages, and the texts of its states."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked
from webapp.components.language import say

_MODULE = "$/utils/orders/page"
_DOCUMENTS = "$/utils/orders/documents"


@dataclass(frozen=True)
class OrderEvent:
    """The event of an order; every field but `slug` is empty while it is unknown."""

    slug: str
    name: str
    venue: str
    startsAt: str  # noqa: N815 - the API's own name
    timeZone: str  # noqa: N815


@dataclass(frozen=True)
class OrderPart:
    """The number of an order's tickets of one tier; `price` of one of them in the currency's major unit."""

    tier: str
    quantity: int
    price: float


@dataclass(frozen=True)
class Described:
    """An order as lists and pages show it; amounts in the currency's major unit."""

    reference: str
    short_reference: str
    """The eight characters by which a buyer names the order to people, in two groups."""
    state: str
    """`confirmed`, `paid_late` (confirmed by a payment after the hold), `pending`, `overdue` (pending after its hold),
    `declined`, `expired`, `paid_too_late` (its late payment is refunded), `cancelled` or
    `cancelled_refunded`."""
    event: OrderEvent
    parts: list[OrderPart]
    """The tickets; without the returned ones, unless the order has ended."""
    quantity: int
    """The number of these tickets."""
    total: float
    """The sum of their prices."""
    returned_parts: list[OrderPart]
    returned_total: float
    refund: float
    """Amount that is refunded; 0: none."""
    valid: bool
    """True if the tickets are valid at check-in."""
    called_off: bool
    """True if the event is cancelled. The worker then ends and refunds the order."""
    cancellable: bool
    currency: str
    currencyDigits: int  # noqa: N815 - `money` reads it under the API's name
    user_id: str
    booked_at: str


@dataclass(frozen=True)
class OrderTicket:
    """One ticket of the page's order; `row` is empty without a seat, `code` is the API's path of its QR code."""

    id: int
    booking: int
    """The id of its booking."""
    line: int
    tier: str
    price: float
    row: str
    seat: int
    code: str


@dataclass(frozen=True)
class OrderRefund:
    """One refund of the page's order; `state` is `open`, `succeeded` or `failed`."""

    id: str
    amount: float
    state: str


@dataclass(frozen=True)
class OrderView(Described):
    """The order in the page's address (`deriveOrderPage` in webapp/js/orders/page_view.js); times in seconds."""

    page: str
    """`loading`, `found`, `missing` (no such order) or `away` (the API does not respond)."""
    away: bool
    """True if the page shows the last known data because the API does not respond."""
    kept_at: str
    """The time of the last known data, if it is from the browser's storage; empty otherwise."""
    left: int
    """Remaining time of the hold."""
    hurry: bool
    begun: bool
    repeatable: bool
    """True if the same tickets can be tried again."""
    anew: bool
    """True if the order ended before it held any tickets, so that others can be chosen."""
    seated: bool
    tickets_by_tier: str
    """The number of tickets of each tier, as the checkout compares them."""
    again_query: str
    """The query of the event's address that chooses the same seats and tickets."""
    prices: dict[str, float]
    """Price of a ticket of each tier."""
    lines: int
    """The number of all tickets, with the returned ones."""
    tickets: list[OrderTicket]
    """The tickets; without the returned ones, if the others are valid."""
    kept: list[int]
    """The ids of the bookings that were not returned."""
    calendar: str
    """The API's path of the calendar file."""
    payment_url: str
    """Address of the provider's page on which the buyer still has to pay; empty without such a page."""
    printed: str
    """The API's path of the tickets as PDF."""
    refunds: list[OrderRefund]
    """The refunds, the oldest first."""
    undelivered_to: str
    """The masked address to which the last e-mail could not be delivered; empty without such an e-mail."""
    announcement: str
    """Announcement for screen readers: a new state of the order, or `hurry`."""


order: Any = hooked(_MODULE, "order", "useOrder()", OrderView)


class OrderFeed(Part):
    """Polls the order in the page's address while the tab is visible. Place it once on a page."""

    library = _MODULE
    tag = "OrderFeed"


class TicketCode(Part):
    """The QR code of a ticket, which loads again after the API was unavailable."""

    library = _DOCUMENTS
    tag = "TicketCode"

    path: rx.Var[str]
    alt: rx.Var[str]
    width: rx.Var[int]
    height: rx.Var[int]


@dataclass(frozen=True)
class Download:
    """The outcome of the last download of a document."""

    failed: str
    """The API's path of the document if it could not be loaded; empty otherwise."""


download: Any = hooked(_DOCUMENTS, "download", "useDownload()", Download)


def save_calendar() -> Any:
    """Return an event that downloads the calendar file of the page's order."""
    return action(_DOCUMENTS, "saveDocument", order.calendar)


def save_printed() -> Any:
    """Return an event that downloads the tickets of the page's order as PDF."""
    return action(_DOCUMENTS, "savePrinted", order.printed)


def tickets_text(parts: Any) -> Any:
    """Return the number of an order's tickets of each tier as text."""
    return parts.foreach(lambda part: say("summary.tickets", quantity=part.quantity, tier=part.tier)).join(" · ")


def status_text(state: Any) -> Any:
    """Return an order's state as a short text."""
    return rx.match(
        state,
        ("confirmed", "paid_late", say("status.confirmed")),
        ("pending", say("status.pending")),
        ("overdue", say("status.pending")),
        ("declined", say("status.declined")),
        ("expired", say("status.expired")),
        ("paid_too_late", say("status.paid_too_late")),
        ("cancelled", say("status.cancelled")),
        ("cancelled_refunded", say("status.cancelled_refunded")),
        state,
    )
