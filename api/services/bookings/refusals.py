"""Refusals and repeats: the responses that a request gets without a sale."""

import math
from collections.abc import Container, Mapping, Sequence

import msgspec

from api.errors import (
    AllHeld,
    AmountTooSmall,
    ApiError,
    Busy,
    InvalidRequest,
    KeyReused,
    NotOnSale,
    PaymentDeclined,
    PriceChanged,
    SeatTaken,
    SoldOut,
    UnknownEvent,
    UnknownTier,
)
from api.money import is_amount
from api.services.bookings.model import (
    Booked,
    BookingPolicy,
    Decision,
    Declined,
    NewOrder,
    Refused,
    Retry,
    Ticket,
    Tier,
    total_minor,
)
from api.services.event_rules import sale_ends_at, sale_state
from api.services.order_rows import BookingRow, OrderRow

REFUSALS: tuple[type[ApiError], ...] = (
    AllHeld,
    AmountTooSmall,
    InvalidRequest,
    KeyReused,
    NotOnSale,
    PaymentDeclined,
    PriceChanged,
    SeatTaken,
    SoldOut,
    UnknownEvent,
    UnknownTier,
)
"""The refusals of a valid request body. Every route that books declares them."""


class TierStock(msgspec.Struct, frozen=True):
    """A row of `tickets.count_left`: the committed tickets of a tier.

    `back_in_s` is the time until the first hold ends, in seconds; None without a hold.
    """

    tier_id: int
    available: int
    held: int
    back_in_s: float | None


def refuse_early(
    request: NewOrder, events: Container[str], tier: Tier | None, named: Mapping[int, Ticket]
) -> ApiError | None:
    """Return the error of a request that no stock can satisfy; None if the request may proceed.

    `events` are the slugs that exist. `named` are the existing tickets by id.
    """
    if request.event not in events:
        return UnknownEvent(request.event)
    if tier is None:
        return UnknownTier(request.tier)
    if (state := sale_state(tier)) != "on_sale":
        return NotOnSale(None if state == "cancelled" else (tier.sales_start_at, sale_ends_at(tier)))
    return refuse_tickets(request, tier, named) or refuse_price(request, tier)


def refuse_tickets(request: NewOrder, tier: Tier, named: Mapping[int, Ticket]) -> InvalidRequest | None:
    """Return the error of a request that names tickets outside its tier; otherwise None."""
    foreign = [
        ticket_id
        for ticket_id in request.ticket_ids
        if (ticket := named.get(ticket_id)) is None or ticket.tier_id != tier.tier_id
    ]
    if not foreign:
        return None
    ids = ", ".join(map(str, foreign))
    return InvalidRequest(f"not tickets of the tier {request.tier!r}: {ids}", field="ticketIds")


def refuse_price(request: NewOrder, tier: Tier) -> PriceChanged | None:
    """Return the error of a request that expects another total; otherwise None.

    Clients may calculate the total in floating-point numbers, so the comparison ignores their rounding errors.
    """
    total = total_minor(request, tier)
    if request.expected_total is None or is_amount(request.expected_total, total, tier.currency):
        return None
    return PriceChanged(total, tier.currency)


def refuse_charge(request: NewOrder, tier: Tier, policy: BookingPolicy) -> AmountTooSmall | Busy | None:
    """Return the error of a request whose total the provider does not charge, or cannot charge now; otherwise None."""
    total = total_minor(request, tier)
    if not total:
        return None
    if total < (minimum := policy.payment_minimums_minor.get(tier.currency, 0)):
        return AmountTooSmall(total, minimum, tier.currency)
    return None if policy.provider_available else Busy("payments")


def replay(request: NewOrder, order: OrderRow, bookings: Sequence[BookingRow]) -> Decision:
    """Return the decision on a request whose reference has an order."""
    if order.request_digest != request.digest:
        return Refused(KeyReused(request.reference))
    if order.status == "declined" and order.expires_at is None:  # Declined within the booking request.
        return Declined(PaymentDeclined(request.reference), replayed=True)
    return Booked(order, bookings, replayed=True)


def seat_taken(tickets: Sequence[Ticket]) -> SeatTaken:
    """Return the error that names the unavailable tickets of a request."""
    return SeatTaken(
        {
            ticket.id: f"row {ticket.row_label} seat {ticket.seat_number}"
            if ticket.row_label
            else f"ticket {ticket.id}"
            for ticket in tickets
        }
    )


def classify_shortage(request: NewOrder, stock: TierStock) -> Refused | Retry:
    """Classify a request that got no tickets by the committed stock of its tier.

    Uncommitted transactions may still release their tickets. Therefore only committed sales make a tier sold out.
    """
    if stock.available >= request.quantity:
        return Retry("locked_tickets")
    if stock.available + stock.held >= request.quantity:
        retry_after_s = max(1, math.ceil(stock.back_in_s or 0))
        return Refused(AllHeld(request.tier, stock.available, retry_after_s=retry_after_s))
    return Refused(SoldOut(request.tier, stock.available))
