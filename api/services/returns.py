"""Returns: a buyer cancels an order, or returns single tickets of a confirmed one.

Both release tickets, put them back on sale and request the refund of a captured payment, in one transaction.
"""

from collections.abc import Callable, Sequence

import msgspec
import psycopg
from psycopg import IsolationLevel

from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import Forbidden, NotCancellable, NotFound
from api.services import refunds
from api.services.access import Access
from api.services.event_rules import is_refundable
from api.services.order_rows import LIVE, LockedOrder, OrderWithBookings, PaymentStatus, RefundRow
from api.services.orders import Change, change, find_bookings, find_order, lock

CANCELLED_BY_BUYER = "cancelled by its buyer"
RETURNED_BY_BUYER = "returned by its buyer"


class _Line(msgspec.Struct, frozen=True):
    """A row of `bookings.list_lines`; `price_minor` in the currency's minor units."""

    id: int
    price_minor: int
    live: bool


async def cancel_order(
    pool: Pool,
    reference: str,
    user_id: str,
    access: Access,
    on_commit: Callable[[str], None] = lambda _: None,
) -> OrderWithBookings:
    """Cancel a buyer's order, release its tickets and return a captured payment.

    A repeated cancellation changes nothing and returns the same. So the returned order has no refunds, whose states
    change later. `on_commit` receives the event's slug after the commit.

    Raises:
        psycopg.Error: the cancellation changed nothing.
        CommitUnknownError: the order may be cancelled. It is safe to cancel it again.
        NotFound: no order that the request may access has this reference.
        Forbidden: the order belongs to another buyer.
        NotCancellable: the order has no tickets, or its event has begun and is not cancelled.
    """
    order, bookings = await _return(pool, reference, user_id, None, access, on_commit)
    return msgspec.structs.replace(order, refunds=()), bookings


async def return_tickets(
    pool: Pool,
    reference: str,
    user_id: str,
    booking_ids: Sequence[int],
    access: Access,
    on_commit: Callable[[str], None] = lambda _: None,
) -> OrderWithBookings:
    """Return single tickets of a buyer's order, by the ids of their bookings, and refund their prices.

    The return of all live tickets cancels the order. A repeated return changes nothing. `on_commit` receives the
    event's slug after the commit.

    Raises:
        psycopg.Error: the return changed nothing.
        CommitUnknownError: the tickets may be returned. It is safe to return them again.
        NotFound: no order that the request may access has this reference, or one of the bookings is not in it.
        Forbidden: the order belongs to another buyer.
        NotCancellable: the order is not paid or has no tickets, or its event has begun and is not cancelled.
    """
    return await _return(pool, reference, user_id, booking_ids, access, on_commit)


async def _return(
    pool: Pool,
    reference: str,
    user_id: str,
    booking_ids: Sequence[int] | None,
    access: Access,
    on_commit: Callable[[str], None],
) -> OrderWithBookings:
    async with open_session(pool) as session:
        async with session.transaction(IsolationLevel.READ_COMMITTED):
            locked = await session.run(lock([reference]))
            if not locked or not access.admits(locked[0]):
                raise NotFound(f"booking {reference}")
            # An account may have claimed the order of a guest with another name.
            if may_return(locked[0], locked[0].user_id if access.owns(locked[0]) else user_id):
                reason = CANCELLED_BY_BUYER if booking_ids is None else RETURNED_BY_BUYER
                await return_lines(session, locked[0], booking_ids, requested_by="buyer", reason=reason)
        on_commit(locked[0].event)
        try:
            order, _ = await find_order(session, reference, access)
            bookings = await find_bookings(session, [order.id])
        except psycopg.Error as error:  # The return is committed, so this error must not look like a rollback.
            raise CommitUnknownError(str(error)) from error
    return order, bookings[order.id]


def may_return(order: LockedOrder, user_id: str) -> bool:
    """Return True if the buyer may return tickets of an order; False if the order is cancelled already.

    Raises:
        Forbidden: the order belongs to another buyer.
        NotCancellable: the order has no tickets, or its event has begun and is not cancelled.
    """
    if order.user_id != user_id:
        raise Forbidden
    if order.status == "cancelled":
        return False
    if order.status not in LIVE:
        raise NotCancellable(f"it is {order.status}")
    if not is_refundable(order):
        raise NotCancellable("the event has begun")
    return True


async def return_lines(
    session: Session,
    order: LockedOrder,
    booking_ids: Sequence[int] | None,
    *,
    requested_by: str,
    reason: str,
) -> RefundRow | None:
    """Release bookings of a pending or confirmed order, and request the refund of their prices.

    Call it in a read committed transaction that has locked the order. The order is cancelled if no booking stays live.

    Args:
        session: the session of the transaction.
        order: the locked order.
        booking_ids: the bookings to release; None: all. Bookings that have ended already stay as they are.
        requested_by: the cause of the refund.
        reason: the reason, for the history and for the buyer.

    Returns:
        The refund; None if nothing was paid or no booking was released.

    Raises:
        NotFound: one of the bookings is not in the order.
        NotCancellable: single bookings of an order without a captured payment.
    """
    lines = await session.run(Statement(queries.bookings.list_lines, {"order_id": order.id}, _Line))
    live = [line for line in lines if line.live]
    if booking_ids is not None and set(booking_ids) - {line.id for line in lines}:
        raise NotFound(f"such ticket in booking {order.reference}")
    chosen = live if booking_ids is None else [line for line in live if line.id in booking_ids]
    if booking_ids is not None and not chosen:
        return None
    if len(chosen) == len(live):
        return await _cancel(session, order, requested_by, reason)
    if order.payment != "captured":
        raise NotCancellable("single tickets can be returned only after the payment")
    refund = await _request(session, order, sum(line.price_minor for line in chosen), requested_by, reason)
    parameters = {"ids": [line.id for line in chosen], "refund_id": refund and refund.id}
    await session.run(Statement(queries.bookings.return_bookings, parameters, affects=len(chosen)))
    return refund


async def _cancel(session: Session, order: LockedOrder, requested_by: str, reason: str) -> RefundRow | None:
    requested = await cancel_orders(session, [order], requested_by=requested_by, reason=reason)
    return requested[0] if requested else None


async def cancel_orders(
    session: Session, orders: Sequence[LockedOrder], *, requested_by: str, reason: str
) -> Sequence[RefundRow]:
    """Cancel pending and confirmed orders, and request the refunds of what their buyers have paid; return the refunds.

    Call it in a read committed transaction that has locked the orders. A paid order gets one refund, less its earlier
    ones.
    """
    await change(session, [cancellation(order, reason) for order in orders])
    captured = [order for order in orders if order.payment == "captured"]
    new = [
        refunds.refund_of(order, rest, requested_by=requested_by, reason=reason)
        for order in captured
        if (rest := order.total_minor - order.refunded_minor)
    ]
    requested = await refunds.request(session, new) if new else []
    if len(new) < len(captured):  # Earlier refunds have the whole amount of some orders, and may have succeeded.
        await session.run(refunds.finish([order.id for order in captured]))
    return requested


def cancellation(order: LockedOrder, reason: str) -> Change:
    """Return the change that cancels an order with tickets."""
    payment: PaymentStatus | None = None
    if order.payment == "captured":
        # The provider must refund the payment of a held order. An inline payment and a total of 0 have no charge.
        payment = "refunding" if order.held and order.total_minor else "refunded"
    return Change(order.id, "cancelled", payment, reason)


async def _request(
    session: Session, order: LockedOrder, amount_minor: int, requested_by: str, reason: str
) -> RefundRow | None:
    """Request a refund, and return it; None for an amount of 0."""
    if not amount_minor:
        return None
    new = refunds.refund_of(order, amount_minor, requested_by=requested_by, reason=reason)
    (refund,) = await refunds.request(session, [new])
    return refund
