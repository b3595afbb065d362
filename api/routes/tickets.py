"""What can be bought: availability by tier, and the tickets themselves."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from api.http.problems import NOT_MODIFIED, answers
from api.http.responses import cached_response_for
from api.http.state import ApiState
from api.schemas import (
    BUILT_IN_EVENT,
    TEXT_MAX,
    TEXT_PATTERN,
    Ticket,
    TicketStates,
    TierAvailability,
)
from api.services.tickets import PAGE_TICKETS, list_tickets

AVAILABILITY = "/api/tickets/availability"
STATES = "/api/tickets/states"

EventSlug = Annotated[
    str,
    QueryParameter(
        name="event", min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN, description="The event's slug"
    ),
]

UNCOMPRESSED = {"uncompressed": True}
"""The option of routes whose answers gain nothing from gzip, or have been compressed once for all, and are too
frequent to be looked at for it."""


@get(
    AVAILABILITY,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(dict[str, TierAvailability], description="Tiers in display order", generate_examples=False),
        304: NOT_MODIFIED,
        **answers(400, 404, 429, 500, 503),
    },
)
async def get_availability(
    request: Request[None, None, ApiState], state: ApiState, event: EventSlug = BUILT_IN_EVENT
) -> Response[bytes]:
    """What is left of each tier, at most a second old; `X-As-Of` says when it was true."""
    return cached_response_for(request, await state.availability.get(event))


@get(
    STATES,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(
            TicketStates, description="Tiers in display order, rows from the front", generate_examples=False
        ),
        304: NOT_MODIFIED,
        **answers(400, 404, 429, 500, 503),
    },
)
async def get_states(
    request: Request[None, None, ApiState], state: ApiState, event: EventSlug = BUILT_IN_EVENT
) -> Response[bytes]:
    """What is held of each tier and the state of each seat, at most a second old; `X-As-Of` says when it was true."""
    return cached_response_for(request, await state.states.get(event))


@get(
    "/api/tickets",
    responses={
        200: ResponseSpec(list[Ticket], description="The tickets, by id", generate_examples=False),
        **answers(400, 404, 429, 500, 503),
    },
)
async def get_tickets(
    state: ApiState,
    event: EventSlug = BUILT_IN_EVENT,
    tier: Annotated[str | None, QueryParameter(min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)] = None,
    limit: Annotated[
        int | None, QueryParameter(ge=1, le=10_000_000, description="At most so many; without it all")
    ] = None,
    after: Annotated[
        int,
        QueryParameter(
            ge=0,
            le=2**63 - 1,
            description="Only tickets whose id is greater",
            schema_extra={"maximum": 2**63 - 1},  # the framework describes it as a rounded one
        ),
    ] = 0,
) -> Response[bytes] | Stream:
    """The tickets that can be bought, by id; `row` and `seat` are null where one stands."""
    pages = list_tickets(state.pool, event, tier=tier, limit=limit, after=after)
    first = await anext(pages)  # before the answer begins: what is wrong with the request can still be told
    if len(first) < PAGE_TICKETS:
        return Response(msgspec.json.encode(first), media_type=MediaType.JSON)
    return Stream(_json_array(first, pages), media_type=MediaType.JSON)


async def _json_array(first: list[Ticket], pages: AsyncIterator[list[Ticket]]) -> AsyncIterator[bytes]:
    yield msgspec.json.encode(first)[:-1]
    async for page in pages:
        if page:
            yield b"," + msgspec.json.encode(page)[1:-1]
    yield b"]"
