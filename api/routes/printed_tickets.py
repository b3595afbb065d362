"""The tickets of a booking as PDF."""

from typing import Annotated

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from api.database.session import with_timeout
from api.errors import Busy, InvalidRequest, NotFound, Unauthorized
from api.http.access import OrderSecret, access_to_order
from api.http.identity import OPTIONAL, Caller
from api.http.open_orders import OpenOrders
from api.http.openapi import refusals
from api.http.responses import RawResponse
from api.http.state import ApiState
from api.routes.bookings import BOOKINGS, ReferenceInPath, valid_reference
from api.schemas import Locale
from api.services.mail.facts import find_valid_tickets
from api.services.mail.pdf import MEDIA_TYPE


@get(
    BOOKINGS + "/{reference:str}/tickets.pdf",
    responses={
        200: ResponseSpec(
            str, description="A tagged PDF with a page for each ticket", media_type=MEDIA_TYPE, generate_examples=False
        ),
        **refusals([InvalidRequest, Unauthorized, NotFound, Busy]),
    },
    security=OPTIONAL,
)
async def get_printed_tickets(
    state: ApiState,
    reference: ReferenceInPath,
    caller: Caller,
    open_orders: OpenOrders,
    locale: Annotated[Locale, QueryParameter(description="The language of the labels and of the date")] = "en",
    booking_secret: OrderSecret = None,
) -> Response[bytes]:
    """Return the valid tickets of a confirmed booking as PDF."""
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    facts = await with_timeout(find_valid_tickets(state.pool, valid_reference(reference), access))
    content = await state.printer.write(facts, locale)
    name = f"{facts.event.slug}.pdf"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return RawResponse(content, headers=headers, media_type=MEDIA_TYPE).to_litestar()
