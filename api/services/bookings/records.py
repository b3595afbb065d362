"""The rows that a batch inserts: orders, payments and bookings."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from api.database import queries
from api.database.session import Statement
from api.errors import PaymentDeclined
from api.services.bookings.allocation import TicketsOfParts
from api.services.bookings.model import Booked, BookingPolicy, Declined, NewOrder, Parts, Ticket, Tier, total_minor
from api.services.order_rows import BookingRow, OrderRow

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
    payment: Literal["captured", "declined", "pending"]

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
        if self.sale.payment == "declined":
            return Declined(PaymentDeclined(self.order.reference))
        return Booked(self.order, self.bookings)


def make_records(sales: Sequence[Sale], start: BatchStart, policy: BookingPolicy) -> list[Record]:
    """Return the rows of sales, in the order of their references.

    Concurrent transactions insert their orders in the same order, so they cannot deadlock.
    """
    order_ids, booking_ids = iter(start.order_ids), iter(start.booking_ids)
    held_until = start.created_at + timedelta(seconds=policy.hold_seconds)
    records = []
    for sale in sorted(sales, key=lambda sale: sale.request.reference):
        request, parts = sale.request, sale.parts
        order = OrderRow(
            id=next(order_ids),
            reference=request.reference,
            user_id=request.user_id,
            request_digest=request.digest,
            status=_STATUS_BY_PAYMENT[sale.payment],
            total_minor=total_minor(parts),
            currency=parts[0].tier.currency,
            created_at=start.created_at,
            expires_at=held_until if sale.payment == "pending" else None,
            payment=sale.payment,
            event=request.event,
            paid_late=False,
        )
        bookings = [
            BookingRow(
                id=next(booking_ids),
                order_id=order.id,
                line=line,
                ticket_id=ticket.id,
                tier=str(tier.tier),
                price_minor=tier.price_minor,
                row_label=ticket.row_label,
                seat_number=ticket.seat_number,
                created_at=start.created_at,
            )
            for line, (tier, ticket) in enumerate(sale.lines(), start=1)
        ]
        records.append(Record(sale, order, bookings))
    return records


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
    return Statement(
        queries.orders.insert_orders,
        {
            "ids": [order.id for order in orders],
            "event_ids": [record.sale.parts[0].tier.event_id for record in records],
            "references": [order.reference for order in orders],
            "user_ids": [order.user_id for order in orders],
            "request_digests": [order.request_digest for order in orders],
            "statuses": [order.status for order in orders],
            "quantities": [record.sale.request.quantity for record in records],
            "totals_minor": [order.total_minor for order in orders],
            "currencies": [order.currency for order in orders],
            "expires_at": [order.expires_at for order in orders],
            "client_hashes": [
                record.sale.request.client_hash if record.sale.payment == "pending" else None for record in records
            ],
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
