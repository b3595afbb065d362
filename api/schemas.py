"""The bodies of requests and responses, in camelCase on the wire."""

import re
from collections.abc import Container
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from api.text import EMAIL_MAX, EMAIL_PATTERN, TEXT_MAX, TEXT_PATTERN

BUILT_IN_EVENT = "aurora-sessions"
"""The slug of the event for requests without `?event=`."""

# The negative lookahead replaces $, which also matches before a final line feed.
REFERENCE_PATTERN = r"^(?!\.{1,2}(?![\s\S]))[A-Za-z0-9._:~+=@-]*(?![\s\S])"
SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*(?![\s\S])"
CURRENCY_PATTERN = r"^(?![\s\S]*[^A-Z])[A-Z]{3}$"
BYTES_PATTERN = r"^[A-Za-z0-9_-]+(?![\s\S])"
"""Bytes in base64url without padding, as browsers encode them."""
SLUG_MAX = 64
"""Maximum length of an event's slug, in characters."""
KEY_HEADER_PATTERN = r'^(?!"?\.{1,2}"?$)(?:[A-Za-z0-9._:~+=@-]{1,128}|"[A-Za-z0-9._:~+=@-]{1,128}")$'
"""A reference in the header `Idempotency-Key`, optionally quoted as in the header's draft standard."""

_HALF_PAIR = re.compile(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)]
"""A name with a visible character and without control and direction characters."""
Slug = Annotated[str, msgspec.Meta(max_length=SLUG_MAX, pattern=SLUG_PATTERN)]
"""An event's public name: lower-case letters, digits and single hyphens."""
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX, pattern=REFERENCE_PATTERN)]
"""An idempotency key that is one segment of a URL's path without an escape. `.` and `..` are not."""
Email = Annotated[str, msgspec.Meta(max_length=EMAIL_MAX, pattern=EMAIL_PATTERN)]
"""An e-mail address of ASCII characters."""
Locale = Literal["en", "de", "ar"]
"""A language of the web app."""
TicketId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Total = Annotated[float, msgspec.Meta(ge=0, le=10**15)]
"""An amount in the currency's major unit. The database refuses larger ones, even in currencies without a minor unit."""


_TICKET_IDS = msgspec.Meta(
    min_length=1,
    description="Exactly these tickets, all or none. `quantity` is their number. They belong to `tier` if it is given.",
    extra_json_schema={"uniqueItems": True},
)
_ITEMS = msgspec.Meta(
    min_length=1,
    description="The entries of a basket, all or none, as an alternative to `tier`, `quantity` and `ticketIds`.",
)
Quantity = Annotated[int, msgspec.Meta(ge=1)]
BookingId = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
RETURNS_MAX = 1000
"""Bookings in a request to return tickets; an order has at most as many."""
TicketIds = Annotated[list[TicketId], _TICKET_IDS]


class BookingItem(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """An entry of a basket: a quantity of a tier's tickets, or chosen tickets of any tiers of the event."""

    tier: Text | None = None
    quantity: Quantity | None = None
    ticket_ids: TicketIds | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if a field of the entry's form is missing."""
        if self.ticket_ids is None:
            require(tier=self.tier, quantity=self.quantity)


class BookingRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/bookings`: a quantity of a tier's tickets, chosen tickets of a tier, or a basket."""

    tier: Text | None = None
    quantity: Quantity | None = None
    user_id: Text
    ticket_ids: TicketIds | None = None
    items: Annotated[list[BookingItem], _ITEMS] | None = None
    expected_total: Total | None = None
    """The total that the buyer agreed to, in the currency's major unit. The API refuses to charge any other total."""
    booking_reference: Reference | None = None
    """The client's idempotency key, as an alternative to the header `Idempotency-Key`."""
    email: Email | None = None
    """The buyer's address for messages about the order."""
    locale: Locale | None = None
    """The language of these messages."""

    def __post_init__(self) -> None:
        """Raise ValueError if a field of the body's form is missing."""
        if self.items is None:
            require(tier=self.tier, quantity=self.quantity)

    @staticmethod
    def required_with(fields: Container[str]) -> tuple[str, ...]:
        """Return the optional fields that a body with some fields requires, by their names on the wire."""
        return () if "items" in fields else ("tier", "quantity")


def require(**fields: object) -> None:
    """Raise ValueError, with msgspec's message for a missing field, unless every field has a value."""
    for name, value in fields.items():
        if value is None:
            raise ValueError(f"Object missing required field `{name}`")


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/bookings/{reference}/cancel`: the buyer."""

    user_id: Text


class EmailRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of a request for an e-mail: its address and its language."""

    email: Email
    locale: Locale | None = None


class MessageQueued(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The response to a request for an e-mail."""

    success: Literal[True] = True
    message: str = "An e-mail is on its way if there is something to send."


class ReturnRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The body of `POST /api/bookings/{reference}/returns`: the buyer, and the ids of the returned bookings."""

    user_id: Text
    bookings: Annotated[list[BookingId], msgspec.Meta(min_length=1, max_length=RETURNS_MAX)]


class TierAvailability(msgspec.Struct, frozen=True):
    """The available tickets of a tier; `price` in the currency's major unit."""

    available: int
    total: int
    price: float


class Ticket(msgspec.Struct, frozen=True):
    """An available ticket; `row` and `seat` are null in standing tiers."""

    id: int
    tier: str
    price: float
    row: str | None
    seat: int | None


class SeatChoice(msgspec.Struct, frozen=True, rename="camel"):
    """Free seats for one buyer, from the front; `rows` and `numbers` name each seat of `ticketIds`."""

    ticket_ids: list[int]
    rows: list[str]
    numbers: list[int]
    row: str | None
    """The row of all seats; null if they are in several rows."""
    zone: Literal["left", "centre", "right"] | None
    """The part of the row, as seen by the audience; null if the seats are in several parts."""
    together: bool
    """True if the seats are adjacent."""
    reason: str
    """The reason for the choice in English, such as "row C, 9-10, centre, together"."""
    total: float
    """The price of all seats in the currency's major unit."""
    currency: str


class BestSeats(msgspec.Struct, frozen=True):
    """The seats that a buyer would get now, and the next best ones; null and empty for a standing tier.

    The next request may get other seats, because nothing is held.
    """

    seats: SeatChoice | None
    alternatives: list[SeatChoice]


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event; `timeZone` is the IANA name of the venue's time zone."""

    slug: str
    name: str
    venue: str
    address: str | None
    """The postal address of the venue; null if it is not announced."""
    description: str
    doors_at: datetime | None
    """The time at which the doors open; null if it is not announced."""
    starts_at: datetime
    ends_at: datetime | None
    """The end of the event; null if it is not announced."""
    time_zone: str
    sales_start_at: datetime
    sales_end_at: datetime | None
    """The end of the sale; null if the sale ends when the event begins."""
    currency: str
    currency_digits: int
    """The number of decimal places of amounts in the currency."""
    revision: int
    """The number of changes of the event and its tiers. Responses with different revisions must not be combined."""
    state: Literal["on_sale", "upcoming", "sold_out", "ended", "cancelled"]
    """`sold_out`: no ticket is available or held. `ended`: the sale has ended or the event has begun."""
    price_from: float
    """The price of the cheapest available tier, or of the cheapest tier if none is available."""


class EventList(msgspec.Struct, frozen=True):
    """The events that have not begun, soonest first."""

    events: list[Event]


class Tier(msgspec.Struct, frozen=True, rename="camel"):
    """A price class of an event; `price` in the currency's major unit."""

    name: str
    price: float
    total: int
    seated: bool
    tickets_min: int
    """The fewest tickets of the tier in a booking that contains the tier."""
    tickets_max: int
    """The most tickets of the tier in one booking."""
    tickets_per_buyer: int | None
    """The most tickets of the tier that one buyer can have in all bookings; null without a limit."""
    hold_seconds: int
    """The length of a hold. The hold of a booking is the shortest of its tiers."""


class EventDetails(Event, frozen=True, kw_only=True, rename="camel"):
    """An event with its tiers, in display order."""

    tickets_min: int
    """The fewest tickets of one booking, over all tiers."""
    tickets_max: int
    """The most tickets of one booking, over all tiers."""
    tickets_per_buyer: int | None
    """The most tickets that one buyer can have in all bookings, over all tiers; null without a limit."""
    hold_seconds: int
    """The length of a hold in tiers without one of their own."""
    tiers: list[Tier]


class TierState(msgspec.Struct, frozen=True, rename="camel"):
    """The number of held tickets of a tier, and the end of the first hold; null without holds."""

    held: int
    held_until: datetime | None


class SeatRow(msgspec.Struct, frozen=True):
    """A row of seats: ticket ids, seat numbers and one letter per seat, `a`vailable, `h`eld or `s`old."""

    tier: str
    row: str
    ids: list[int]
    numbers: list[int]
    states: str


class TicketStates(msgspec.Struct, frozen=True):
    """The holds of each tier and the state of each seat; no rows if the event has too many seats for a map."""

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
    returned_at: datetime | msgspec.UnsetType = msgspec.UNSET
    """The time at which the ticket was returned while the order kept others."""


class Refund(msgspec.Struct, frozen=True, rename="camel"):
    """Money that goes back to the buyer; `amount` in the currency's major unit."""

    id: str
    """A UUID."""
    amount: float
    status: Literal["requested", "pending", "succeeded", "failed"]
    """`pending`: the provider has accepted the refund. `failed`: the provider has refused it."""
    reason: str
    created_at: datetime


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """An accepted booking request; amounts in the currency's major unit."""

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
    """True if the payment arrived after the hold and the same tickets were still available."""
    currency_digits: int
    """The number of decimal places of amounts in the currency."""
    short_reference: str
    """Eight characters by which people name the order. Two orders share them only after 34 billion others."""
    expires_at: datetime | msgspec.UnsetType = msgspec.UNSET
    """The end of a pending order's hold."""
    payment_url: str | msgspec.UnsetType = msgspec.UNSET
    """The address of the page on which a pending order is paid; absent until the page exists, and without a page."""
    refund: float | msgspec.UnsetType = msgspec.UNSET
    """The amount of the refunds of an order that has ended after its payment."""
    booking_secret: str | msgspec.UnsetType = msgspec.UNSET
    """The secret that gives access to the order; only in the responses to its booking request."""
    refunds: list[Refund] | msgspec.UnsetType = msgspec.UNSET
    """The refunds of the payment, oldest first; absent if there are none."""
    undelivered_to: str | msgspec.UnsetType = msgspec.UNSET
    """The masked address of the order if the last e-mail to it reached nobody; only in the response for one order."""


class WebhookReceipt(msgspec.Struct, frozen=True):
    """A webhook is stored and will be processed."""

    stored: bool = True


class OrderPage(msgspec.Struct, frozen=True):
    """A buyer's orders, newest first; `next` is the cursor of the next page, null on the last page."""

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
    remaining: int | msgspec.UnsetType = msgspec.UNSET
    """409 `buyer_limit`: the number of tickets that the buyer may still book."""
    total: float | msgspec.UnsetType = msgspec.UNSET
    """409 `price_changed`: the total that the order would cost now, in the currency's major unit."""
    reference: str | msgspec.UnsetType = msgspec.UNSET
    """402, 503: the booking's reference."""
    item: int | msgspec.UnsetType = msgspec.UNSET
    """The number of the item at fault, from 0, if the request lists items."""
    unknown: bool | msgspec.UnsetType = msgspec.UNSET
    """503: true if the outcome is unknown. Repeating the same request reveals it."""


def explain_malformed(body: bytes, error: Exception) -> str:
    """Return a sentence about a body that the decoder refuses as JSON.

    The decoder calls a body with half a surrogate pair truncated.
    """
    return f"not valid JSON: {'half a surrogate pair' if _HALF_PAIR.search(body) else error}"
