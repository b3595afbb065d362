"""The OpenAPI document is complete, and its page works without internet access."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from litestar.routes import HTTPRoute

from api.app import create_app
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.schemas import (
    BestSeats,
    Booking,
    Event,
    EventDetails,
    EventList,
    Order,
    Problem,
    Refund,
    SeatChoice,
    SeatRow,
    Ticket,
    TicketStates,
    Tier,
    TierAvailability,
    TierState,
)
from api.services.order_rules import TICKETS_MAX
from tests.acceptance.openapi_accounts import ACCOUNT_REQUESTS, UNKNOWN
from tests.acceptance.system import PROBLEM, Buyer, client_of, running_system

pytestmark = pytest.mark.xdist_group("openapi")

UNDOCUMENTED = ("/schema", "/metrics")
"""Undocumented paths: the document itself and the metrics."""
TICKET = "/api/bookings/{reference}/tickets/{file}"
CALENDAR = "/api/bookings/{reference}/calendar.ics"
PRINTED = "/api/bookings/{reference}/tickets.pdf"
PARAMETERS = {"reference": "r", "file": "1.svg", "slug": "s", "grant_id": "1", "passkey_id": UNKNOWN}
OTHER_HOST = re.compile(r"^\s*([a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


@pytest.fixture(scope="module")
def client(server: EmbeddedServer) -> Iterator[httpx.Client]:
    with running_system(server) as stack, client_of(stack) as client:
        yield client


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    response = client.get("/schema/openapi.json")
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the documented operations by path and method."""
    return {
        (path, method.upper()): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every member of every object within `value`."""
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        yield from value.items()
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    for member in inner:
        yield from walk(member)


def codes_of(response: dict[str, Any]) -> list[str]:
    """Return the codes that the description of a response lists."""
    return re.findall(r"^`([a-z_]+)`: ", response["description"], re.MULTILINE)


# --- The document ----------------------------------------------------------------------------------------


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert document["info"]["title"]
    assert document["info"]["version"]


def test_every_route_is_documented(document: dict[str, Any]) -> None:
    app = create_app(Settings(database_url="postgresql://nowhere")).app
    routes = {
        (re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path), method)
        for route in app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith(UNDOCUMENTED)
        for method in route.methods - {"OPTIONS", "HEAD"}
    }
    assert {("/api/bookings", "POST"), ("/api/bookings/{reference}", "GET"), ("/health/ready", "GET")} <= routes
    assert operations(document).keys() == routes


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = {value for name, value in walk(document) if name == "$ref"}
    assert references
    for reference in references:
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_operation_has_a_description(document: dict[str, Any]) -> None:
    for where, operation in operations(document).items():
        assert operation.get("description"), where
        for status, response in operation["responses"].items():
            assert response["description"], (where, status)


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for where, operation in operations(document).items():
        errors = {status: response for status, response in operation["responses"].items() if status >= "400"}
        if where[0].startswith("/health"):  # A 503 has the body of a 200 here.
            continue
        assert {"500", "503"} <= errors.keys(), where
        for status, response in errors.items():
            assert list(response["content"]) == [PROBLEM], (where, status)
            assert response["content"][PROBLEM]["schema"]["$ref"].endswith("/Problem"), (where, status)


RESPONSE_STRUCTS = [
    *(Event, EventDetails, EventList, Tier, TierAvailability, TierState, SeatRow, TicketStates, Ticket, Booking, Order),
    *(BestSeats, Refund, SeatChoice, Problem),
]


@pytest.mark.parametrize("struct", RESPONSE_STRUCTS, ids=lambda s: s.__name__)
def test_every_field_of_a_response_is_documented(document: dict[str, Any], struct: type) -> None:
    schema = document["components"]["schemas"][struct.__name__]
    assert schema["properties"].keys() == set(struct.__struct_encode_fields__)  # type: ignore[attr-defined]


def test_the_booking_request_is_documented_with_its_limits(document: dict[str, Any]) -> None:
    body = operations(document)["/api/bookings", "POST"]["requestBody"]
    assert list(body["content"]) == ["application/json"]
    schemas = document["components"]["schemas"]
    tickets_max = TICKETS_MAX  # An event may allow more tickets than the setting.
    common = {"userId", "expectedTotal", "bookingReference", "email", "locale"}
    single, basket = schemas["BookingRequest"]["anyOf"]
    assert single["properties"].keys() == {"tier", "quantity", "ticketIds", *common}
    assert set(single["required"]) == {"tier", "quantity", "userId"}
    assert basket["properties"].keys() == {"items", *common}
    assert set(basket["required"]) == {"items", "userId"}
    items = basket["properties"]["items"]
    assert (items["minItems"], items["maxItems"]) == (1, tickets_max)
    assert items["items"] == {"$ref": "#/components/schemas/BookingItem"}
    any_tickets, named = schemas["BookingItem"]["anyOf"]
    assert (set(any_tickets["required"]), set(named["required"])) == ({"tier", "quantity"}, {"ticketIds"})
    for form in (single, basket, any_tickets, named):
        assert form["additionalProperties"] is False
    for form in (single, any_tickets):
        quantity = form["properties"]["quantity"]
        assert (quantity["minimum"], quantity["maximum"]) == (1, tickets_max)
    for tickets in (single["properties"]["ticketIds"]["anyOf"][0], named["properties"]["ticketIds"]):
        assert (tickets["uniqueItems"], tickets["maxItems"]) == (True, tickets_max)
        assert (tickets["items"]["minimum"], tickets["items"]["maximum"]) == (1, 2**63 - 1)
    assert single["properties"]["userId"]["maxLength"] == 128
    assert single["properties"]["email"]["anyOf"][0]["maxLength"] == 254
    assert single["properties"]["locale"]["anyOf"][0]["enum"] == ["ar", "de", "en"]


def test_a_booking_is_linked_to_its_lookup_and_cancellation(document: dict[str, Any]) -> None:
    named = {operation["operationId"]: where for where, operation in operations(document).items()}
    for status in ("201", "202"):
        links = operations(document)["/api/bookings", "POST"]["responses"][status]["links"]
        assert {named[link["operationId"]] for link in links.values()} == {
            ("/api/bookings/{reference}", "GET"),
            ("/api/bookings/{reference}/cancel", "POST"),
        }


def test_a_found_booking_is_linked_to_its_codes_and_calendar_file(document: dict[str, Any]) -> None:
    named = {operation["operationId"]: where for where, operation in operations(document).items()}
    links = operations(document)["/api/bookings/{reference}", "GET"]["responses"]["200"]["links"]
    assert {named[link["operationId"]] for link in links.values()} == {(TICKET, "GET"), (CALENDAR, "GET")}


def test_options_lists_the_documented_methods(client: httpx.Client, document: dict[str, Any]) -> None:
    for path in document["paths"]:
        documented = {method for where, method in operations(document) if where == path}
        allowed = client.options(path.format_map(PARAMETERS)).headers["Allow"]
        assert set(allowed.split(", ")) - {"OPTIONS", "HEAD"} == documented, path


# --- The API's responses ---------------------------------------------------------------------------------


class RequestCase(NamedTuple):
    """A request and its expected status."""

    method: str
    path: str
    status: int
    body: bytes | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - read only
    documented_as: str = ""


def booking(status: int, body: bytes, **headers: str) -> RequestCase:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestCase("POST", "/api/bookings", status, body, named)


def cancellation(reference: str, status: int, body: bytes) -> RequestCase:
    return RequestCase(
        "POST",
        f"/api/bookings/{reference}/cancel",
        status,
        body,
        documented_as="/api/bookings/{reference}/cancel",
    )


def revocation(reference: str, status: int, body: bytes) -> RequestCase:
    documented_as = "/api/bookings/{reference}/links/revoke"
    return RequestCase("POST", f"/api/bookings/{reference}/links/revoke", status, body, documented_as=documented_as)


def message(reference: str, status: int, body: bytes) -> RequestCase:
    documented_as = "/api/bookings/{reference}/email"
    return RequestCase("POST", f"/api/bookings/{reference}/email", status, body, documented_as=documented_as)


def tickets_return(reference: str, status: int, body: bytes) -> RequestCase:
    path = "/api/bookings/{reference}/returns"
    return RequestCase("POST", path.format(reference=reference), status, body, documented_as=path)


REQUESTS = [
    RequestCase("GET", "/api/tickets/availability", 200),
    RequestCase("GET", "/api/tickets/availability", 304, headers={"If-None-Match": "{etag}"}),
    RequestCase("GET", "/api/tickets/availability?event=", 400),
    RequestCase("GET", "/api/tickets/availability?event=nothing", 404),
    RequestCase("GET", "/api/tickets/states", 200),
    RequestCase("GET", "/api/tickets/states", 304, headers={"If-None-Match": "*"}),
    RequestCase("GET", "/api/tickets/states?event=", 400),
    RequestCase("GET", "/api/tickets/states?event=nothing", 404),
    RequestCase("GET", "/api/events", 200),
    RequestCase("GET", "/api/events", 304, headers={"If-None-Match": "*"}),
    RequestCase("GET", "/api/events/aurora-sessions", 200, documented_as="/api/events/{slug}"),
    RequestCase("GET", "/api/events/aurora-sessions", 304, None, {"If-None-Match": "*"}, "/api/events/{slug}"),
    RequestCase("GET", "/api/events/nothing", 404, documented_as="/api/events/{slug}"),
    RequestCase("GET", "/api/tickets", 200),
    RequestCase("GET", "/api/tickets?limit=0", 400),
    RequestCase("GET", "/api/tickets/best?tier=VIP&quantity=2", 200),
    RequestCase("GET", "/api/tickets/best?tier=VIP&quantity=11", 400),
    RequestCase("GET", "/api/tickets/best?tier=Balcony&quantity=2", 404),
    booking(201, b'{"tier": "VIP", "quantity": 1, "userId": "u", "ticketIds": [1], "bookingReference": "r"}'),
    booking(400, b"{"),
    booking(404, b'{"tier": "Balcony", "quantity": 1, "userId": "u"}'),
    booking(409, b'{"tier": "VIP", "quantity": 1, "userId": "u", "ticketIds": [1]}'),
    booking(413, b" " * 20_000),
    booking(415, b"{}", Content_Type="text/plain"),
    booking(422, b'{"tier": "GA", "quantity": 1, "userId": "u"}', Idempotency_Key="r"),
    RequestCase("GET", "/api/bookings?userId=u", 200),
    RequestCase("GET", "/api/bookings?userId=u&show=upcoming", 200),
    RequestCase("GET", "/api/bookings?userId=u&show=everything", 400),
    RequestCase("GET", "/api/bookings", 400),
    RequestCase("GET", "/api/bookings/r", 200, documented_as="/api/bookings/{reference}"),
    RequestCase("GET", "/api/bookings/nobody-has-this", 404, documented_as="/api/bookings/{reference}"),
    RequestCase("GET", "/api/bookings/r/tickets/1.svg", 200, documented_as=TICKET),
    RequestCase("GET", "/api/bookings/r/tickets/2.svg", 404, documented_as=TICKET),
    RequestCase("GET", "/api/bookings/r/calendar.ics", 200, documented_as=CALENDAR),
    RequestCase("GET", "/api/bookings/nobody-has-this/calendar.ics", 404, documented_as=CALENDAR),
    RequestCase("GET", "/api/bookings/r/tickets.pdf?locale=ar", 200, documented_as=PRINTED),
    RequestCase("GET", "/api/bookings/r/tickets.pdf?locale=fr", 400, documented_as=PRINTED),
    RequestCase("GET", "/api/bookings/nobody-has-this/tickets.pdf", 404, documented_as=PRINTED),
    tickets_return("r", 403, b'{"userId": "somebody-else", "bookings": [1]}'),
    tickets_return("r", 400, b'{"userId": "u", "bookings": []}'),
    tickets_return("nobody-has-this", 404, b'{"userId": "u", "bookings": [1]}'),
    cancellation("r", 403, b'{"userId": "somebody-else"}'),
    cancellation("r", 400, b"{}"),
    cancellation("r", 200, b'{"userId": "u"}'),
    tickets_return("r", 200, b'{"userId": "u", "bookings": [1]}'),
    cancellation("nobody-has-this", 404, b'{"userId": "u"}'),
    message("r", 202, b'{"email": "ann@example.org"}'),
    message("r", 400, b"{}"),
    message("nobody-has-this", 404, b'{"email": "ann@example.org"}'),
    revocation("nobody-has-this", 404, b"{}"),
    revocation("nobody-has-this", 400, b'{"secret": "short"}'),
    RequestCase("POST", "/api/links", 202, b'{"email": "ann@example.org"}'),
    RequestCase("POST", "/api/links", 400, b'{"email": "ann"}'),
    *(
        RequestCase(method, path, status, body, documented_as=documented_as)
        for method, path, status, body, documented_as in ACCOUNT_REQUESTS
    ),
    RequestCase("POST", "/api/payments/webhook", 401, b"{}"),
    RequestCase("GET", "/health/live", 200),
    RequestCase("GET", "/health/ready", 200),
    RequestCase("GET", "/health/system", 200),
]


def test_every_received_status_is_documented_with_its_media_type(
    client: httpx.Client, document: dict[str, Any]
) -> None:
    etag = Buyer(client).availability().headers["ETag"]
    for case in REQUESTS:
        headers = {name: value.format(etag=etag) for name, value in case.headers.items()}
        if case.body is not None:
            headers.setdefault("Content-Type", "application/json")
        response = client.request(case.method, case.path, content=case.body, headers=headers)
        assert response.status_code == case.status, f"{case}: {response.text}"
        path = case.documented_as or urlsplit(case.path).path
        documented = operations(document)[path, case.method]["responses"]
        assert str(case.status) in documented, case
        if response.headers.get("Content-Type") == PROBLEM:
            assert response.json()["code"] in codes_of(documented[str(case.status)]), case
        if response.content:
            media_type = response.headers["Content-Type"].partition(";")[0]
            assert media_type in documented[str(case.status)]["content"], case


def test_every_documented_operation_is_requested() -> None:
    requested = {(case.documented_as or urlsplit(case.path).path, case.method) for case in REQUESTS}
    app = create_app(Settings(database_url="postgresql://nowhere")).app
    assert operations(app.openapi_schema.to_schema()).keys() == requested


def test_statuses_of_failures_are_documented(document: dict[str, Any]) -> None:
    documented = operations(document)
    assert {"202", "402", "429", "503"} <= documented["/api/bookings", "POST"]["responses"].keys()
    assert "503" in documented["/health/ready", "GET"]["responses"]


# --- The readable page -----------------------------------------------------------------------------------


class _Addresses(HTMLParser):
    """Collects the addresses that a page loads or links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, value) for name, value in attrs if name in ("src", "href", "data", "action") and value]


@pytest.fixture(scope="module")
def addresses(client: httpx.Client) -> list[tuple[str, str]]:
    page = client.get("/schema")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    parser = _Addresses()
    parser.feed(page.text)
    return parser.found


def test_the_readable_page_needs_no_other_host(client: httpx.Client, addresses: list[tuple[str, str]]) -> None:
    assert {tag for tag, _ in addresses} >= {"script", "link"}
    assert not [address for _, address in addresses if OTHER_HOST.match(address)]
    assert "cdn" not in client.get("/schema").text


def test_the_api_serves_everything_that_the_page_loads(client: httpx.Client, addresses: list[tuple[str, str]]) -> None:
    for _, address in addresses:
        response = client.get(urljoin("/schema", address))
        assert response.status_code == 200, address
        assert response.content, address


def test_the_page_s_styles_load_nothing_from_another_host(
    client: httpx.Client, addresses: list[tuple[str, str]]
) -> None:
    styles = [address for tag, address in addresses if tag == "link" and address.endswith(".css")]
    assert styles
    for address in styles:
        loaded = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s]+)", client.get(address).text)
        assert not [found for found in loaded if OTHER_HOST.match(found)]


def test_the_page_shows_this_api(client: httpx.Client, document: dict[str, Any]) -> None:
    page = client.get("/schema").text
    assert document["info"]["title"] in page
    assert all(path in page for path in document["paths"])
