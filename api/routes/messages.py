"""E-mails on request: the link to one order again, and the links to all orders of an address."""

import logging
from collections.abc import Coroutine
from typing import Any, Final

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.database.errors import CommitUnknownError
from api.database.session import write_with_timeout
from api.errors import ApiError, Busy, NotFound, RateLimited, Unauthorized
from api.http.access import OrderSecret, access_to_order
from api.http.client_address import client_network
from api.http.even_timing import in_even_time
from api.http.identity import OPTIONAL, Caller
from api.http.open_orders import OpenOrders
from api.http.openapi import refusals
from api.http.rate_limit import address_of
from api.http.request_body import StrictBody
from api.http.state import ApiState
from api.routes.bookings import BODY_REFUSALS, BOOKINGS, ReferenceInPath, valid_reference
from api.schemas import EmailRequest, MessageQueued
from api.services.mail.requests import send_links, send_order

_log = logging.getLogger(__name__)

LINKS = "/api/links"
"""A path outside of `/api/bookings`, where a client's own reference may be `links`."""
_MINUTE_S = 60
_REFUSALS: Final[frozenset[type[ApiError]]] = frozenset((*BODY_REFUSALS, RateLimited))


@post(
    BOOKINGS + "/{reference:str}/email",
    status_code=202,
    dto=StrictBody[EmailRequest],
    return_dto=None,
    responses={
        202: ResponseSpec(MessageQueued, description="An e-mail follows", generate_examples=False),
        **refusals((*_REFUSALS, Unauthorized, NotFound)),
    },
    security=OPTIONAL,
)
async def send_booking(
    request: Request[None, None, ApiState],
    state: ApiState,
    reference: ReferenceInPath,
    data: JSONBody[EmailRequest],
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[MessageQueued]:
    """Send the link to a booking by e-mail, with the tickets of a confirmed one.

    The address becomes that of the booking, so that further messages go there.
    """
    take_message(request, state)
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    await queue(send_order(state.pool, state.settings, valid_reference(reference), access, data.email, data.locale))
    return Response(MessageQueued(), status_code=202, headers={"Cache-Control": "no-store"})


@post(
    LINKS,
    status_code=202,
    dto=StrictBody[EmailRequest],
    return_dto=None,
    responses={
        202: ResponseSpec(
            MessageQueued, description="An e-mail follows if the address has bookings", generate_examples=False
        ),
        **refusals(_REFUSALS),
    },
)
async def send_booking_links(
    request: Request[None, None, ApiState], state: ApiState, data: JSONBody[EmailRequest]
) -> Response[MessageQueued]:
    """Send the links to all bookings of an address to that address.

    The response and its time are the same for every address, so that nobody learns who has booked.
    """
    take_message(request, state)
    await queue_evenly(state, send_links(state.pool, state.settings, data.email, data.locale))
    return Response(MessageQueued(), status_code=202, headers={"Cache-Control": "no-store"})


def take_message(request: Request[None, None, ApiState], state: ApiState) -> None:
    """Take a unit of the client's limit.

    Raises:
        RateLimited: the client's network has requested too many e-mails.
    """
    limit = state.message_requests
    if wait_s := limit.take(client_network(address_of(request.scope))):
        raise RateLimited("message_requests", quota=limit.quota, window_s=_MINUTE_S, retry_after_s=wait_s)


async def queue_evenly(state: ApiState, queueing: Coroutine[Any, Any, None]) -> None:
    """Queue a message in a time that does not depend on its address.

    Raises:
        Busy: the database is away. A repeat may send a second message.
    """
    await in_even_time(queue(queueing), state.settings.links_response_ms / 1000)


async def queue(queueing: Coroutine[Any, Any, None]) -> None:
    """Queue a message.

    Raises:
        Busy: the database is away. A repeat may send a second message.
    """
    try:
        await write_with_timeout(queueing)
    except CommitUnknownError as error:
        _log.warning("The outcome of a request for an e-mail is unknown: %s", error)
        raise Busy from error
