"""Orders after the booking: reads, and every change of an order's state.

Each change locks the orders with their payments. `change` then updates orders, payments, bookings and tickets in one
transaction, and triggers write the history. README.md draws the states.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.replication import run_replicated
from api.database.session import Session, Statement, open_session
from api.errors import NotFound
from api.services.access import Access
from api.services.isolation import ROW_ERRORS, run_singly
from api.services.order_rows import (
    LIVE,
    BookingRow,
    LockedOrder,
    OrderEvent,
    OrderRow,
    OrderWithBookings,
    PaymentStatus,
    RefundRow,
    Status,
)

_EXPIRE_BATCH = 500
_PURGE_BATCH = 1000


class Change(msgspec.Struct, frozen=True):
    """The new states of a locked order and its payment; None keeps a state. The history stores `reason`."""

    order_id: int
    status: Status | None = None
    payment: PaymentStatus | None = None
    reason: str | None = None


async def find_bookings(session: Session, order_ids: Sequence[int]) -> dict[int, list[BookingRow]]:
    """Return the bookings of orders by order id, in the order of their lines.

    The standby then has the orders as the session has read them, so that a failover cannot falsify a response.
    """
    statement = Statement(queries.bookings.find_bookings, {"order_ids": order_ids}, BookingRow)
    rows = await run_replicated(session, statement, order_ids)
    bookings: dict[int, list[BookingRow]] = defaultdict(list)
    for row in rows:
        bookings[row.order_id].append(row)
    return bookings


async def find_order(session: Session, reference: str, access: Access) -> tuple[OrderRow, datetime]:
    """Return an order with its refunds, and the database's time at which it was read.

    Raises:
        NotFound: no order that the request may access has this reference.
    """
    pipeline = session.pipeline()
    found = pipeline.add(select_orders([reference]))
    clock = pipeline.add(Statement(queries.orders.read_clock, {}))
    await pipeline.run()
    if not found.rows or not access.admits(found.rows[0]):
        raise NotFound(f"booking {reference}")
    ((read_at,),) = clock.rows
    (order,) = await with_refunds(session, found.rows)
    return order, read_at


async def with_refunds(session: Session, rows: Sequence[OrderRow]) -> list[OrderRow]:
    """Return orders with their refunds. Most orders have none, so that no statement runs."""
    ids = [order.id for order in rows if order.refunded_minor]
    if not ids:
        return list(rows)
    refunds: dict[int, list[RefundRow]] = defaultdict(list)
    for refund in await session.run(Statement(queries.refunds.list_refunds, {"order_ids": ids}, RefundRow)):
        refunds[refund.order_id].append(refund)
    return [msgspec.structs.replace(order, refunds=tuple(refunds[order.id])) for order in rows]


async def find_event(session: Session, order_id: int) -> OrderEvent:
    """Return the event of an order."""
    (event,) = await session.run(Statement(queries.orders.find_event, {"order_id": order_id}, OrderEvent))
    return event


async def find_confirmed(session: Session, reference: str, access: Access) -> OrderWithBookings:
    """Return a confirmed order and its live bookings.

    Raises:
        NotFound: no order that the request may access has this reference, or it is not confirmed.
    """
    order, _ = await find_order(session, reference, access)
    if order.status != "confirmed":
        raise NotFound(f"ticket of booking {reference}, which is {order.status}")
    bookings = await find_bookings(session, [order.id])
    return order, [booking for booking in bookings[order.id] if booking.returned_at is None]


def select_orders(references: Sequence[str]) -> Statement[OrderRow]:
    """Return the statement that finds orders by reference."""
    return Statement(queries.orders.find_orders, {"references": references}, OrderRow)


def lock(references: Sequence[str]) -> Statement[LockedOrder]:
    """Return the statement that locks orders by reference, for `change`."""
    return Statement(queries.orders.lock_orders, {"references": references}, LockedOrder)


async def expire_holds(pool: Pool, _: Settings) -> int:
    """Expire a batch of orders whose hold has ended; return their number.

    An order that fails does not stop the others.
    """
    try:
        return await _expire(pool)
    except ROW_ERRORS:
        async with open_session(pool) as session:
            ids = [order_id for (order_id,) in await session.run(_lock_expired(only=None))]
        return await run_singly("order", ids, lambda order_id: _expire(pool, only=order_id))


async def _expire(pool: Pool, only: int | None = None) -> int:
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        rows = await session.run(_lock_expired(only))
        changes = [Change(order_id, "expired", reason="not paid in time") for (order_id,) in rows]
        await change(session, changes)
    return len(changes)


def _lock_expired(only: int | None) -> Statement[tuple[Any, ...]]:
    return Statement(queries.orders.lock_expired, {"limit": _EXPIRE_BATCH, "only": only})


async def reclaim(session: Session, order_ids: Sequence[int]) -> set[int]:
    """Restore the bookings of expired orders whose tickets are all available; return the ids of these orders.

    An order stays expired if its buyer would exceed a limit of tickets, because of later bookings. The caller has
    locked the orders. `change` then sells the tickets.
    """
    rows = await session.run(Statement(queries.tickets.lock_released, {"order_ids": order_ids}))
    guarded = await session.run(Statement(queries.buyers.lock_guards, {"order_ids": order_ids}))
    limited = {order_id for (order_id,) in guarded}
    lost = {order_id for order_id, _, status in rows if status != "available"}
    reclaimed: set[int] = set()
    taken: set[int] = set()
    for order_id in order_ids:
        tickets = {ticket_id for owner_id, ticket_id, _ in rows if owner_id == order_id}
        if order_id in lost or tickets & taken:  # Two orders may have held the same ticket.
            continue
        if order_id in limited and not await _fits_limits(session, order_id):
            continue
        await session.run(Statement(queries.bookings.reclaim_bookings, {"order_ids": [order_id]}))
        reclaimed.add(order_id)
        taken |= tickets
    return reclaimed


async def _fits_limits(session: Session, order_id: int) -> bool:
    ((fits,),) = await session.run(Statement(queries.buyers.fits_limits, {"order_id": order_id}))
    return bool(fits)


async def change(session: Session, changes: Sequence[Change]) -> None:
    """Change the states of locked orders, their payments, bookings and tickets.

    The caller reclaims the tickets of an expired order before it confirms the order.

    Raises:
        psycopg.errors.CheckViolation: the transition between two states does not exist.
    """
    moved = [each for each in changes if each.status is not None]
    paid = [each for each in changes if each.payment is not None]
    sold = [each.order_id for each in moved if each.status == "confirmed"]
    ended = [each for each in moved if each.status not in LIVE]
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
    if moved:
        parameters = {"order_ids": [each.order_id for each in moved], "statuses": [each.status for each in moved]}
        pipeline.add(Statement(queries.checkouts.close_soon, parameters))
    if ended:
        parameters = {"order_ids": [each.order_id for each in ended], "statuses": [each.status for each in ended]}
        pipeline.add(Statement(queries.bookings.release_bookings, parameters))
    await pipeline.run()


async def purge_declined(pool: Pool, settings: Settings) -> int:
    """Delete a batch of orders that were declined long ago; return their number.

    A declined order exists only to give repeats of its request the same response.
    """
    parameters = {"days": settings.declined_kept_days, "limit": _PURGE_BATCH}
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        cursor = await connection.execute(queries.orders.delete_declined.sql, parameters)
    return cursor.rowcount
