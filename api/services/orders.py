"""Orders as they stand: one by its reference, a buyer's newest first."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg.rows import class_row

from api import contract, queries
from api.config import Settings
from api.db import Pool, Session, Statement, open_session
from api.errors import NotFound

_NEWEST = 2**63 - 1
"""A cursor above every order's id."""
_FORGOTTEN_AT_ONCE = 1000


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `orders.find_orders`; `total_minor` in the currency's minor units."""

    id: int
    reference: str
    user_id: str
    request_digest: bytes
    status: str
    total_minor: int
    currency: str
    created_at: datetime


class BookingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `bookings.find_bookings`; `price_minor` in the currency's minor units."""

    id: int
    order_id: int
    line: int
    ticket_id: int
    tier: str
    price_minor: int
    row_label: str | None
    seat_number: int | None
    created_at: datetime


async def find_bookings(session: Session, order_ids: Sequence[int]) -> dict[int, list[BookingRow]]:
    """Return the bookings of orders, by order and in the order of their lines."""
    statement = Statement(queries.bookings.find_bookings, {"order_ids": order_ids}, class_row(BookingRow))
    (rows,) = await session.run(statement)
    bookings: dict[int, list[BookingRow]] = defaultdict(list)
    for row in rows:
        bookings[row.order_id].append(row)
    return bookings


async def get_order(pool: Pool, reference: str) -> contract.Order:
    """Return the order of a reference, with its present status.

    Raises:
        NotFound: there is none.
    """
    async with open_session(pool) as session:
        statement = Statement(queries.orders.find_orders, {"references": [reference]}, class_row(OrderRow))
        (rows,) = await session.run(statement)
        if not rows:
            raise NotFound(f"There is no booking {reference}.")
        bookings = await find_bookings(session, [rows[0].id])
    return to_contract(rows[0], bookings[rows[0].id])


async def list_orders(pool: Pool, user_id: str, *, limit: int, cursor: int | None) -> contract.OrderPage:
    """Return a page of a buyer's orders, newest first: those below `cursor`, at most `limit`."""
    async with open_session(pool) as session:
        parameters = {"user_id": user_id, "before": cursor or _NEWEST, "limit": limit + 1}
        statement = Statement(queries.orders.list_orders, parameters, class_row(OrderRow))
        (rows,) = await session.run(statement)
        page, more = rows[:limit], len(rows) > limit
        bookings = await find_bookings(session, [row.id for row in page])
    return contract.OrderPage(
        orders=[to_contract(row, bookings[row.id]) for row in page],
        next=str(page[-1].id) if more else None,
    )


def to_contract(order: OrderRow, bookings: Sequence[BookingRow]) -> contract.Order:
    """Return an order as buyers see it."""
    confirmed = order.status == "confirmed"
    return contract.Order(
        success=confirmed,
        reference=order.reference,
        status=order.status,
        total=contract.to_major(order.total_minor, order.currency),
        currency=order.currency,
        bookings=[
            contract.Booking(
                id=booking.id,
                booking_reference=f"{order.reference}-{booking.line}",
                ticket_id=booking.ticket_id,
                tier=booking.tier,
                price=contract.to_major(booking.price_minor, order.currency),
                row=booking.row_label,
                seat=booking.seat_number,
                user_id=order.user_id,
                created_at=booking.created_at,
            )
            for booking in bookings
        ],
        message=f"Successfully booked {len(bookings)} ticket(s)" if confirmed else "The payment was declined.",
    )


async def forget_declined(pool: Pool, settings: Settings) -> int:
    """Delete some of the orders that were declined long ago; return how many.

    A declined order exists only so that a repeat is answered the same.
    """
    parameters = {"days": settings.declined_kept_days, "limit": _FORGOTTEN_AT_ONCE}
    async with pool.connection() as connection:  # One statement, for which read committed is right.
        cursor = await connection.execute(queries.orders.delete_declined.sql, parameters)
    return cursor.rowcount
