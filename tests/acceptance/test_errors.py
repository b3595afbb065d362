"""Invalid input: each case gets the status, code and field of the contract and sells nothing."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, client_of, running_system

pytestmark = pytest.mark.xdist_group("errors")

GOOD: dict[str, Any] = {"tier": "VIP", "quantity": 1, "userId": "user-123"}
TICKETS = {"VIP": range(1, 101), "Front Row": range(101, 301)}
"""Their ids in a fresh database."""


class Bad(NamedTuple):
    """An invalid request; `field` is None if the error names no field."""

    what: str
    body: bytes
    field: str | None = "body"
    status: int = 400
    code: str = "invalid_request"
    headers: Mapping[str, str] = {"Content-Type": "application/json"}


def with_fields(what: str, field: str | None, **fields: Any) -> Bad:
    """Return a valid body except for these fields."""
    return Bad(what, json.dumps(GOOD | fields).encode(), field)


def wrong_values(field: str, values: list[Any]) -> list[Bad]:
    return [with_fields(f"{field} {value!r}"[:40], field, **{field: value}) for value in values]


def with_text(what: str, text: bytes, field: str | None) -> Bad:
    """Return a valid body except for the text of its quantity."""
    return Bad(what, b'{"tier": "VIP", "userId": "user-123", "quantity": %b}' % text, field)


def as_type(content_type: str) -> Bad:
    return Bad(
        f"sent as {content_type}",
        json.dumps(GOOD).encode(),
        field=None,
        status=415,
        code="unsupported_media_type",
        headers={"Content-Type": content_type},
    )


def with_key(what: str, key: str) -> Bad:
    return Bad(
        f"a key {what}",
        json.dumps(GOOD).encode(),
        field="Idempotency-Key",
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
    )


BAD_BODIES = [
    Bad("nothing", b""),
    Bad("half of it", b'{"tier": "VIP", "quan'),
    Bad("no JSON", b"tier=VIP&quantity=1"),
    Bad("something behind it", json.dumps(GOOD).encode() + b"}"),
    Bad("a list", b"[]"),
    Bad("null", b"null"),
    Bad("a text", b'"VIP"'),
    Bad("a byte that is not UTF-8", b'{"tier": "VIP\xff", "quantity": 1, "userId": "user-123"}'),
    Bad("UTF-16", json.dumps(GOOD).encode("utf-16")),
    Bad("a very deep list", b"[" * 8000 + b"]" * 8000),
    Bad("a very deep unclosed list", b"[" * 16_000),
    Bad("half a surrogate pair", b'{"tier": "\\ud800", "quantity": 1, "userId": "user-123"}'),
    Bad("a half pair in the user", b'{"tier": "VIP", "quantity": 1, "userId": "\\udc00"}'),
    Bad("more than 16 KiB", json.dumps(GOOD | {"userId": "u" * 17_000}).encode(), None, 413, "body_too_large"),
    Bad("an empty object", b"{}", "tier"),
    *[Bad(f"no {name}", json.dumps({k: v for k, v in GOOD.items() if k != name}).encode(), name) for name in GOOD],
    with_fields("an unknown field", "seats", seats=2),
    with_fields("a field in another case", "user_id", user_id="user-123"),
    with_fields("a very deep unknown field", "seats", seats=json.loads("[" * 500 + "]" * 500)),
    *wrong_values("quantity", [0, -1, 11, 1001, 10**9, 2**64, "2", "", 2.5, True, None, [1], {}]),
    with_text("a quantity of 1e9", b"1e9", "quantity"),
    with_text("a quantity of 1e999", b"1e999", "quantity"),
    with_text("a quantity of 1.25", b"1.25", "quantity"),
    with_text("a quantity of 400 digits", b"9" * 400, "quantity"),
    with_text("a quantity of NaN", b"NaN", "body"),
    *wrong_values("tier", ["", 1, None, True, ["VIP"], "V\0IP", "VIP\n", "\x1b"]),
    with_fields("a tier of 10 kB", "tier", tier="V" * 10_000),
    with_fields("an unknown tier", None, tier="Balcony")._replace(status=404, code="unknown_tier"),
    with_fields("a tier in another case", None, tier="vip")._replace(status=404, code="unknown_tier"),
    with_fields("SQL for a tier", None, tier="VIP' or 1=1 --")._replace(status=404, code="unknown_tier"),
    *wrong_values("userId", ["", 7, None, {}, "\0", "user\n", "\x7f"]),
    with_fields("a user of 129 characters", "userId", userId="u" * 129),
    with_fields("no ticket", "ticketIds", ticketIds=[]),
    with_fields("a ticket twice", "ticketIds", quantity=2, ticketIds=[1, 1]),
    with_fields("a ticket twice among others", "ticketIds", quantity=2, ticketIds=[1, 1, 2]),
    with_fields("fewer tickets than the quantity", "ticketIds", quantity=2, ticketIds=[1]),
    with_fields("more tickets than the quantity", "ticketIds", quantity=1, ticketIds=[1, 2]),
    with_fields("a ticket of another tier", "ticketIds", ticketIds=[TICKETS["Front Row"][0]]),
    with_fields("one ticket of another tier", "ticketIds", quantity=2, ticketIds=[1, TICKETS["Front Row"][0]]),
    with_fields("a ticket that is not there", "ticketIds", ticketIds=[2**63 - 1]),
    with_fields("a ticket beyond all numbers", "ticketIds[0]", ticketIds=[2**63]),
    with_fields("a ticket of 0", "ticketIds[0]", ticketIds=[0]),
    with_fields("a negative ticket", "ticketIds[1]", quantity=2, ticketIds=[1, -1]),
    with_fields("a ticket in quotes", "ticketIds[0]", ticketIds=["1"]),
    with_fields("tickets that are no list", "ticketIds", ticketIds={"1": 1}),
    *wrong_values(
        "bookingReference", ["", "a/b", "a b", "a\nb", "ab\n", "a\0", "é", "a%2Fb", "a?b", "a#b", "r" * 129, 7]
    ),
    with_key("without characters", '""'),
    with_key("with a slash", "a/b"),
    with_key("with a space", "a b"),
    with_key("of 129 characters", "k" * 129),
    *map(as_type, ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json")),
]


class Wrong(NamedTuple):
    """A request with a wrong address or method."""

    method: str
    path: str
    status: int
    code: str
    field: str | None = None


def bad_parameter(path: str, *values: str, parameter: str) -> list[Wrong]:
    separator = "&" if "?" in path else "?"
    return [
        Wrong("GET", f"{path}{separator}{parameter}={value}", 400, "invalid_request", parameter) for value in values
    ]


NO_TEXT = ("", "x" * 129, "%00")
NO_NUMBER = ("x", "1.5", "", "-1", "%00", "99999999999999999999")
WRONG_ADDRESSES = [
    Wrong("GET", "/", 404, "not_found"),
    Wrong("GET", "/api", 404, "not_found"),
    Wrong("GET", "/api/nothing", 404, "not_found"),
    Wrong("POST", "/api/nothing", 404, "not_found"),
    Wrong("GET", "/api/bookings/a/b", 404, "not_found"),
    Wrong("GET", "/api/bookings/nobody-has-this", 404, "not_found"),
    Wrong("GET", "/api/bookings/" + "r" * 2000, 404, "not_found"),
    Wrong("GET", "/api/bookings/%F0%9F%8E%AB", 404, "not_found"),
    Wrong("GET", "/api/bookings/%FF", 404, "not_found"),
    Wrong("GET", "/schema-assets/../api/app.py", 404, "not_found"),
    Wrong("GET", "/schema-assets/%2e%2e/__init__.py", 404, "not_found"),
    Wrong("GET", "/api/tickets/availability?event=nothing", 404, "unknown_event"),
    Wrong("GET", "/api/tickets/states?event=nothing", 404, "unknown_event"),
    Wrong("GET", "/api/events/nothing", 404, "unknown_event"),
    Wrong("GET", "/api/events/" + "e" * 2000, 404, "unknown_event"),
    Wrong("GET", "/api/events/Aurora%20Sessions", 404, "unknown_event"),
    Wrong("GET", "/api/events/%F0%9F%8E%AB", 404, "unknown_event"),
    Wrong("GET", "/api/events/%FF", 404, "unknown_event"),
    Wrong("GET", "/api/events/a%00", 404, "unknown_event"),
    Wrong("GET", "/api/events/a/b", 404, "not_found"),
    Wrong("GET", "/api/bookings", 400, "invalid_request", "userId"),
    *bad_parameter("/api/bookings", *NO_TEXT, parameter="userId"),
    *bad_parameter("/api/bookings?userId=u", *NO_NUMBER, "0", "101", parameter="limit"),
    *bad_parameter("/api/bookings?userId=u", *NO_NUMBER, "0", parameter="cursor"),
    *bad_parameter("/api/tickets", *NO_NUMBER, "0", parameter="limit"),
    *bad_parameter("/api/tickets", *NO_NUMBER, parameter="after"),
    *bad_parameter("/api/tickets", *NO_TEXT, parameter="tier"),
    *bad_parameter("/api/tickets", *NO_TEXT, parameter="event"),
    *bad_parameter("/api/tickets/availability", *NO_TEXT, parameter="event"),
    *bad_parameter("/api/tickets/states", *NO_TEXT, parameter="event"),
]

METHODS = {
    "/api/tickets": {"GET"},
    "/api/tickets/availability": {"GET"},
    "/api/tickets/states": {"GET"},
    "/api/events": {"GET"},
    "/api/events/aurora-sessions": {"GET"},
    "/api/bookings": {"GET", "POST"},
    "/api/bookings/bk_1": {"GET"},
    "/health/live": {"GET"},
    "/health/ready": {"GET"},
}


@pytest.fixture(scope="module")
def client(server: EmbeddedServer) -> Iterator[httpx.Client]:
    with running_system(server) as stack, client_of(stack) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def _nothing_was_sold(client: httpx.Client) -> Iterator[None]:
    """Assert at the end that no test sold a ticket."""
    buyer = Buyer(client)
    tickets = {tier: [ticket["id"] for ticket in buyer.tickets(tier=tier)] for tier in TICKETS}
    assert tickets == {tier: list(ids) for tier, ids in TICKETS.items()}
    yield
    assert buyer.available_now() == {"VIP": 100, "Front Row": 200, "GA": 1000}
    assert client.get("/api/bookings", params={"userId": GOOD["userId"]}).json() == {"orders": [], "next": None}


@pytest.mark.parametrize("bad", BAD_BODIES, ids=lambda bad: bad.what)
def test_a_bad_booking_is_refused(client: httpx.Client, bad: Bad) -> None:
    response = client.post("/api/bookings", content=bad.body, headers=bad.headers)
    body = assert_problem(response, bad.status, bad.code, bad.field)
    assert ("errors" in body) == (bad.code == "invalid_request")
    assert len(response.content) < 2000  # the error does not repeat a long input


@pytest.mark.parametrize("event", NO_TEXT)
def test_a_booking_for_an_invalid_event_is_refused(client: httpx.Client, event: str) -> None:
    response = client.post(f"/api/bookings?event={event}", json=GOOD)
    assert_problem(response, 400, "invalid_request", "event")


@pytest.mark.parametrize("wrong", WRONG_ADDRESSES, ids=lambda wrong: f"{wrong.method} {wrong.path[:60]}")
def test_a_wrong_address_is_refused(client: httpx.Client, wrong: Wrong) -> None:
    response = client.request(wrong.method, wrong.path)
    assert_problem(response, wrong.status, wrong.code, wrong.field)


def test_an_invalid_reference_is_not_found(client: httpx.Client) -> None:
    response = client.get("/api/bookings/%00")
    assert response.status_code in (400, 404), response.text
    assert_problem(response, response.status_code, {400: "invalid_request", 404: "not_found"}[response.status_code])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for path, methods in METHODS.items()
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE")
        if method not in methods
    ],
)
def test_an_unsupported_method_is_refused_with_the_supported_ones(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert_problem(response, 405, "method_not_allowed")
    allowed = {name.strip() for name in response.headers["Allow"].split(",")}
    assert allowed - {"OPTIONS", "HEAD"} == METHODS[path]


def test_a_quantity_above_the_configured_limit_is_refused(server: EmbeddedServer) -> None:
    with running_system(server, MAX_TICKETS_PER_BOOKING="3") as stack, client_of(stack) as client:
        buyer = Buyer(client)
        assert_problem(buyer.book(quantity=4), 400, "invalid_request", "quantity")
        assert buyer.book(quantity=3).status_code == 201
