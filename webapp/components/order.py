"""An order in the browser: thin wrappers around order.js, and the words for its states."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, hooked
from webapp.components.language import say

_MODULE = "$/utils/orders/page"


@dataclass(frozen=True)
class OrderEvent:
    """The concert of an order; all but `slug` may be unknown, which is empty."""

    slug: str
    name: str
    venue: str
    startsAt: str  # noqa: N815 - the API's own name
    timeZone: str  # noqa: N815


@dataclass(frozen=True)
class Described:
    """An order as a list shows it; amounts in the currency's major unit."""

    reference: str
    state: str
    """`confirmed`, `paid_late` (confirmed, though the payment came after the hold), `pending`, `overdue` (pending, and
    its time to pay is over), `declined`, `expired`, `paid_too_late` (expired, and the late payment goes back),
    `cancelled` or `cancelled_refunded`."""
    event: OrderEvent
    tier: str
    quantity: int
    total: float
    refund: float
    """What goes back to the buyer; 0: nothing was taken."""
    admits: bool
    cancellable: bool
    currency: str
    user_id: str
    booked_at: str


@dataclass(frozen=True)
class OrderTicket:
    """One ticket of the page's order; `row` is empty where there are no seats, `code` the address of its QR code."""

    id: int
    line: int
    row: str
    seat: int
    code: str


@dataclass(frozen=True)
class OrderView(Described):
    """The order of the page's address; times in seconds."""

    page: str
    """`loading`, `found`, `missing` (no such order) or `away` (the API does not answer)."""
    away: bool
    """What is shown is the last that was heard."""
    left: int
    hurry: bool
    begun: bool
    called_off: bool
    repeatable: bool
    anew: bool
    """It came to nothing before its tickets were known, and others may be chosen."""
    seated: bool
    tickets: list[OrderTicket]
    calendar: str
    said: str
    """What screen readers hear: the state that the order has come to, or `hurry`."""


order: Any = hooked(_MODULE, "order", "useOrder()", OrderView)


class OrderFeed(Part):
    """Polls the order of the address from the browser while the tab is visible. Place it once on a page."""

    library = _MODULE
    tag = "OrderFeed"


class TicketCode(Part):
    """The QR code of a ticket."""

    library = _MODULE
    tag = "TicketCode"

    src: rx.Var[str]
    alt: rx.Var[str]
    width: rx.Var[int]
    height: rx.Var[int]


def status_words(state: Any) -> Any:
    """Say an order's state in a word or two."""
    return rx.match(
        state,
        ("confirmed", say("status.confirmed")),
        ("paid_late", say("status.paid_late")),
        ("pending", say("status.pending")),
        ("overdue", say("status.pending")),
        ("declined", say("status.declined")),
        ("expired", say("status.expired")),
        ("paid_too_late", say("status.paid_too_late")),
        ("cancelled", say("status.cancelled")),
        ("cancelled_refunded", say("status.cancelled_refunded")),
        state,
    )
