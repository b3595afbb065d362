"""The revocation of the links to a booking by its holder."""

import logging

from litestar import Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.account_schemas import LinksRevoked, RevocationRequest
from api.database.errors import CommitUnknownError
from api.database.session import write_with_timeout
from api.errors import Busy, NotFound, SecretUnchanged, Unauthorized
from api.http.access import OrderSecret, access_to_order
from api.http.identity import OPTIONAL, Caller
from api.http.open_orders import OpenOrders
from api.http.openapi import refusals
from api.http.request_body import StrictBody
from api.http.state import ApiState
from api.logs import order_label
from api.routes.bookings import BODY_REFUSALS, BOOKINGS, ReferenceInPath, valid_reference
from api.services.link_revocations import revoke_links

_log = logging.getLogger(__name__)


@post(
    BOOKINGS + "/{reference:str}/links/revoke",
    status_code=200,
    dto=StrictBody[RevocationRequest],
    return_dto=None,
    responses={
        200: ResponseSpec(LinksRevoked, description="Revoked by this or an earlier request", generate_examples=False),
        **refusals((*BODY_REFUSALS, Unauthorized, NotFound, SecretUnchanged)),
    },
    security=OPTIONAL,
)
async def revoke_booking_links(
    state: ApiState,
    reference: ReferenceInPath,
    data: JSONBody[RevocationRequest],
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[LinksRevoked]:
    """Make the links to a booking and its present secret invalid, and return its new secret.

    Only the new secret, the booking's account and the links of later e-mails then give access. A client that sends the
    new secret can safely repeat a request without a response.
    """
    reference = valid_reference(reference)
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    try:
        revocation = await write_with_timeout(revoke_links(state.pool, reference, access, data.secret))
    except CommitUnknownError as error:
        _log.warning("The outcome of the revocation for %s is unknown: %s", order_label(reference), error)
        raise Busy(unknown=True, reference=reference) from error
    body = LinksRevoked(reference=reference, booking_secret=revocation.secret, link_generation=revocation.generation)
    return Response(body, headers={"Cache-Control": "no-store"})
