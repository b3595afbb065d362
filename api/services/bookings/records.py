"""The rows that a batch inserts: orders, payments and bookings."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from api.database import queries
from api.database.session import Statement
from api.errors import PaymentDeclined
from api.payments import simulator
from api.services.bookings.allocation import TicketsOfParts
from api.services.bookings.model import (
    Booked,
    BookingPolicy,
    Declined,
    NewOrder,
    Parts,
    Ticket,
    Tier,
    hold_seconds,
    is_limited,
    total_minor,
)
from api.services.order_rows import BookingRow, OrderRow

Payment = Literal["captured", "declined", "pending"]
_STATUS_BY_PAYMENT = {"captured": "confirmed", "declined": "declined", "pending": "pending"}


class BatchStart(msgspec.Struct, frozen=True, kw_only=True):
    """The row of `orders.start_batch`."""

    created_at: datetime
    order_ids: list[int]
    booking_ids: list[int]
    in_flight: list[str]
    changed_tiers: list[int]


class Sale(msgspec.Struct, frozen=True):
    """A request with the tickets of its parts and its payment; a declined payment has no tickets."""

    request: NewOrder
    parts: Parts
    tickets: TicketsOfParts
    payment: Payment

    def lines(self) -> list[tuple[Tier, Ticket]]:
        """Return each ticket with its tier, in the order of the parts."""
        return [
            (part.tier, ticket) for part, tickets in zip(self.parts, self.tickets, strict=False) for ticket in tickets
        ]


class Record(msgspec.Struct, frozen=True):
    """A sale with its rows."""

    sale: Sale
    order: OrderRow
    bookings: list[BookingRow]

    def outcome(self) -> Booked | Declined:
        """Return the outcome of the request once the rows are committed."""
        return outcome_of(self.order, self.bookings)


def begin_payment(request: NewOrder, parts: Parts, policy: BookingPolicy) -> Payment:
    """Return the first state of a request's payment; in async mode the provider is charged after the commit."""
    if total_minor(parts) == 0:  # A provider refuses an amount of 0.
        return "captured"
    if policy.payment_mode == "async":
        return "pending"
    return simulator.decide(request.reference, policy.payment_success_rate)


def make_records(sales: Sequence[Sale], start: BatchStart) -> list[Record]:
    """Return the rows of sales, in the order of their references.

    Concurrent transactions insert their orders in the same order, so they cannot deadlock.
    """
    booking_ids = iter(start.booking_ids)
    records = []
    for sale, order_id in zip(sorted(sales, key=lambda sale: sale.request.reference), start.order_ids, strict=False):
        order = make_order(sale.request, sale.parts, sale.payment, order_id, start.created_at)
        lines = [(next(booking_ids), tier, ticket) for tier, ticket in sale.lines()]
        records.append(Record(sale, order, make_bookings(order, lines)))
    return records


def make_order(request: NewOrder, parts: Parts, payment: Payment, order_id: int, created_at: datetime) -> OrderRow:
    """Return the row of an order."""
    held_until = created_at + timedelta(seconds=hold_seconds(parts))
    return OrderRow(
        id=order_id,
        reference=request.reference,
        user_id=request.user_id,
        request_digest=request.digest,
        status=_STATUS_BY_PAYMENT[payment],
        total_minor=total_minor(parts),
        currency=parts[0].tier.currency,
        created_at=created_at,
        expires_at=held_until if payment == "pending" else None,
        payment=payment,
        event=request.event,
        paid_late=False,
        access_digest=request.access_digest,
    )


def make_bookings(order: OrderRow, lines: Iterable[tuple[int, Tier, Ticket]]) -> list[BookingRow]:
    """Return the rows of an order's tickets. A line is the id of its booking, its tier and its ticket."""
    return [
        BookingRow(
            id=booking_id,
            order_id=order.id,
            line=number,
            ticket_id=ticket.id,
            tier=str(tier.tier),
            price_minor=tier.price_minor,
            row_label=ticket.row_label,
            seat_number=ticket.seat_number,
            created_at=order.created_at,
        )
        for number, (booking_id, tier, ticket) in enumerate(lines, start=1)
    ]


def outcome_of(order: OrderRow, bookings: list[BookingRow]) -> Booked | Declined:
    """Return the outcome of a request once its rows are committed."""
    if order.payment == "declined":
        return Declined(PaymentDeclined(order.reference))
    return Booked(order, bookings)


def insertions(records: Sequence[Record], policy: BookingPolicy) -> list[Statement[Any]]:
    """Return the statements that insert the rows and mark the tickets as sold or held."""
    statements = [_insert_orders(records), _insert_payments(records, policy)]
    ctids: dict[datetime | None, list[str]] = defaultdict(list)  # by the end of the hold; None: sold
    for record in records:
        if record.bookings:
            ctids[record.order.expires_at] += [ticket.ctid for _, ticket in record.sale.lines()]
    if ctids:
        statements.append(_insert_bookings(records))
    statements += [
        Statement(queries.tickets.take_tickets, {"ctids": taken, "held_until": held_until})
        for held_until, taken in ctids.items()
    ]
    return statements


def _insert_orders(records: Sequence[Record]) -> Statement[Any]:
    orders = [record.order for record in records]
    requests = [record.sale.request for record in records]
    return Statement(
        queries.orders.insert_orders,
        {
            "ids": [order.id for order in orders],
            "event_ids": [record.sale.parts[0].tier.event_id for record in records],
            "references": [order.reference for order in orders],
            "user_ids": [order.user_id for order in orders],
            "request_digests": [order.request_digest for order in orders],
            "statuses": [order.status for order in orders],
            "quantities": [request.quantity for request in requests],
            "totals_minor": [order.total_minor for order in orders],
            "currencies": [order.currency for order in orders],
            "expires_at": [order.expires_at for order in orders],
            "limit_keys": [
                record.sale.request.limit_key if is_limited(record.sale.parts) else None for record in records
            ],
            "client_hashes": [
                record.sale.request.client_hash if record.sale.payment == "pending" else None for record in records
            ],
            "access_digests": [order.access_digest for order in orders],
            "accounts": [request.account_id for request in requests],
            "emails": [request.email for request in requests],
            "locales": [request.locale for request in requests],
        },
    )


def _insert_payments(records: Sequence[Record], policy: BookingPolicy) -> Statement[Any]:
    orders = [record.order for record in records]
    return Statement(
        queries.payments.insert_payments,
        {
            "order_ids": [order.id for order in orders],
            "statuses": [order.payment for order in orders],
            "amounts_minor": [order.total_minor for order in orders],
            "currencies": [order.currency for order in orders],
            "check_after_ms": policy.payment_check_after_ms,
        },
    )


def _insert_bookings(records: Sequence[Record]) -> Statement[Any]:
    bookings = [booking for record in records for booking in record.bookings]
    return Statement(
        queries.bookings.insert_bookings,
        {
            "ids": [booking.id for booking in bookings],
            "order_ids": [booking.order_id for booking in bookings],
            "lines": [booking.line for booking in bookings],
            "ticket_ids": [booking.ticket_id for booking in bookings],
            "tier_ids": [tier.tier_id for record in records for tier, _ in record.sale.lines()],
            "prices_minor": [booking.price_minor for booking in bookings],
        },
    )
