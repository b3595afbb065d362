"""Changes of a booking by its buyer: the cancellation, and the return of single tickets."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.database.errors import CommitUnknownError
from api.database.session import write_with_timeout
from api.errors import ApiError, Busy, NotCancellable, NotFound, Unauthorized
from api.http.access import OrderSecret, access_to_order
from api.http.identity import OPTIONAL, Caller
from api.http.open_orders import OpenOrders
from api.http.openapi import refusals
from api.http.request_body import StrictBody
from api.http.state import ApiState
from api.logs import order_label
from api.routes.bookings import BODY_REFUSALS, BOOKINGS, ReferenceInPath, valid_buyer, valid_reference
from api.schemas import CancelRequest, Order, ReturnRequest
from api.services.order_rows import OrderWithBookings
from api.services.order_views import to_schema
from api.services.returns import cancel_order, return_tickets

_log = logging.getLogger(__name__)

CHANGE_REFUSALS: Final[frozenset[type[ApiError]]] = frozenset((*BODY_REFUSALS, Unauthorized, NotFound, NotCancellable))


@post(
    BOOKINGS + "/{reference:str}/cancel",
    status_code=200,
    dto=StrictBody[CancelRequest],
    return_dto=None,
    responses={
        200: ResponseSpec(Order, description="Cancelled by this or an earlier request", generate_examples=False),
        **refusals(CHANGE_REFUSALS),
    },
    security=OPTIONAL,
)
async def cancel_booking(
    state: ApiState,
    reference: ReferenceInPath,
    data: JSONBody[CancelRequest],
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[Order]:
    """Cancel a booking: release its tickets and refund a captured payment.

    Only the buyer can cancel; a signed-in owner needs no matching `userId`. Repeats return the same response.
    """
    reference, buyer = valid_reference(reference), valid_buyer(data.user_id)
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    return await _change(
        state, reference, lambda on_commit: cancel_order(state.pool, reference, buyer, access, on_commit)
    )


@post(
    BOOKINGS + "/{reference:str}/returns",
    status_code=200,
    dto=StrictBody[ReturnRequest],
    return_dto=None,
    responses={
        200: ResponseSpec(Order, description="Returned by this or an earlier request", generate_examples=False),
        **refusals(CHANGE_REFUSALS),
    },
    security=OPTIONAL,
)
async def return_booked_tickets(
    state: ApiState,
    reference: ReferenceInPath,
    data: JSONBody[ReturnRequest],
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[Order]:
    """Return single tickets of a confirmed booking: put them back on sale and refund their prices.

    Only the buyer can return tickets. The return of all remaining tickets cancels the booking. Repeats change nothing.
    """
    reference, buyer = valid_reference(reference), valid_buyer(data.user_id)
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    return await _change(
        state,
        reference,
        lambda on_commit: return_tickets(state.pool, reference, buyer, data.bookings, access, on_commit),
    )


async def _change(
    state: ApiState,
    reference: str,
    change: Callable[[Callable[[str], None]], Coroutine[Any, Any, OrderWithBookings]],
) -> Response[Order]:
    """Make a change that releases tickets, and return the changed order.

    Raises:
        Busy: the outcome of the change is unknown.
    """

    def on_commit(event: str) -> None:
        state.availability.invalidate({event})
        state.states.invalidate({event})

    try:
        order, bookings = await write_with_timeout(change(on_commit))
    except CommitUnknownError as error:
        _log.warning("The outcome of the change of %s is unknown: %s", order_label(reference), error)
        raise Busy(unknown=True, reference=reference) from error
    return Response(to_schema(order, bookings), status_code=200, headers={"Cache-Control": "no-store"})
