"""Availability: the counts of each tier, the states of the seats, and the available tickets."""

import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import msgspec
from litestar import Request, Response, get
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from api.database.session import with_timeout
from api.errors import AllHeld, InvalidRequest, NotOnSale, SoldOut, UnknownEvent, UnknownTier
from api.http.openapi import NOT_MODIFIED, refusals
from api.http.rate_limit import address_of
from api.http.responses import cached_response_for
from api.http.state import ApiState
from api.schemas import (
    BUILT_IN_EVENT,
    BestSeats,
    Ticket,
    TicketStates,
    TierAvailability,
)
from api.services.best_seats import find_best
from api.services.order_rules import TICKETS_MAX
from api.services.tickets import PAGE_TICKETS, list_tickets
from api.text import TEXT_MAX, TEXT_PATTERN, normalize

AVAILABILITY = "/api/tickets/availability"
STATES = "/api/tickets/states"
BEST = "/api/tickets/best"

EventSlug = Annotated[
    str,
    QueryParameter(
        name="event", min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN, description="The event's slug"
    ),
]

TICKETS_PER_UNIT = 500
"""Number of listed tickets that cost as much as a request, for the limit of addresses."""

BEST_UNITS = 4
"""Units that a search for the best seats costs in addition to its request, because it reads hundreds of seats."""

UNCOMPRESSED = {"uncompressed": True}
"""The option of hot routes whose responses are too small for gzip or already compressed."""


@get(
    AVAILABILITY,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(dict[str, TierAvailability], description="Tiers in display order", generate_examples=False),
        304: NOT_MODIFIED,
        **refusals([InvalidRequest, UnknownEvent]),
    },
)
async def get_availability(
    request: Request[None, None, ApiState], state: ApiState, event: EventSlug = BUILT_IN_EVENT
) -> Response[bytes]:
    """Return the availability of each tier, at most one second old.

    `X-As-Of` is the time of the counts. `X-Event-Revision` is the event's `revision` at that time.
    """
    return cached_response_for(request, await state.availability.get(event))


@get(
    STATES,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(
            TicketStates, description="Tiers in display order, rows from the front", generate_examples=False
        ),
        304: NOT_MODIFIED,
        **refusals([InvalidRequest, UnknownEvent]),
    },
)
async def get_states(
    request: Request[None, None, ApiState], state: ApiState, event: EventSlug = BUILT_IN_EVENT
) -> Response[bytes]:
    """Return the held tickets of each tier and the state of each seat, at most one second old.

    `X-As-Of` is the time of the states. `X-Event-Revision` is the event's `revision` at that time.
    """
    return cached_response_for(request, await state.states.get(event))


@get(
    "/api/tickets",
    responses={
        200: ResponseSpec(list[Ticket], description="The tickets, by id", generate_examples=False),
        **refusals([InvalidRequest, UnknownEvent, UnknownTier]),
    },
)
async def get_tickets(
    request: Request[None, None, ApiState],
    state: ApiState,
    event: EventSlug = BUILT_IN_EVENT,
    tier: Annotated[str | None, QueryParameter(min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)] = None,
    limit: Annotated[
        int | None, QueryParameter(ge=1, le=10_000_000, description="The most tickets to return; without it, all")
    ] = None,
    after: Annotated[
        int,
        QueryParameter(
            ge=0,
            le=2**63 - 1,
            description="Return only tickets with a greater id",
            schema_extra={"maximum": 2**63 - 1},  # the framework rounds it
        ),
    ] = 0,
) -> Response[bytes] | Stream:
    """Return the available tickets by id. `row` and `seat` are null in standing tiers."""
    pages = list_tickets(state.pool, event, tier=tier and normalize(tier), limit=limit, after=after)
    first = await anext(pages)  # before the response begins, so that a refusal can still replace it
    charge = functools.partial(state.throttle.charge, address_of(request.scope))
    charge(len(first) // TICKETS_PER_UNIT)
    if len(first) < PAGE_TICKETS:
        return Response(msgspec.json.encode(first), media_type=MediaType.JSON)
    return Stream(_json_array(first, pages, charge), media_type=MediaType.JSON)


@get(
    BEST,
    opt=UNCOMPRESSED,
    responses={
        200: ResponseSpec(BestSeats, description="Seats that are free now", generate_examples=False),
        **refusals([InvalidRequest, UnknownEvent, UnknownTier, NotOnSale, SoldOut, AllHeld]),
    },
)
async def get_best(
    request: Request[None, None, ApiState],
    state: ApiState,
    tier: Annotated[str, QueryParameter(min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)],
    quantity: Annotated[int, QueryParameter(ge=1, le=TICKETS_MAX, description="The number of seats")],
    event: EventSlug = BUILT_IN_EVENT,
) -> Response[BestSeats]:
    """Return the seats that a booking of this quantity would get now, the reason, and two alternatives.

    Nothing is held, so another buyer may be faster. A standing tier has no seats: `seats` is null.
    """
    state.throttle.charge(address_of(request.scope), BEST_UNITS)
    best = await with_timeout(find_best(state.pool, state.seats, state.rules, event, normalize(tier), quantity))
    return Response(best, headers={"Cache-Control": "no-store"})


async def _json_array(
    first: list[Ticket], pages: AsyncIterator[list[Ticket]], charge: Callable[[int], None]
) -> AsyncIterator[bytes]:
    yield msgspec.json.encode(first)[:-1]
    async for page in pages:
        charge(len(page) // TICKETS_PER_UNIT)
        if page:
            yield b"," + msgspec.json.encode(page)[1:-1]
    yield b"]"
