"""Booking, and what was booked."""

import re
import secrets
from typing import Annotated

import msgspec
from litestar import Response, get, post, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, PathParameter, QueryParameter

from api.database.session import with_timeout
from api.errors import (
    ApiError,
    Busy,
    InvalidRequest,
    NotFound,
    invalid,
)
from api.http.problems import answers, problem
from api.http.request_body import StrictBody
from api.http.responses import Answer
from api.http.state import ApiState
from api.routes.tickets import UNCOMPRESSED, EventSlug
from api.schemas import (
    BUILT_IN_EVENT,
    KEY_HEADER_PATTERN,
    TEXT_MAX,
    TEXT_PATTERN,
    BookingRequest,
    CancelRequest,
    Order,
    OrderPage,
    Reference,
    to_header,
)
from api.services import calendar, codes
from api.services.bookings.batch import NewOrder
from api.services.order_views import Show, as_first_booked, get_order, list_orders, to_schema
from api.services.orders import cancel_order, is_known

BOOKINGS = "/api/bookings"

_IMAGE = re.compile(r"([1-9][0-9]{0,4})\.svg")

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="The same thing as the body's `bookingReference`; if both are sent they must be equal",
        schema_extra={"pattern": KEY_HEADER_PATTERN},  # said here only: what is wrong with it is told in our own words
    ),
]


@post(
    BOOKINGS,
    status_code=201,
    dto=StrictBody[BookingRequest],
    return_dto=None,
    opt=UNCOMPRESSED,
    responses={
        201: ResponseSpec(Order, description="Booked: all of the quantity", generate_examples=False),
        202: ResponseSpec(
            Order, description="Held until `expiresAt`, while the payment is under way", generate_examples=False
        ),
        **answers(400, 402, 404, 409, 413, 415, 422, 429, 500, 503),
    },
)
async def create_booking(
    state: ApiState,
    data: JSONBody[BookingRequest],
    event: EventSlug = BUILT_IN_EVENT,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Book a quantity of a tier's tickets, or these very tickets: all or nothing.

    The same key and body give the same answer again, with `Idempotent-Replayed: true`, and book once.
    """
    return (await book(state, data, event, idempotency_key)).response()


async def book(state: ApiState, data: BookingRequest, event: str, key: str | None) -> Answer:
    """Return the answer to a booking request; `key` as its header has it.

    Raises:
        ApiError: it was refused before anything was looked at, or could not be decided.
    """
    new = _new_order(data, event, key, state.settings.max_tickets_per_booking)
    if state.provider.is_open() and not await with_timeout(is_known(state.pool, new.reference)):
        raise Busy("payments")
    decided = await state.batcher.book(new)
    headers = {"Idempotent-Replayed": "true"} if decided.replayed else {}
    if isinstance(decided.answer, ApiError):
        return problem(decided.answer, headers)
    order = as_first_booked(decided.answer)
    headers["Location"] = f"/api/bookings/{order.reference}"
    status = 202 if order.status == "pending" else 201
    body = msgspec.json.encode(to_schema(order, decided.bookings))
    return Answer(body, status, headers)


@get("/api/bookings/{reference:str}", responses=answers(400, 404, 429, 500, 503))
async def get_booking(state: ApiState, reference: FromPath[str]) -> Response[Order]:
    """A booking with its present status; `X-As-Of` says when it had that, by the clock of `expiresAt`."""
    order, read_at = await with_timeout(get_order(state.pool, _known(reference)))
    return Response(order, headers={"Cache-Control": "no-store", "X-As-Of": to_header(read_at)})


@get(
    "/api/bookings/{reference:str}/tickets/{file:str}",
    responses={
        200: ResponseSpec(
            str, description="The code as an image", media_type=codes.MEDIA_TYPE, generate_examples=False
        ),
        **answers(400, 404, 429, 500, 503),
    },
)
async def get_ticket_code(
    state: ApiState,
    reference: FromPath[str],
    file: Annotated[
        str, PathParameter(description="The ticket's number within its booking, from 1, and `.svg`: `1.svg`")
    ],
) -> Response[bytes]:
    """The QR code that admits with one ticket of a confirmed booking."""
    image = await with_timeout(codes.draw_ticket(state.pool, state.ticket_secret, _known(reference), _line(file)))
    return Answer(image, headers={"Cache-Control": "no-store"}, media_type=codes.MEDIA_TYPE).response()


@get(
    "/api/bookings/{reference:str}/calendar.ics",
    responses={
        200: ResponseSpec(
            str, description="The concert as a calendar file", media_type=calendar.MEDIA_TYPE, generate_examples=False
        ),
        **answers(400, 404, 429, 500, 503),
    },
)
async def get_calendar(state: ApiState, reference: FromPath[str]) -> Response[bytes]:
    """The concert of a confirmed booking, for the buyer's calendar."""
    name, body = await with_timeout(calendar.write_calendar(state.pool, _known(reference)))
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(body, headers=headers, media_type=calendar.MEDIA_TYPE).response()


@post(
    "/api/bookings/{reference:str}/cancel",
    status_code=200,
    dto=StrictBody[CancelRequest],
    return_dto=None,
    responses={
        200: ResponseSpec(Order, description="Cancelled, now or before", generate_examples=False),
        **answers(400, 403, 404, 409, 413, 415, 429, 500, 503),
    },
)
async def cancel_booking(state: ApiState, reference: FromPath[str], data: JSONBody[CancelRequest]) -> Response[Order]:
    """Cancel a booking: its tickets go back on sale, and the money, if there was any, goes back to the buyer.

    Only its buyer can; cancelling again answers the same.
    """
    order, bookings = await with_timeout(cancel_order(state.pool, _known(reference), data.user_id))
    state.availability.invalidate({order.event})
    state.states.invalidate({order.event})
    return Response(to_schema(order, bookings), status_code=200, headers={"Cache-Control": "no-store"})


@get(BOOKINGS, responses=answers(400, 429, 500, 503))
async def get_bookings(
    state: ApiState,
    user_id: Annotated[str, QueryParameter(name="userId", min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)],
    show: Annotated[
        Show | None,
        QueryParameter(
            description="`upcoming`: pending or confirmed, of events that have not begun; `past`: of events that "
            "have; `cancelled`: cancelled, declined or expired; without it all"
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    cursor: Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="`next` of the page before")] = None,
) -> Response[OrderPage]:
    """A buyer's bookings, newest first."""
    page = await with_timeout(list_orders(state.pool, user_id, show=show, limit=limit, cursor=cursor))
    return Response(page, headers={"Cache-Control": "no-store"})


@route(BOOKINGS, http_method="OPTIONS", status_code=204, include_in_schema=False)
async def get_methods() -> Response[None]:
    """What is possible here: where two routes share a path, the framework names the first one's method only."""
    return Response(None, headers={"Allow": "GET, OPTIONS, POST"})


def _new_order(data: BookingRequest, event: str, key: str | None, tickets_max: int) -> NewOrder:
    """Check what the body's types cannot say, and give the order its reference."""
    if data.quantity > tickets_max:
        raise InvalidRequest(f"at most {tickets_max} tickets can be booked at once", field="quantity")
    ticket_ids = tuple(data.ticket_ids or ())
    if data.ticket_ids is not None and not len(set(ticket_ids)) == len(ticket_ids) == data.quantity:
        raise InvalidRequest("must be as many different tickets as the quantity says", field="ticketIds")
    return NewOrder(
        reference=_reference(data.booking_reference, key),
        event=event,
        tier=data.tier,
        quantity=data.quantity,
        user_id=data.user_id,
        ticket_ids=ticket_ids,
    )


def _known(reference: str) -> str:
    """Return a reference that can be somebody's."""
    try:
        return msgspec.convert(reference, Reference)
    except msgspec.ValidationError:
        raise NotFound("booking with this reference") from None


def _line(file: str) -> int:
    """Return the number of a ticket within its booking, as the name of its image says it."""
    if name := _IMAGE.fullmatch(file):
        return int(name[1])
    raise NotFound("ticket with this number")


def _reference(in_body: str | None, in_header: str | None) -> str:
    """Return the client's key, from the body or the header; without one a new reference."""
    if in_header is not None:
        key = in_header.strip()
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        try:
            msgspec.convert(key, Reference)
        except msgspec.ValidationError as error:
            raise invalid(str(error), "Idempotency-Key") from None
        if in_body not in (None, key):
            raise InvalidRequest("differs from the body's bookingReference", field="Idempotency-Key")
        return key
    return in_body or f"bk_{secrets.token_hex(12)}"
