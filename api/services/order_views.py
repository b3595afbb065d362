"""Orders as buyers see them: reads, bodies on the wire and messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from api import schemas
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.money import currency_digits, to_major
from api.services.access import Access
from api.services.order_rows import ENDED, LIVE, BookingRow, OrderRow, RefundRow, Status, ticket_reference
from api.services.orders import find_bookings, find_order, with_refunds
from api.services.short_reference import short_reference

Show = Literal["upcoming", "past", "cancelled"]
"""A selection of a buyer's orders: for events that have not begun, for events that have, or without tickets."""

_SELECTIONS: dict[Show | None, tuple[tuple[Status, ...], bool | None]] = {
    None: (LIVE + ENDED, None),
    "upcoming": (LIVE, False),
    "past": (LIVE, True),
    "cancelled": (ENDED, None),
}
"""The states of the orders in each selection, and whether their events have begun (None: either)."""

_NEWEST = 2**63 - 1
"""A cursor above every order's id."""

_RETURNED = frozenset({"refunding", "refunded"})
"""States of a payment that is on its way back to the buyer or has arrived there."""

_MESSAGES = {
    "pending": "{tickets} ticket(s) are held for you until your payment is settled",
    "confirmed": "Successfully booked {tickets} ticket(s)",
    "declined": "The payment was declined.",
    "expired": "The payment did not come in time, so the tickets are on sale again.",
    "cancelled": "The booking was cancelled.",
}
_PAID_LATE = "The payment came late, but the same {tickets} ticket(s) were still free and are booked"


async def get_order(pool: Pool, reference: str, access: Access) -> tuple[schemas.Order, datetime]:
    """Return an order in its present state, and the database's time at which it was read.

    Raises:
        NotFound: no order that the request may access has this reference.
    """
    async with open_session(pool) as session:
        order, read_at = await find_order(session, reference, access)
        bookings = await find_bookings(session, [order.id])
        undelivered = await session.run(Statement(queries.messages.find_undelivered, {"order_id": order.id}))
    undelivered_to = mask(undelivered[0][0]) if undelivered else msgspec.UNSET
    return msgspec.structs.replace(to_schema(order, bookings[order.id]), undelivered_to=undelivered_to), read_at


def mask(address: str) -> str:
    """Return an e-mail address of which only the first character and the domain are legible."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


async def list_orders(
    pool: Pool, user_id: str, access: Access, *, show: Show | None = None, limit: int, cursor: int | None
) -> schemas.OrderPage:
    """Return a page of a buyer's orders that a request may access, newest first.

    It has at most `limit` orders, with ids below `cursor`.
    """
    parameters = _selection(show, limit, cursor) | {
        "user_id": user_id,
        "digests": list(access.digests),
        "links": [f"{generation} {reference}" for reference, generation in access.links],
        "open": access.is_open,
    }
    return await _list(pool, Statement(queries.orders.list_orders, parameters, OrderRow), limit)


async def list_account_orders(
    pool: Pool, account_id: int, *, show: Show | None = None, limit: int, cursor: int | None
) -> schemas.OrderPage:
    """Return a page of an account's orders, newest first, like `list_orders`."""
    parameters = _selection(show, limit, cursor) | {"account_id": account_id}
    return await _list(pool, Statement(queries.orders.list_account_orders, parameters, OrderRow), limit)


def _selection(show: Show | None, limit: int, cursor: int | None) -> dict[str, object]:
    """Return the parameters that select a page of orders."""
    statuses, begun = _SELECTIONS[show]
    return {
        "before": cursor or _NEWEST,
        "limit": limit + 1,  # One more row than the page holds shows that another page follows.
        "statuses": statuses,
        "begun": begun,
    }


async def _list(pool: Pool, statement: Statement[OrderRow], limit: int) -> schemas.OrderPage:
    """Return the page of at most `limit` orders that a statement lists."""
    async with open_session(pool) as session:
        rows = await session.run(statement)
        page = await with_refunds(session, rows[:limit])
        bookings = await find_bookings(session, [order.id for order in page])
    return schemas.OrderPage(
        orders=[to_schema(order, bookings[order.id]) for order in page],
        next=str(page[-1].id) if len(rows) > limit else None,
    )


def to_schema(order: OrderRow, bookings: Sequence[BookingRow], secret: str | None = None) -> schemas.Order:
    """Return the body that shows an order in its present state, with its secret if the response may contain it."""
    total = to_major(order.total_minor, order.currency)
    message = _PAID_LATE if order.paid_late and order.status == "confirmed" else _MESSAGES[order.status]
    expires_at = order.expires_at if order.status == "pending" else None
    return schemas.Order(
        success=order.status not in {"declined", "expired"},
        reference=order.reference,
        status=order.status,
        total=total,
        currency=order.currency,
        bookings=[_booking(order, booking) for booking in bookings],
        message=message.format(tickets=sum(booking.returned_at is None for booking in bookings)),
        event=order.event,
        paid_late=order.paid_late,
        currency_digits=currency_digits(order.currency),
        short_reference=short_reference(order.id),
        expires_at=msgspec.UNSET if expires_at is None else expires_at,
        payment_url=order.payment_url or msgspec.UNSET,
        refund=total if order.payment in _RETURNED else msgspec.UNSET,
        booking_secret=msgspec.UNSET if secret is None else secret,
        refunds=[_refund(order, refund) for refund in order.refunds] or msgspec.UNSET,
    )


def _booking(order: OrderRow, booking: BookingRow) -> schemas.Booking:
    return schemas.Booking(
        id=booking.id,
        booking_reference=ticket_reference(order.reference, booking.line),
        ticket_id=booking.ticket_id,
        tier=booking.tier,
        price=to_major(booking.price_minor, order.currency),
        row=booking.row_label,
        seat=booking.seat_number,
        user_id=order.user_id,
        created_at=booking.created_at,
        returned_at=msgspec.UNSET if booking.returned_at is None else booking.returned_at,
    )


def _refund(order: OrderRow, refund: RefundRow) -> schemas.Refund:
    return schemas.Refund(
        id=str(refund.key),
        amount=to_major(refund.amount_minor, order.currency),
        status=refund.status,
        reason=refund.reason,
        created_at=refund.created_at,
    )


def as_first_booked(order: OrderRow) -> OrderRow:
    """Return an order in the state that the first response to its booking request showed."""
    status, payment = ("confirmed", "captured") if order.expires_at is None else ("pending", "pending")
    return msgspec.structs.replace(
        order, status=status, payment=payment, paid_late=False, payment_url=None, refunded_minor=0, refunds=()
    )


def lines_as_first_booked(bookings: Sequence[BookingRow]) -> list[BookingRow]:
    """Return bookings in the state that the first response to their booking request showed."""
    return [msgspec.structs.replace(booking, returned_at=None) for booking in bookings]
