"""Orders as they stand, and every change of their state after the booking: settled, expired, cancelled.

All changes take one way: the orders are locked with their payments, `change` brings them, their payments, bookings
and tickets into their new states, and triggers write the history; all in one transaction. README.md draws the states.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from psycopg import IsolationLevel

from api import schemas
from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import Forbidden, NotCancellable, NotFound

_NEWEST = 2**63 - 1
"""A cursor above every order's id."""
_FORGOTTEN_AT_ONCE = 1000
_EXPIRED_AT_ONCE = 500

Show = Literal["upcoming", "past", "cancelled"]
"""Some of a buyer's orders: of events that have not begun, of events that have, those that came to nothing."""

Status = Literal["pending", "confirmed", "declined", "expired", "cancelled"]
PaymentStatus = Literal["pending", "captured", "declined", "void", "refunding", "refunded"]

_LIVE: tuple[Status, ...] = ("pending", "confirmed")
_ENDED: tuple[Status, ...] = ("cancelled", "declined", "expired")
_SHOWN: dict[Show | None, tuple[tuple[Status, ...], bool | None]] = {
    None: (_LIVE + _ENDED, None),
    "upcoming": (_LIVE, False),
    "past": (_LIVE, True),
    "cancelled": (_ENDED, None),
}
"""By what is to be shown: the states of the orders, and whether their events have begun (None: either)."""

_RETURNED = frozenset({"refunding", "refunded"})
"""States of a payment that goes or went back to the buyer."""


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
    expires_at: datetime | None
    """When its hold ends or ended; None: it was decided within the request."""
    payment: str
    event: str
    paid_late: bool
    """Whether it was confirmed after its hold had ended."""


class LockedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `orders.lock_orders`: an order as it stands while it is locked."""

    id: int
    reference: str
    user_id: str
    status: Status
    total_minor: int
    currency: str
    payment: PaymentStatus
    held: bool
    """Whether it was made with a hold, to be paid with the provider."""
    event: str
    begun: bool
    """Whether its event has begun."""
    called_off: bool
    """Whether its event was cancelled."""


class Change(msgspec.Struct, frozen=True):
    """What becomes of a locked order and its payment; None: it stays as it is. `reason` is for its history."""

    order_id: int
    status: Status | None = None
    payment: PaymentStatus | None = None
    reason: str | None = None


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
    statement = Statement(queries.bookings.find_bookings, {"order_ids": order_ids}, BookingRow)
    rows = await session.run(statement)
    bookings: dict[int, list[BookingRow]] = defaultdict(list)
    for row in rows:
        bookings[row.order_id].append(row)
    return bookings


async def get_order(pool: Pool, reference: str) -> tuple[schemas.Order, datetime]:
    """Return the order of a reference with its present status, and the time at which it had that.

    Raises:
        NotFound: there is none.
    """
    async with open_session(pool) as session:
        order, read_at = await find_order(session, reference)
        bookings = await find_bookings(session, [order.id])
    return to_contract(order, bookings[order.id]), read_at


async def find_order(session: Session, reference: str) -> tuple[OrderRow, datetime]:
    """Return the order of a reference, and the time at which it was so.

    Raises:
        NotFound: there is none.
    """
    pipeline = session.pipeline()
    orders = pipeline.add(Statement(queries.orders.find_orders, {"references": [reference]}, OrderRow))
    clock = pipeline.add(Statement(queries.orders.read_clock, {}))
    await pipeline.run()
    if not orders.rows:
        raise NotFound(f"booking {reference}")
    ((read_at,),) = clock.rows
    return orders.rows[0], read_at


async def find_confirmed(session: Session, reference: str) -> tuple[OrderRow, list[BookingRow]]:
    """Return the order of a reference, and its bookings by line, while its tickets admit.

    Raises:
        NotFound: there is no such order, or it is not confirmed.
    """
    order, _ = await find_order(session, reference)
    if order.status != "confirmed":
        raise NotFound(f"ticket of booking {reference}, which is {order.status}")
    bookings = await find_bookings(session, [order.id])
    return order, bookings[order.id]


async def is_known(pool: Pool, reference: str) -> bool:
    """Return whether there is an order of a reference, so that a request under it would be a repeat."""
    async with open_session(pool) as session:
        rows = await session.run(Statement(queries.orders.find_orders, {"references": [reference]}))
    return bool(rows)


async def list_orders(
    pool: Pool, user_id: str, *, show: Show | None = None, limit: int, cursor: int | None
) -> schemas.OrderPage:
    """Return a page of a buyer's orders, newest first: those below `cursor`, at most `limit`."""
    statuses, begun = _SHOWN[show]
    async with open_session(pool) as session:
        parameters = {
            "user_id": user_id,
            "before": cursor or _NEWEST,
            "limit": limit + 1,
            "statuses": statuses,
            "begun": begun,
        }
        statement = Statement(queries.orders.list_orders, parameters, OrderRow)
        rows = await session.run(statement)
        page, more = rows[:limit], len(rows) > limit
        bookings = await find_bookings(session, [row.id for row in page])
    return schemas.OrderPage(
        orders=[to_contract(row, bookings[row.id]) for row in page],
        next=str(page[-1].id) if more else None,
    )


async def cancel_order(pool: Pool, reference: str, user_id: str) -> tuple[schemas.Order, str]:
    """Cancel a buyer's order, give its tickets back and the money, if there was any; return it and its event.

    Cancelling again changes nothing.

    Raises:
        NotFound: there is no such order.
        Forbidden: it is another buyer's.
        NotCancellable: it never came about, or its event has begun.
    """
    async with open_session(pool) as session:
        async with session.transaction(IsolationLevel.READ_COMMITTED):
            locked = await session.run(lock([reference]))
            if not locked:
                raise NotFound(f"booking {reference}")
            order: LockedOrder = locked[0]
            if (cancelled := _cancel(order, user_id)) is not None:
                await change(session, [cancelled])
        statement = Statement(queries.orders.find_orders, {"references": [reference]}, OrderRow)
        rows = await session.run(statement)
        bookings = await find_bookings(session, [order.id])
    return to_contract(rows[0], bookings[order.id]), order.event


def _cancel(order: LockedOrder, user_id: str) -> Change | None:
    """Return what cancelling does to an order; None: it is cancelled already."""
    if order.user_id != user_id:
        raise Forbidden()
    if order.status == "cancelled":
        return None
    if order.status not in {"pending", "confirmed"}:
        raise NotCancellable(f"it is {order.status}")
    if order.begun:
        raise NotCancellable("the event has begun")
    payment: PaymentStatus | None = None
    if order.payment == "captured":
        # The provider is asked to give the money back; the simulator within the request has none to ask for.
        payment = "refunding" if order.held else "refunded"
    return Change(order.id, "cancelled", payment, "cancelled by its buyer")


async def expire_holds(pool: Pool, _: Settings) -> int:
    """Put the tickets of some orders whose time to pay is over back on sale; return how many orders."""
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        rows = await session.run(Statement(queries.orders.lock_expired, {"limit": _EXPIRED_AT_ONCE}))
        changes = [Change(order_id, "expired", reason="not paid in time") for (order_id,) in rows]
        await change(session, changes)
    return len(changes)


def lock(references: Sequence[str]) -> Statement[LockedOrder]:
    """Return the statement that locks orders by their references, for `change`."""
    return Statement(queries.orders.lock_orders, {"references": list(references)}, LockedOrder)


async def reclaim(session: Session, order_ids: Sequence[int]) -> set[int]:
    """Give the tickets that locked orders once held to them again, where all of an order's are free; return which.

    `change` then sells them.
    """
    rows = await session.run(Statement(queries.tickets.lock_released, {"order_ids": list(order_ids)}))
    lost = {order_id for order_id, _, status in rows if status != "available"}
    free: set[int] = set()
    ticket_ids: set[int] = set()
    for order_id in order_ids:
        wanted = {ticket_id for owner, ticket_id, _ in rows if owner == order_id}
        if order_id not in lost and not wanted & ticket_ids:  # Two late payments may be for one ticket.
            free.add(order_id)
            ticket_ids |= wanted
    if free:
        await session.run(Statement(queries.bookings.reclaim_bookings, {"order_ids": list(free)}))
    return free


async def change(session: Session, changes: Sequence[Change]) -> None:
    """Bring locked orders into their new states, with their payments, bookings and tickets.

    The tickets of an order that expired and is confirmed after all are the caller's to reclaim.

    Raises:
        psycopg.errors.CheckViolation: a state does not lead to the other.
    """
    moved = [each for each in changes if each.status is not None]
    paid = [each for each in changes if each.payment is not None]
    sold = [each.order_id for each in moved if each.status == "confirmed"]
    freed = [each.order_id for each in moved if each.status in {"declined", "expired", "cancelled"}]
    pipeline = session.pipeline()
    if moved:
        parameters = {
            "ids": [each.order_id for each in moved],
            "statuses": [each.status for each in moved],
            "reasons": [each.reason for each in moved],
        }
        pipeline.add(Statement(queries.orders.change_orders, parameters, affects=len(moved)))
    if paid:
        parameters = {"order_ids": [each.order_id for each in paid], "statuses": [each.payment for each in paid]}
        pipeline.add(Statement(queries.payments.change_payments, parameters, affects=len(paid)))
    if sold:
        pipeline.add(Statement(queries.tickets.sell_held, {"order_ids": sold}))
    if freed:
        pipeline.add(Statement(queries.bookings.release_bookings, {"order_ids": freed}))
    await pipeline.run()


def first_answer(order: OrderRow) -> OrderRow:
    """Return an order as its booking request was answered, whatever has become of it since."""
    if order.expires_at is None:
        return msgspec.structs.replace(order, status="confirmed", payment="captured")
    return msgspec.structs.replace(order, status="pending", payment="pending", paid_late=False)


def ticket_reference(reference: str, line: int) -> str:
    """Return the public name of one ticket of an order."""
    return f"{reference}-{line}"


def to_contract(order: OrderRow, bookings: Sequence[BookingRow]) -> schemas.Order:
    """Return an order as buyers see it."""
    total = schemas.to_major(order.total_minor, order.currency)
    message = _PAID_LATE if order.paid_late and order.status == "confirmed" else _MESSAGES[order.status]
    pending = order.expires_at if order.status == "pending" else None
    return schemas.Order(
        success=order.status not in {"declined", "expired"},
        reference=order.reference,
        status=order.status,
        total=total,
        currency=order.currency,
        bookings=[
            schemas.Booking(
                id=booking.id,
                booking_reference=ticket_reference(order.reference, booking.line),
                ticket_id=booking.ticket_id,
                tier=booking.tier,
                price=schemas.to_major(booking.price_minor, order.currency),
                row=booking.row_label,
                seat=booking.seat_number,
                user_id=order.user_id,
                created_at=booking.created_at,
            )
            for booking in bookings
        ],
        message=message.format(tickets=len(bookings)),
        event=order.event,
        paid_late=order.paid_late,
        expires_at=msgspec.UNSET if pending is None else pending,
        refund=total if order.payment in _RETURNED else msgspec.UNSET,
    )


_MESSAGES = {
    "pending": "{tickets} ticket(s) are held for you until your payment is settled",
    "confirmed": "Successfully booked {tickets} ticket(s)",
    "declined": "The payment was declined.",
    "expired": "The payment did not come in time, so the tickets are on sale again.",
    "cancelled": "The booking was cancelled.",
}
_PAID_LATE = "The payment came late, but the same {tickets} ticket(s) were still free and are booked"


async def purge_declined(pool: Pool, settings: Settings) -> int:
    """Delete some of the orders that were declined long ago; return how many.

    A declined order exists only so that a repeat is answered the same.
    """
    parameters = {"days": settings.declined_kept_days, "limit": _FORGOTTEN_AT_ONCE}
    async with pool.connection() as connection:  # One statement, for which read committed is right.
        cursor = await connection.execute(queries.orders.delete_declined.sql, parameters)
    return cursor.rowcount
