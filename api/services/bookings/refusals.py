"""Refusals and repeats: the responses that a request gets without a sale."""

import math
from collections.abc import Sequence

import msgspec

from api.errors import (
    AllHeld,
    AmountTooSmall,
    ApiError,
    Busy,
    BuyerLimit,
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
    Part,
    Parts,
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
    BuyerLimit,
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


def refuse_closed_sale(tier: Tier) -> NotOnSale | None:
    """Return the error of a request for a tier of an event that is not on sale; otherwise None."""
    match sale_state(tier):
        case "on_sale":
            return None
        case "cancelled":
            return NotOnSale(None)
        case _:
            return NotOnSale((tier.sales_start_at, sale_ends_at(tier)))


def refuse_price(request: NewOrder, parts: Parts) -> PriceChanged | None:
    """Return the error of a request that expects another total; otherwise None.

    Clients may calculate the total in floating-point numbers, so the comparison ignores their rounding errors.
    """
    total, currency = total_minor(parts), parts[0].tier.currency
    if request.expected_total is None or is_amount(request.expected_total, total, currency):
        return None
    return PriceChanged(total, currency)


def refuse_charge(parts: Parts, policy: BookingPolicy) -> AmountTooSmall | Busy | None:
    """Return the error of a request whose total the provider does not charge, or cannot charge now; otherwise None."""
    total, currency = total_minor(parts), parts[0].tier.currency
    if not total:
        return None
    if total < (minimum := policy.payment_minimums_minor.get(currency, 0)):
        return AmountTooSmall(total, minimum, currency)
    return None if policy.provider_available else Busy("payments")


def replay(request: NewOrder, order: OrderRow, bookings: Sequence[BookingRow]) -> Decision:
    """Return the decision on a request whose reference has an order."""
    if order.request_digest != request.digest:
        return Refused(KeyReused(request.reference))
    if order.status == "declined" and order.expires_at is None:  # Declined within the booking request.
        return Declined(PaymentDeclined(request.reference), replayed=True)
    return Booked(order, bookings, replayed=True)


def seat_taken(request: NewOrder, part: Part, tickets: Sequence[Ticket]) -> ApiError:
    """Return the error that names the unavailable tickets of a request; `part` names the first of them."""
    names = {
        ticket.id: f"row {ticket.row_label} seat {ticket.seat_number}" if ticket.row_label else f"ticket {ticket.id}"
        for ticket in tickets
    }
    return of_item(SeatTaken(names), request, part.item)


def classify_shortage(request: NewOrder, part: Part, quantity: int, stock: TierStock) -> Refused | Retry:
    """Classify a request that got no tickets by the committed stock of a tier.

    Uncommitted transactions may still release their tickets. Therefore only committed sales make a tier sold out.

    Args:
        request: the request.
        part: the part for which tickets were missing.
        quantity: the number of tickets that the whole request needs from the tier of that part.
        stock: the stock of that tier.
    """
    error = refuse_shortage(part.tier, quantity, stock)
    return Refused(of_item(error, request, part.item)) if error else Retry("locked_tickets")


def refuse_shortage(tier: Tier, quantity: int, stock: TierStock) -> AllHeld | SoldOut | None:
    """Return the error of a quantity that the committed stock of a tier cannot satisfy; otherwise None."""
    name = str(tier.tier)
    if stock.available >= quantity:
        return None
    if stock.available + stock.held >= quantity:
        return AllHeld(name, stock.available, retry_after_s=max(1, math.ceil(stock.back_in_s or 0)))
    return SoldOut(name, stock.available)


def of_item(error: ApiError, request: NewOrder, item: int) -> ApiError:
    """Return an error that names the item at fault if the request lists items."""
    if request.itemized:
        error.details["item"] = item
    return error
