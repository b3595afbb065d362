"""The orders of an event, for its box office and its organisers."""

from typing import Annotated

from litestar import Response, get
from litestar.params import PathParameter, QueryParameter

from api.database.session import with_timeout
from api.desk_schemas import DeskOrders
from api.errors import Forbidden, InvalidRequest, Unauthorized, UnknownEvent
from api.http.identity import REQUIRED, require_event_role
from api.http.openapi import refusals
from api.http.state import ApiState
from api.schemas import SLUG_MAX, SLUG_PATTERN
from api.services.desk_orders import search_orders
from api.text import EMAIL_MAX, TEXT_PATTERN

_BOX_OFFICE = require_event_role("box_office", "organiser")


@get(
    "/api/desk/events/{slug:str}/orders",
    guards=[_BOX_OFFICE],
    security=REQUIRED,
    responses=refusals([InvalidRequest, Unauthorized, Forbidden, UnknownEvent]),
)
async def find_event_orders(
    state: ApiState,
    slug: Annotated[str, PathParameter(description="Slug of the event", max_length=SLUG_MAX, pattern=SLUG_PATTERN)],
    search: Annotated[
        str,
        QueryParameter(
            description="A reference, a short reference or an e-mail address",
            min_length=1,
            max_length=EMAIL_MAX,
            pattern=TEXT_PATTERN,
        ),
    ],
) -> Response[DeskOrders]:
    """Return the orders of an event with a reference, a short reference or an e-mail address, newest first.

    At most 50 orders are returned, each with the state of its last e-mail.
    """
    found = await with_timeout(search_orders(state.pool, slug, search.strip()))
    return Response(DeskOrders(found), headers={"Cache-Control": "no-store"})
