"""Bookings: creation, lists, ticket codes and calendar files."""

import re
import secrets
from typing import Annotated, Final, NamedTuple

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from api.database.session import with_timeout
from api.errors import (
    ApiError,
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    KeyReused,
    NotFound,
    RequestTimeout,
    Unauthorized,
    UnsupportedMediaType,
    invalid,
)
from api.http.access import OrderSecret, OrderSecrets, OwnSecret, access_to_order, access_to_orders, valid_secret
from api.http.client_address import client_network
from api.http.identity import OPTIONAL, Caller
from api.http.open_orders import OpenOrders, has_open_orders
from api.http.openapi import refusals
from api.http.problems import problem
from api.http.rate_limit import address_of
from api.http.request_body import StrictBody
from api.http.responses import RawResponse, rfc3339
from api.http.state import ApiState
from api.routes.tickets import UNCOMPRESSED, EventSlug
from api.schemas import (
    BUILT_IN_EVENT,
    KEY_HEADER_PATTERN,
    REFERENCE_PATTERN,
    BookingRequest,
    Order,
    OrderPage,
    Reference,
)
from api.services import calendar, codes
from api.services.access import derive_secret, digest
from api.services.accounts.tokens import ACCOUNT_PREFIX, Identity
from api.services.bookings import limits
from api.services.bookings.model import Booked, Declined, Item, NewOrder, Refused
from api.services.bookings.refusals import REFUSALS
from api.services.order_rules import TICKETS_MAX
from api.services.order_views import Show, as_first_booked, get_order, lines_as_first_booked, list_orders, to_schema
from api.text import TEXT_MAX, TEXT_PATTERN, TEXT_RULE, limit_key, normalize

BOOKINGS = "/api/bookings"
_REPLAYED = {"Idempotent-Replayed": "true"}

BODY_REFUSALS: Final = (InvalidRequest, Forbidden, RequestTimeout, BodyTooLarge, UnsupportedMediaType)
CREATE_REFUSALS: Final[frozenset[type[ApiError]]] = frozenset((*BODY_REFUSALS, Unauthorized, *REFUSALS))

ORDERS_PER_UNIT = 20
"""Number of listed orders that cost as much as a request, for the limit of addresses."""

_IMAGE = re.compile(r"([1-9][0-9]{0,4})\.svg")

ReferenceInPath = Annotated[
    str,
    PathParameter(
        description="The booking's reference",
        # Only documented here: no booking has another reference, so `valid_reference` refuses it with 404.
        schema_extra={"pattern": REFERENCE_PATTERN, "min_length": 1, "max_length": TEXT_MAX},
    ),
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="An alternative to the body's `bookingReference`. If both are present, they must be equal.",
        schema_extra={"pattern": KEY_HEADER_PATTERN},  # only documented here: `_reference` validates it
    ),
]
SHOW: Final = QueryParameter(
    description="`upcoming`: pending or confirmed, before the event begins; `past`: pending or confirmed, "
    "after the event has begun; `cancelled`: cancelled, declined or expired; without it, all"
)
PageLimit = Annotated[int, QueryParameter(ge=1, le=100)]
Cursor = Annotated[int | None, QueryParameter(ge=1, le=2**63 - 1, description="`next` of the previous page")]


@post(
    BOOKINGS,
    status_code=201,
    dto=StrictBody[BookingRequest],
    return_dto=None,
    opt=UNCOMPRESSED,
    responses={
        201: ResponseSpec(Order, description="Booked in full", generate_examples=False),
        202: ResponseSpec(
            Order, description="Held until `expiresAt` while the payment is pending", generate_examples=False
        ),
        **refusals(CREATE_REFUSALS),
    },
    security=OPTIONAL,
)
async def create_booking(
    request: Request[None, None, ApiState],
    state: ApiState,
    data: JSONBody[BookingRequest],
    caller: Caller,
    event: EventSlug = BUILT_IN_EVENT,
    idempotency_key: IdempotencyKey = None,
    booking_secret: OwnSecret = None,
) -> Response[bytes]:
    """Book a quantity of a tier's tickets, the tickets in `ticketIds`, or a basket of `items`: all or nothing.

    Repeats with the same key, body, secret and account return the same response with `Idempotent-Replayed: true` and
    book only once. The booking of a signed-in buyer belongs to the account, whose name replaces `userId`.
    """
    if idempotency_key is not None:
        idempotency_key = _only_value(request, "idempotency-key")
    if booking_secret is not None:
        booking_secret = _only_value(request, "booking-secret")
    sender = Sender(address_of(request.scope), caller, has_open_orders=has_open_orders(request))
    return (await book(state, data, event, idempotency_key, booking_secret, sender)).to_litestar()


def _only_value(request: Request[None, None, ApiState], header: str) -> str:
    """Return the value of a header. The framework passes on one of several lines.

    No valid value contains a comma, so different lines are refused.
    """
    return ", ".join(dict.fromkeys(request.headers.getall(header)))


class Sender(NamedTuple):
    """The sender of a request: the client's address, and the account of a signed-in buyer.

    `has_open_orders` is true if the order of a guest needs no secret.
    """

    address: str
    account: Identity | None = None
    has_open_orders: bool = False


async def book(
    state: ApiState, data: BookingRequest, event: str, key: str | None, secret: str | None, sender: Sender
) -> RawResponse:
    """Book, and return the response.

    Args:
        state: the objects of the process.
        data: the body.
        event: the slug of the event.
        key: the header `Idempotency-Key`.
        secret: the header `Booking-Secret`.
        sender: the client.

    Raises:
        ApiError: the request is invalid, or its outcome could not be decided.
    """
    new = _new_order(data, event, key, TICKETS_MAX, sender.account)
    if secret is not None:
        secret = valid_secret(secret)
    elif not sender.has_open_orders and sender.account is None:
        secret = derive_secret(state.access_secret, new.reference)
    if secret is not None:
        new = msgspec.structs.replace(new, access_digest=digest(secret))
    if state.settings.held_tickets_max:
        client_hash = limits.hash_client(state.ticket_secret, client_network(sender.address))
        new = msgspec.structs.replace(new, client_hash=client_hash)
    match await state.batcher.book(new):
        case Booked(order, bookings, replayed):
            order = as_first_booked(order)
            if replayed:
                bookings = lines_as_first_booked(bookings)
            body = msgspec.json.encode(to_schema(order, bookings, secret))
            headers = (_REPLAYED if replayed else {}) | {
                "Cache-Control": "no-store",
                "Location": f"{BOOKINGS}/{order.reference}",
            }
            return RawResponse(body, 202 if order.status == "pending" else 201, headers)
        case Declined(error, replayed):
            return problem(error, _REPLAYED if replayed else {})
        case Refused(error):
            return problem(error)


@get(BOOKINGS + "/{reference:str}", responses=refusals([InvalidRequest, Unauthorized, NotFound]), security=OPTIONAL)
async def get_booking(
    state: ApiState,
    reference: ReferenceInPath,
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[Order]:
    """Return a booking with its current status. `X-As-Of` is the database's time, comparable with `expiresAt`."""
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    order, read_at = await with_timeout(get_order(state.pool, valid_reference(reference), access))
    return Response(order, headers={"Cache-Control": "no-store", "X-As-Of": rfc3339(read_at)})


@get(
    BOOKINGS + "/{reference:str}/tickets/{file:str}",
    responses={
        200: ResponseSpec(
            str, description="The QR code as an image", media_type=codes.MEDIA_TYPE, generate_examples=False
        ),
        **refusals([InvalidRequest, Unauthorized, NotFound]),
    },
    security=OPTIONAL,
)
async def get_ticket_code(
    state: ApiState,
    reference: ReferenceInPath,
    file: Annotated[
        str,
        PathParameter(
            description="The ticket's number within its booking, from 1, with the suffix `.svg`",
            schema_extra={"pattern": f"^{_IMAGE.pattern}(?![\\s\\S])"},
        ),
    ],
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[bytes]:
    """Return the QR code of one ticket of a confirmed booking."""
    image = await with_timeout(
        codes.draw_ticket(
            state.pool,
            state.ticket_secret,
            valid_reference(reference),
            _ticket_number(file),
            access_to_order(state, booking_secret, caller, is_open=open_orders),
        )
    )
    return RawResponse(image, headers={"Cache-Control": "no-store"}, media_type=codes.MEDIA_TYPE).to_litestar()


@get(
    BOOKINGS + "/{reference:str}/calendar.ics",
    responses={
        200: ResponseSpec(
            str, description="The event as a calendar file", media_type=calendar.MEDIA_TYPE, generate_examples=False
        ),
        **refusals([InvalidRequest, Unauthorized, NotFound]),
    },
    security=OPTIONAL,
)
async def get_calendar(
    state: ApiState,
    reference: ReferenceInPath,
    caller: Caller,
    open_orders: OpenOrders,
    booking_secret: OrderSecret = None,
) -> Response[bytes]:
    """Return the event of a confirmed booking as a calendar file."""
    access = access_to_order(state, booking_secret, caller, is_open=open_orders)
    name, body = await with_timeout(
        calendar.write_calendar(state.pool, valid_reference(reference), state.settings.web_url, access)
    )
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return RawResponse(body, headers=headers, media_type=calendar.MEDIA_TYPE).to_litestar()


@get(BOOKINGS, responses=refusals([InvalidRequest]))
async def get_bookings(
    request: Request[None, None, ApiState],
    state: ApiState,
    user_id: Annotated[str, QueryParameter(name="userId", min_length=1, max_length=TEXT_MAX, pattern=TEXT_PATTERN)],
    show: Annotated[Show | None, SHOW] = None,
    limit: PageLimit = 20,
    cursor: Cursor = None,
    booking_secret: OrderSecrets = None,
) -> Response[OrderPage]:
    """Return a buyer's bookings that the request may access, newest first."""
    access = access_to_orders(state, booking_secret, is_open=has_open_orders(request))
    buyer = valid_buyer(user_id)
    page = await with_timeout(list_orders(state.pool, buyer, access, show=show, limit=limit, cursor=cursor))
    state.throttle.charge(address_of(request.scope), len(page.orders) // ORDERS_PER_UNIT)
    return Response(page, headers={"Cache-Control": "no-store"})


def _new_order(
    data: BookingRequest, event: str, key: str | None, tickets_max: int, account: Identity | None = None
) -> NewOrder:
    """Validate the rules that the body's types cannot express, and give the order its reference."""
    items = _items(data, tickets_max)
    buyer = valid_buyer(data.user_id)
    if account is None and limit_key(buyer).startswith(ACCOUNT_PREFIX):
        raise InvalidRequest(
            f"must not begin with {ACCOUNT_PREFIX}, the start of the names of accounts", field="userId"
        )
    return NewOrder(
        reference=_reference(data.booking_reference, key),
        event=event,
        items=items,
        user_id=account.buyer if account else buyer,
        account_id=account.account_id if account else None,
        expected_total=data.expected_total,
        email=data.email,
        locale=data.locale,
        itemized=data.items is not None,
    )


def _items(data: BookingRequest, tickets_max: int) -> tuple[Item, ...]:
    """Return the items of a body, which lists them or describes a single one.

    Raises:
        InvalidRequest: the items contradict each other or contain too many tickets.
    """
    if data.items is None:
        return (_item(data.tier, data.quantity, data.ticket_ids, "", tickets_max),)
    single = {"tier": data.tier, "quantity": data.quantity, "ticketIds": data.ticket_ids}
    if both := [name for name, value in single.items() if value is not None]:
        raise InvalidRequest.combine([InvalidRequest("must not accompany items", field=name) for name in both])
    items = []
    named: set[int] = set()
    for number, item in enumerate(data.items):
        try:
            items.append(_item(item.tier, item.quantity, item.ticket_ids, f"items[{number}].", tickets_max))
            if named.intersection(items[-1].ticket_ids):
                raise InvalidRequest("must not name a ticket of an earlier item", field=f"items[{number}].ticketIds")
        except InvalidRequest as error:
            error.details["item"] = number
            raise
        named.update(items[-1].ticket_ids)
    if sum(item.quantity for item in items) > tickets_max:
        raise _too_many(tickets_max, "items")
    return tuple(items)


def _item(tier: str | None, quantity: int | None, ticket_ids: list[int] | None, path: str, tickets_max: int) -> Item:
    """Return an item. `path` is the location of its fields in the body."""
    named = tuple(ticket_ids or ())
    field = "quantity"
    if quantity is None:
        quantity, field = len(named), "ticketIds"
    if quantity > tickets_max:
        raise _too_many(tickets_max, f"{path}{field}")
    if ticket_ids is not None and not len(set(named)) == len(named) == quantity:
        raise InvalidRequest("must contain as many different tickets as the quantity", field=f"{path}ticketIds")
    return Item(tier=tier and normalize(tier), quantity=quantity, ticket_ids=named)


def _too_many(tickets_max: int, field: str) -> InvalidRequest:
    return InvalidRequest(f"at most {tickets_max} tickets are possible in one booking", field=field)


def valid_buyer(user_id: str) -> str:
    """Return a buyer's name as orders store it.

    Raises:
        InvalidRequest: the name is too long in composed form, or has no visible character.
    """
    name = normalize(user_id)
    if len(name) > TEXT_MAX:
        raise InvalidRequest(f"must have at most {TEXT_MAX} characters", field="userId")
    if not limit_key(name):
        raise InvalidRequest(TEXT_RULE, field="userId")
    return name


def valid_reference(reference: str) -> str:
    """Return the reference if it is valid.

    Raises:
        NotFound: the reference is invalid, so no booking has it.
    """
    try:
        return msgspec.convert(reference, Reference)
    except msgspec.ValidationError:
        raise NotFound("booking with this reference") from None


def _ticket_number(file: str) -> int:
    """Return the number of a ticket within its booking from the name of its image.

    Raises:
        NotFound: the name contains no number.
    """
    if name := _IMAGE.fullmatch(file):
        return int(name[1])
    raise NotFound("ticket with this number")


def _reference(in_body: str | None, in_header: str | None) -> str:
    """Return the client's key from the body or the header, or a new reference.

    Raises:
        InvalidRequest: the header is not a key.
        KeyReused: the header and the body name different keys.
    """
    if in_header is not None:
        key = in_header.strip()
        if len(key) > 1 and key[0] == key[-1] == '"':
            key = key[1:-1]
        try:
            msgspec.convert(key, Reference)
        except msgspec.ValidationError as error:
            raise invalid(str(error), "Idempotency-Key") from None
        if in_body not in (None, key):
            raise KeyReused(key, in_body=in_body)
        return key
    return in_body or f"bk_{secrets.token_hex(12)}"
