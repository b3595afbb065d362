"""Events: all that are to come, and one with its tiers."""

import msgspec
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from api.errors import UnknownEvent
from api.http.problems import NOT_MODIFIED, answers
from api.http.responses import cached_response_for
from api.http.state import ApiState
from api.routes.tickets import UNCOMPRESSED
from api.schemas import EventDetails, EventList, Slug

EVENTS = "/api/events"
EVENT = "/api/events/{slug}"


@get(
    EVENTS,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(EventList, description="The events, soonest first", generate_examples=False),
        304: NOT_MODIFIED,
        **answers(429, 500, 503),
    },
)
async def get_events(request: Request[None, None, ApiState], state: ApiState) -> Response[bytes]:
    """The concerts that have not begun, at most a second old; `X-As-Of` says when that was true."""
    return cached_response_for(request, await state.events.get(None))


@get(
    EVENT.replace("slug", "slug:str"),
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(EventDetails, description="The event, tiers in display order", generate_examples=False),
        304: NOT_MODIFIED,
        **answers(400, 404, 429, 500, 503),
    },
)
async def get_event(request: Request[None, None, ApiState], state: ApiState, slug: FromPath[str]) -> Response[bytes]:
    """A concert and its tiers, at most a second old; `X-As-Of` says when that was true."""
    return cached_response_for(request, await state.event.get(slug_of(slug)))


def slug_of(text: str) -> str:
    """Return a slug that can be an event's.

    Raises:
        UnknownEvent: the text cannot be one.
    """
    try:
        return msgspec.convert(text, Slug)
    except msgspec.ValidationError:
        raise UnknownEvent(text) from None
