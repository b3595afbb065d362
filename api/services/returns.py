"""Returns: a buyer cancels an order."""

from collections.abc import Callable

import psycopg
from psycopg import IsolationLevel

from api.database.errors import CommitUnknownError
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import Forbidden, NotCancellable, NotFound
from api.services.access import OPEN, Access
from api.services.event_rules import is_refundable
from api.services.order_rows import LIVE, LockedOrder, OrderWithBookings, PaymentStatus
from api.services.orders import Change, change, find_bookings, find_order, lock


async def cancel_order(
    pool: Pool,
    reference: str,
    user_id: str,
    access: Access = OPEN,
    on_commit: Callable[[str], None] = lambda _: None,
) -> OrderWithBookings:
    """Cancel a buyer's order, release its tickets and return a captured payment.

    A repeated cancellation changes nothing. `on_commit` receives the event's slug after the commit.

    Raises:
        psycopg.Error: the cancellation changed nothing.
        CommitUnknownError: the order may be cancelled. It is safe to cancel it again.
        NotFound: no order that the request may access has this reference.
        Forbidden: the order belongs to another buyer.
        NotCancellable: the order has no tickets, or its event has begun and is not cancelled.
    """
    async with open_session(pool) as session:
        async with session.transaction(IsolationLevel.READ_COMMITTED):
            locked = await session.run(lock([reference]))
            if not locked or not access.admits(locked[0]):
                raise NotFound(f"booking {reference}")
            if cancellation := decide_cancellation(locked[0], user_id):
                await change(session, [cancellation])
        on_commit(locked[0].event)
        try:
            order, _ = await find_order(session, reference, access)
            bookings = await find_bookings(session, [order.id])
        except psycopg.Error as error:  # The cancellation is committed, so this error must not look like a rollback.
            raise CommitUnknownError(str(error)) from error
    return order, bookings[order.id]


def decide_cancellation(order: LockedOrder, user_id: str) -> Change | None:
    """Return the change that cancels an order; None if the order is cancelled already.

    Raises:
        Forbidden: the order belongs to another buyer.
        NotCancellable: the order has no tickets, or its event has begun and is not cancelled.
    """
    if order.user_id != user_id:
        raise Forbidden
    if order.status == "cancelled":
        return None
    if order.status not in LIVE:
        raise NotCancellable(f"it is {order.status}")
    if not is_refundable(order):
        raise NotCancellable("the event has begun")
    payment: PaymentStatus | None = None
    if order.payment == "captured":
        # The provider must refund the payment of a held order. An inline payment and a total of 0 have no charge.
        payment = "refunding" if order.held and order.total_minor else "refunded"
    return Change(order.id, "cancelled", payment, "cancelled by its buyer")
