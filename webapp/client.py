"""The only module that speaks HTTP to the API."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

import httpx

from webapp.models import Order

_CONNECT_TIMEOUT_S = 3.0
# Longer than the API's own limits, so that a slow answer is heard rather than asked for again.
_ANSWER_TIMEOUT_S = 15.0
_CONNECTIONS_MAX = 100
# Each request looks at every idle connection, twice and by system calls.
_IDLE_CONNECTIONS_MAX = 8
_RETRY_AFTER_S_MAX = 300

Kind = Literal[
    "declined",
    "sold_out",
    "all_held",
    "seat_taken",
    "not_on_sale",
    "not_cancellable",
    "rate_limited",
    "busy",
    "not_found",
    "key_reused",
    "invalid",
    "refused",
    "unreachable",
]

_KIND_OF_CODE: dict[str, Kind] = {
    "payment_declined": "declined",
    "sold_out": "sold_out",
    "all_held": "all_held",
    "seat_taken": "seat_taken",
    "not_on_sale": "not_on_sale",
    "not_cancellable": "not_cancellable",
    "rate_limited": "rate_limited",
    "busy": "busy",
    "not_found": "not_found",
    "key_reused": "key_reused",
    "invalid_request": "invalid",
}

Value = TypeVar("Value")


@dataclass(frozen=True)
class Problem:
    """Why the API did not do what was asked, in terms that a page acts on.

    `unreachable` leaves open whether a booking was made; `key_reused` says that something else came of its key before.
    Any other kind says that nothing was booked.
    """

    kind: Kind
    available: int = 0
    ticket_ids: tuple[int, ...] = ()
    retry_after_s: int = 0


# Of an answer that is not the API's own, as a proxy gives in front of an API that is down, nobody knows whether the
# request arrived.
_NOT_UNDERSTOOD = Problem("unreachable")


@dataclass(frozen=True)
class Answer(Generic[Value]):
    """Either a value or a problem."""

    value: Value | None = None
    problem: Problem | None = None


class Wish(Protocol):
    """What is to be booked, and the client's own key for it; `ticket_ids` empty: any of the tier."""

    @property
    def event(self) -> str:
        """Its slug."""
        ...

    @property
    def tier(self) -> str:
        """Its name."""
        ...

    @property
    def quantity(self) -> int:
        """How many tickets."""
        ...

    @property
    def user_id(self) -> str:
        """The buyer."""
        ...

    @property
    def ticket_ids(self) -> tuple[int, ...]:
        """These very seats; empty: any of the tier."""
        ...

    @property
    def reference(self) -> str:
        """The client's own key."""
        ...


class Client:
    """The booking API over one pool of connections."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def book(self, wish: Wish) -> Answer[Order]:
        """Book all of it or nothing. Repeating it with the same reference never books twice."""
        body: dict[str, Any] = {
            "tier": wish.tier,
            "quantity": wish.quantity,
            "userId": wish.user_id,
            "bookingReference": wish.reference,
        }
        if wish.ticket_ids:
            body["ticketIds"] = wish.ticket_ids
        response = await self._send("POST", "/api/bookings", params={"event": wish.event}, json=body)
        return response if isinstance(response, Answer) else _order(response)

    async def cancel(self, reference: str, user_id: str) -> Answer[Order]:
        """Cancel a buyer's booking; cancelling again answers the same."""
        path = f"/api/bookings/{quote(reference, safe='')}/cancel"
        response = await self._send("POST", path, json={"userId": user_id})
        return response if isinstance(response, Answer) else _order(response)

    async def find(self, reference: str) -> Answer[Order]:
        """Ask what became of a booking."""
        response = await self._send("GET", f"/api/bookings/{quote(reference, safe='')}")
        return response if isinstance(response, Answer) else _order(response)

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response | Answer[Order]:
        try:
            response = await self._http.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL):
            return Answer(problem=Problem("unreachable"))
        return response if response.is_success else Answer(problem=_problem(response))


@cache
def api() -> Client:
    """Return this process's client; connections are kept between requests."""
    # In one container or on one machine the API listens where this server does; an address that means
    # "every interface" is not one to connect to.
    host = os.environ.get("API_HOST", "").strip() or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    host = f"[{host}]" if ":" in host else host
    port = os.environ.get("API_PORT", "").strip() or "3001"
    return Client(
        httpx.AsyncClient(
            base_url=f"http://{host}:{port}",
            timeout=httpx.Timeout(_ANSWER_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S, pool=_CONNECT_TIMEOUT_S),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_IDLE_CONNECTIONS_MAX),
            # A proxy named in the environment is for the outside, not for the API next door.
            trust_env=False,
        )
    )


def _order(response: httpx.Response) -> Answer[Order]:
    try:
        return Answer(Order.from_api(response.json()))
    except (KeyError, TypeError, ValueError):
        return Answer(problem=_NOT_UNDERSTOOD)


def _problem(response: httpx.Response) -> Problem:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:
        return _NOT_UNDERSTOOD
    # A fault of the API's own leaves open what it did, and so does what it says is not known.
    other: Kind = "unreachable" if response.is_server_error else "refused"
    return Problem(
        kind="unreachable" if body.get("unknown") is True else _KIND_OF_CODE.get(str(body["code"]), other),
        available=_whole(body.get("available")),
        ticket_ids=tuple(_whole(ticket_id) for ticket_id in body.get("ticketIds") or ()),
        retry_after_s=min(_whole(response.headers.get("Retry-After")), _RETRY_AFTER_S_MAX),
    )


def _whole(value: Any) -> int:
    try:
        return max(0, int(value))
    except (TypeError, ValueError):
        return 0
