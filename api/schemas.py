"""What crosses the wire: the bodies of requests and answers, in camelCase."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

TEXT_MAX = 128
"""The longest tier name, user id and reference, in characters."""

BUILT_IN_EVENT = "aurora-sessions"
"""The slug of the event that a request without `?event=` means."""

# With nothing behind it rather than with $: Python's lets a line feed at the end pass.
TEXT_PATTERN = r"^[^\x00-\x1f\x7f]*(?![\s\S])"
REFERENCE_PATTERN = r"^[A-Za-z0-9._:~+=@-]*(?![\s\S])"
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*(?![\s\S])"
SLUG_MAX = 64
"""The longest slug of an event, in characters."""
KEY_HEADER_PATTERN = r'^(?:[A-Za-z0-9._:~+=@-]{1,128}|"[A-Za-z0-9._:~+=@-]{1,128}")$'
"""A reference as the header `Idempotency-Key` has it: its draft standard puts the key in quotes."""

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)]
"""A name without control characters."""
Slug = Annotated[str, msgspec.Meta(max_length=SLUG_MAX, pattern=SLUG_PATTERN)]
"""An event's public name: small letters, digits and single hyphens."""
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX, pattern=REFERENCE_PATTERN)]
"""An idempotency key; its characters can stand in a URL's path."""
TicketId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]

_ZERO_DECIMAL_CURRENCIES = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX",
                                      "UYI", "VND", "VUV", "XAF", "XOF", "XPF"})  # fmt: skip
_THREE_DECIMAL_CURRENCIES = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def to_major(amount_minor: int, currency: str) -> int | float:
    """Return an amount in the currency's major unit (ISO 4217): 1250 US cents are 12.5, 10000 are 100."""
    if currency in _ZERO_DECIMAL_CURRENCIES:
        return amount_minor
    scale = 1000 if currency in _THREE_DECIMAL_CURRENCIES else 100
    whole, rest = divmod(amount_minor, scale)
    return amount_minor / scale if rest else whole


class BookingRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/bookings`: a quantity of a tier's tickets, or these very tickets."""

    tier: Text
    quantity: Annotated[int, msgspec.Meta(ge=1)]
    user_id: Text
    ticket_ids: (
        Annotated[list[TicketId], msgspec.Meta(min_length=1, extra_json_schema={"uniqueItems": True})] | None
    ) = None
    booking_reference: Reference | None = None
    """The client's own key; the header `Idempotency-Key` is the same thing."""


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/bookings/{reference}/cancel`: who cancels."""

    user_id: Text


class TierAvailability(msgspec.Struct, frozen=True):
    """What is left of a tier; `price` in the currency's major unit."""

    available: int
    total: int
    price: float


class Ticket(msgspec.Struct, frozen=True):
    """A ticket that can be bought; `row` and `seat` are null where one stands."""

    id: int
    tier: str
    price: float
    row: str | None
    seat: int | None


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A concert; `timeZone` is the IANA name of the zone in which it takes place."""

    slug: str
    name: str
    venue: str
    description: str
    starts_at: datetime
    time_zone: str
    sales_start_at: datetime
    sales_end_at: datetime | None
    """Null: the sale ends when the concert begins."""
    currency: str
    state: Literal["on_sale", "upcoming", "sold_out", "ended", "cancelled"]
    """`sold_out`: nothing is left, nor held. `ended`: the sale is over, or the concert has begun."""
    price_from: float
    """The price of the cheapest tier that has something left, else of the cheapest."""


class EventList(msgspec.Struct, frozen=True):
    """The concerts that have not begun, soonest first."""

    events: list[Event]


class Tier(msgspec.Struct, frozen=True):
    """A price class of an event; `price` in the currency's major unit."""

    name: str
    price: float
    total: int
    seated: bool


class EventDetails(Event, frozen=True, kw_only=True, rename="camel"):
    """A concert with its tiers, in display order."""

    tiers: list[Tier]


class TierState(msgspec.Struct, frozen=True, rename="camel"):
    """What unfinished bookings hold of a tier, and when the first of these holds ends (null: there is none)."""

    held: int
    held_until: datetime | None


class SeatRow(msgspec.Struct, frozen=True):
    """A row of seats: their tickets' ids and numbers, and one letter for each: `a`vailable, `h`eld or `s`old."""

    tier: str
    row: str
    ids: list[int]
    numbers: list[int]
    states: str


class TicketStates(msgspec.Struct, frozen=True):
    """What is held of each tier, and each seat's state; no rows if the event has too many seats for a plan."""

    tiers: dict[str, TierState]
    rows: list[SeatRow]


class Booking(msgspec.Struct, frozen=True, rename="camel"):
    """One ticket of an order."""

    id: int
    booking_reference: str
    ticket_id: int
    tier: str
    price: float
    row: str | None
    seat: int | None
    user_id: str
    created_at: datetime


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """A booking request that was accepted; amounts in the currency's major unit."""

    success: bool
    reference: str
    status: str
    total: float
    currency: str
    bookings: list[Booking]
    message: str
    event: str
    """The event's slug."""
    paid_late: bool
    """Whether the payment came after the hold, and the same tickets were still free and taken again."""
    expires_at: datetime | msgspec.UnsetType = msgspec.UNSET
    """While it is pending: when its tickets go back on sale."""
    refund: float | msgspec.UnsetType = msgspec.UNSET
    """What goes back or has gone back to the buyer, if anything does."""


class WebhookReceipt(msgspec.Struct, frozen=True):
    """A webhook is stored, and will be worked off."""

    stored: bool = True


class OrderPage(msgspec.Struct, frozen=True):
    """A buyer's orders, newest first; `next` is the cursor of the following page, null on the last."""

    orders: list[Order]
    next: str | None


class FieldError(msgspec.Struct, frozen=True):
    """The fault of one field of a request."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """An error (RFC 9457). `code` is for programs, `message` for people. The members after it are optional."""

    type: str
    title: str
    status: int
    detail: str
    success: bool
    code: str
    message: str
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
    """400: each field at fault."""
    available: int | msgspec.UnsetType = msgspec.UNSET
    """409 `sold_out`, `all_held`: the number of available tickets."""
    ticket_ids: list[int] | msgspec.UnsetType = msgspec.UNSET
    """409 `seat_taken`: the chosen tickets that are no longer available."""
    reference: str | msgspec.UnsetType = msgspec.UNSET
    """402, 503: the booking's reference."""
    unknown: bool | msgspec.UnsetType = msgspec.UNSET
    """503: true if the outcome is unknown. Repeating the same request reveals it."""


class Health(msgspec.Struct, frozen=True):
    """Whether this process can serve; `reason` says why not."""

    status: str
    reason: str | None = None
