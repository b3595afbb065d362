"""Rows of orders, bookings and refunds, and their states."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from api.services.event_rules import EventTimes

Status = Literal["pending", "confirmed", "declined", "expired", "cancelled"]
PaymentStatus = Literal["pending", "captured", "declined", "void", "refunding", "refunded"]
RefundStatus = Literal["requested", "pending", "succeeded", "failed"]

LIVE: tuple[Status, ...] = ("pending", "confirmed")
"""States in which an order has tickets."""
ENDED: tuple[Status, ...] = ("cancelled", "declined", "expired")
"""States in which an order has no tickets."""

EVENT_CANCELLED = "the event was cancelled"
"""The reason of orders and refunds that end because of their event, by which the e-mails recognize them."""


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `orders.find_orders` or `orders.list_orders`; `total_minor` in the currency's minor units."""

    id: int
    reference: str
    user_id: str
    request_digest: bytes
    status: str
    total_minor: int
    currency: str
    created_at: datetime
    expires_at: datetime | None
    """The end of the order's hold; None if the payment was decided within the booking request."""
    payment: str
    event: str
    """The event's slug."""
    paid_late: bool
    """True if the order was confirmed after the end of its hold."""
    payment_url: str | None = None
    """The address of the provider's page while a pending order can be paid there. `orders.list_orders` omits it."""
    access_digest: bytes | None = None
    """SHA-256 of the order's secret; None if it was made without a secret."""
    account_id: int | None = None
    """The account of the buyer; None if the order belongs to no account."""
    link_generation: int = 0
    """The number of times that the links of the order were revoked. `orders.list_orders` omits it."""
    refunded_minor: int = 0
    """The sum of the payment's refunds in every state, in the currency's minor units."""
    refunds: "tuple[RefundRow, ...]" = ()
    """The refunds of the payment, oldest first. The statement does not read them."""


class BookingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `bookings.find_bookings`; `price_minor` in the currency's minor units."""

    id: int
    order_id: int
    line: int
    """The booking's number within its order, from 1."""
    ticket_id: int
    tier: str
    price_minor: int
    row_label: str | None
    seat_number: int | None
    created_at: datetime
    returned_at: datetime | None = None
    """The time at which the ticket was returned by itself; None if it was not."""


class RefundRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `refunds.insert_refunds` or `refunds.list_refunds`; `amount_minor` in the currency's minor units."""

    id: int
    order_id: int
    key: UUID
    payment_id: int
    amount_minor: int
    status: RefundStatus
    reason: str
    created_at: datetime


OrderWithBookings = tuple[OrderRow, Sequence[BookingRow]]
"""An order and its bookings in the order of their lines."""


class LockedOrder(EventTimes, frozen=True, kw_only=True):
    """A row of `orders.lock_orders` with the times of its event; `total_minor` in the currency's minor units."""

    id: int
    reference: str
    user_id: str
    status: Status
    total_minor: int
    currency: str
    payment_id: int
    payment: PaymentStatus
    refunded_minor: int
    """The sum of the payment's refunds in every state, in the currency's minor units."""
    held: bool
    """True if the order was made with a hold, for a payment by the provider."""
    event: str
    """The event's slug."""
    access_digest: bytes | None = None
    """SHA-256 of the order's secret; None if it was made without a secret."""
    account_id: int | None = None
    """The account of the buyer; None if the order belongs to no account."""
    link_generation: int = 0
    """The number of times that the links of the order were revoked."""
    reason: str | None = None
    """The reason of the last change of the order's state."""


class OrderEvent(EventTimes, frozen=True, kw_only=True):
    """A row of `orders.find_event`: the event of an order with its last change, and the time of the order."""

    slug: str
    name: str
    venue: str
    address: str | None
    updated_at: datetime
    revision: int
    ordered_at: datetime


def is_ended_by_event(order: LockedOrder) -> bool:
    """Return whether an order has ended because of its event."""
    return order.status == "cancelled" and order.reason == EVENT_CANCELLED


def ticket_reference(reference: str, line: int) -> str:
    """Return the public reference of one ticket of an order."""
    return f"{reference}-{line}"
