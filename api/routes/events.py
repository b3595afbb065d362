"""Events: the list of upcoming events, and one event with its tiers."""

from typing import Annotated

import msgspec
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter

from api.errors import InvalidRequest, UnknownEvent
from api.http.openapi import NOT_MODIFIED, refusals
from api.http.responses import cached_response_for
from api.http.state import ApiState
from api.routes.tickets import UNCOMPRESSED
from api.schemas import SLUG_MAX, SLUG_PATTERN, EventDetails, EventList, Slug

SlugInPath = Annotated[
    str,
    PathParameter(
        description="The event's slug",
        # Only documented here: no event has another slug, so `slug_of` refuses it with 404.
        schema_extra={"pattern": SLUG_PATTERN, "max_length": SLUG_MAX},
    ),
]
EVENTS = "/api/events"
EVENT = "/api/events/{slug}"


@get(
    EVENTS,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(EventList, description="The events, soonest first", generate_examples=False),
        304: NOT_MODIFIED,
        **refusals(),
    },
)
async def get_events(request: Request[None, None, ApiState], state: ApiState) -> Response[bytes]:
    """Return the events that have not begun, at most one second old. `X-As-Of` is the time of their states."""
    return cached_response_for(request, await state.events.get(None))


@get(
    EVENT.replace("slug", "slug:str"),
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(EventDetails, description="The event, tiers in display order", generate_examples=False),
        304: NOT_MODIFIED,
        **refusals([InvalidRequest, UnknownEvent]),
    },
)
async def get_event(request: Request[None, None, ApiState], state: ApiState, slug: SlugInPath) -> Response[bytes]:
    """Return an event and its tiers, at most one second old. `X-As-Of` is the time of its state."""
    return cached_response_for(request, await state.event.get(slug_of(slug)))


def slug_of(text: str) -> str:
    """Return the text as a slug.

    Raises:
        UnknownEvent: the text is not a valid slug, so no event has it.
    """
    try:
        return msgspec.convert(text, Slug)
    except msgspec.ValidationError:
        raise UnknownEvent(text) from None
