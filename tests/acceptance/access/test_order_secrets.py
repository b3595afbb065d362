"""An order belongs to the holder of its secret; guest orders may be open."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, client_of, running_system
from tests.stack import Stack

pytestmark = pytest.mark.xdist_group("access")

OWN, FOREIGN = "own-" + "a" * 39, "foreign-" + "b" * 35
STRANGERS = {
    "no secret": None,
    "wrong": "wrong".ljust(43, "c"),
    "of another order": FOREIGN,
    "empty": "",
    "short": "wrong",
    "overlong": OWN.ljust(4000, "a"),
    "beginning": OWN[:-1],
    "not ASCII": OWN + "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
    "several": f"{FOREIGN}, {OWN}",
    "many": ",".join([FOREIGN] * 150),
}
"""The headers of those who do not hold the secret `OWN`."""
ORIGIN = "http://localhost:3000"
ROUTES = [
    ("GET", "/api/bookings/{}"),
    ("HEAD", "/api/bookings/{}"),
    ("GET", "/api/bookings/{}/tickets/1.svg"),
    ("GET", "/api/bookings/{}/calendar.ics"),
    ("GET", "/api/bookings/{}/tickets.pdf"),
    ("POST", "/api/bookings/{}/cancel"),
    ("POST", "/api/bookings/{}/returns"),
]
"""The requests for one order. One cancels it, so that the return afterwards changes nothing."""


@pytest.fixture(scope="module")
def secret_stack(server: EmbeddedServer) -> Iterator[Stack]:
    """A system in which every order has a secret."""
    with running_system(server, GUEST_ORDERS="secret", WEB_ORIGINS=ORIGIN) as stack:
        yield stack


@pytest.fixture(scope="module")
def open_stack(server: EmbeddedServer) -> Iterator[Stack]:
    """A system with the default of this machine, which is open."""
    with running_system(server, WEB_ORIGINS=ORIGIN) as stack:
        yield stack


@pytest.fixture(scope="module")
def secret_client(secret_stack: Stack) -> Iterator[httpx.Client]:
    with client_of(secret_stack) as client:
        yield client


@pytest.fixture(scope="module")
def open_client(open_stack: Stack) -> Iterator[httpx.Client]:
    with client_of(open_stack) as client:
        yield client


@pytest.fixture(params=["secret", "open"])
def client(request: pytest.FixtureRequest) -> httpx.Client:
    """Each of the two systems."""
    client: httpx.Client = request.getfixturevalue(f"{request.param}_client")
    return client


def book(client: httpx.Client, secret: str | None = None, **wanted: Any) -> httpx.Response:
    body = {"tier": "GA", "quantity": 1, "userId": "user-123", **wanted}
    return client.post("/api/bookings", json=body, headers=headers_of(secret))


def headers_of(secret: str | None) -> dict[bytes, bytes]:
    return {} if secret is None else {b"Booking-Secret": secret.encode("latin-1")}


def requests(client: httpx.Client, reference: str, secret: str | None) -> list[httpx.Response]:
    """Send each request for an order with a secret or without one."""
    return [
        client.request(
            method,
            path.format(reference),
            headers=headers_of(secret),
            json=body_of(path, "user-123") if method == "POST" else None,
        )
        for method, path in ROUTES
    ]


def body_of(path: str, user_id: str) -> dict[str, Any]:
    """Return the body of a POST request to a path."""
    return {"userId": user_id} | ({"bookings": [1]} if path.endswith("/returns") else {})


def contents(responses: list[httpx.Response], reference: str) -> list[tuple[int, dict[str, str], str]]:
    """Return all that a client can read of responses, without their time and the reference."""
    return [
        (
            response.status_code,
            {name: value for name, value in response.headers.items() if name not in ("date", "ratelimit")},
            response.text.replace(reference, "REFERENCE"),
        )
        for response in responses
    ]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_everyone_but_the_holder_gets_the_response_of_an_unknown_order(client: httpx.Client, stranger: str) -> None:
    book(client, FOREIGN)
    known, unknown = (f"{kind}-{stranger.replace(' ', '-')}" for kind in ("made", "none"))
    assert book(client, OWN, bookingReference=known).status_code == 201
    refused = requests(client, known, STRANGERS[stranger])
    assert [response.status_code for response in refused] == [404] * len(ROUTES)
    assert contents(refused, known) == contents(requests(client, unknown, STRANGERS[stranger]), unknown)
    assert [response.status_code for response in requests(client, known, OWN)] == [200] * len(ROUTES)


def test_the_response_to_a_booking_has_the_secret_of_the_client(client: httpx.Client) -> None:
    first = book(client, OWN, bookingReference="own-secret")
    assert (first.status_code, first.json()["bookingSecret"]) == (201, OWN)
    repeat = book(client, OWN, bookingReference="own-secret")
    assert (repeat.status_code, repeat.content) == (201, first.content)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    found = client.get("/api/bookings/own-secret", headers=headers_of(OWN)).json()
    assert found == {name: value for name, value in first.json().items() if name != "bookingSecret"}


def test_no_cache_stores_a_response_about_an_order(client: httpx.Client) -> None:
    booked = [book(client, OWN, bookingReference="not-stored") for _ in range(2)]
    responses = [*booked, *requests(client, "not-stored", OWN), *requests(client, "not-stored", None)]
    assert {response.headers.get("Cache-Control") for response in responses} == {"no-store"}


def test_a_stranger_s_repeat_shows_nothing_of_the_order(client: httpx.Client) -> None:
    book(client, OWN, bookingReference="guessed")
    for secret in (None, FOREIGN):
        assert_problem(book(client, secret, bookingReference="guessed"), 422, "key_reused")


def test_the_api_makes_a_secret_for_a_client_without_one(secret_client: httpx.Client) -> None:
    first = book(secret_client, bookingReference="made-secret")
    secret = first.json()["bookingSecret"]
    assert book(secret_client, bookingReference="made-secret").content == first.content
    assert secret != book(secret_client).json()["bookingSecret"]
    assert [response.status_code for response in requests(secret_client, "made-secret", None)] == [404] * len(ROUTES)
    assert [response.status_code for response in requests(secret_client, "made-secret", secret)] == [200] * len(ROUTES)


def test_an_order_without_a_secret_is_open(open_client: httpx.Client) -> None:
    for secret in (None, FOREIGN):
        order = book(open_client).json()
        assert "bookingSecret" not in order
        responses = requests(open_client, order["reference"], secret)
        assert [response.status_code for response in responses] == [200] * len(ROUTES)
        assert responses[0].json() == order


def test_a_cancellation_still_needs_the_name_of_the_buyer(client: httpx.Client) -> None:
    reference = book(client, OWN).json()["reference"]
    path, body = f"/api/bookings/{reference}/cancel", {"userId": "somebody-else"}
    assert_problem(client.post(path, json=body, headers=headers_of(OWN)), 403, "forbidden")
    assert_problem(client.post(path, json=body), 404, "not_found")


def test_a_list_has_the_orders_of_the_presented_secrets(client: httpx.Client, request: pytest.FixtureRequest) -> None:
    user = f"lister {request.node.name}"
    for secret in (OWN, FOREIGN):
        book(client, secret, userId=user, bookingReference=f"{secret[:7]}-{len(user)}")
    without = Buyer(client).booked(userId=user)

    def listed(*secrets: str) -> list[str]:
        headers = headers_of(", ".join(secrets) if secrets else None)
        page = client.get("/api/bookings", params={"userId": user}, headers=headers)
        assert page.status_code == 200, page.text
        return [order["reference"][:4] for order in page.json()["orders"]]

    openly = [] if "bookingSecret" in without else [without["reference"][:4]]
    assert listed() == openly
    assert listed(OWN) == [*openly, "own-"]
    assert listed(OWN, FOREIGN) == [*openly, "fore", "own-"]


@pytest.mark.parametrize("secret", ["", "short", "a" * 31, "a" * 129, "a" * 31 + "ä", f"{OWN} {FOREIGN}", f"{OWN},"])
def test_a_booking_and_a_list_refuse_an_invalid_secret(client: httpx.Client, secret: str) -> None:
    headers = {b"Booking-Secret": secret.encode()}
    body = {"tier": "GA", "quantity": 1, "userId": "user-123"}
    for response in (
        client.post("/api/bookings", json=body, headers=headers),
        client.get("/api/bookings", params={"userId": "user-123"}, headers=headers),
    ):
        problem = assert_problem(response, 400, "invalid_request", field="Booking-Secret")
        assert not secret or secret not in problem["message"]


def test_a_booking_has_one_secret_and_a_list_at_most_100(client: httpx.Client) -> None:
    assert_problem(book(client, f"{OWN}, {FOREIGN}"), 400, "invalid_request", field="Booking-Secret")
    many = headers_of(",".join([OWN] * 101))
    refused = client.get("/api/bookings", params={"userId": "user-123"}, headers=many)
    assert_problem(refused, 400, "invalid_request", field="Booking-Secret")


def test_a_page_may_send_the_secret(client: httpx.Client) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for path in ("/api/bookings", "/api/bookings/reference"):
        response = client.options(path, headers=headers | {"Access-Control-Request-Headers": "booking-secret"})
        assert "booking-secret" in response.headers["Access-Control-Allow-Headers"].lower()


def test_the_log_announces_open_orders_only(open_stack: Stack, secret_stack: Stack) -> None:
    assert open_stack.logs().count("GUEST_ORDERS=open: everybody may read and cancel") == 1
    assert "GUEST_ORDERS" not in secret_stack.logs()


PROXIED = [
    {"X-Forwarded-For": "203.0.113.9"},
    {"Forwarded": "for=203.0.113.9"},
    {"X-Forwarded-Host": "tickets.example"},
    {"Via": "1.1 proxy"},
    {"X-Real-IP": "203.0.113.9"},
    {"Host": "tickets.example"},
    {"Host": "localhost.tickets.example:3001"},
    {"Host": "[fe80::1]:3001"},
]
"""The headers of requests that did not come from this machine, or may not have."""


@pytest.mark.parametrize("headers", PROXIED, ids=lambda headers: next(iter(headers.values())))
def test_an_order_without_a_secret_is_closed_behind_a_proxy(open_client: httpx.Client, headers: dict[str, str]) -> None:
    buyer = f"proxied-{next(iter(headers.values()))}"
    made = book(open_client, userId=buyer).json()
    assert made.get("bookingSecret") is None
    reference = made["reference"]
    with client_behind(open_client, headers) as proxied:
        assert [response.status_code for response in requests(proxied, reference, None)] == [404] * len(ROUTES)
        assert proxied.get("/api/bookings", params={"userId": buyer}).json()["orders"] == []
        own = book(proxied, userId=buyer).json()
        secret = own["bookingSecret"]
        assert proxied.get(f"/api/bookings/{own['reference']}", headers=headers_of(secret)).status_code == 200
    assert open_client.get(f"/api/bookings/{own['reference']}").status_code == 404
    assert open_client.get(f"/api/bookings/{reference}").json()["status"] == "confirmed"


class OldConnection(http.client.HTTPConnection):
    """A connection of HTTP/1.0, as nginx opens it by default."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"

    def exchange(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        content = None if body is None else json.dumps(body)
        self.request(method, path, content, {"Content-Type": "application/json", "Host": f"127.0.0.1:{self.port}"})
        response = self.getresponse()
        return response.status, json.load(response)


def test_an_order_without_a_secret_is_closed_to_the_default_of_nginx(
    open_stack: Stack, open_client: httpx.Client
) -> None:
    reference = book(open_client, userId="behind-nginx").json()["reference"]
    proxied = OldConnection("127.0.0.1", open_stack.api_port)
    assert proxied.exchange("GET", f"/api/bookings/{reference}")[0] == 404
    assert proxied.exchange("GET", "/api/bookings?userId=behind-nginx")[1]["orders"] == []
    assert proxied.exchange("POST", f"/api/bookings/{reference}/cancel", {"userId": "behind-nginx"})[0] == 404
    booking = {"tier": "GA", "quantity": 1, "userId": "behind-nginx"}
    assert proxied.exchange("POST", "/api/bookings", booking)[1]["bookingSecret"]
    assert open_client.get(f"/api/bookings/{reference}").json()["status"] == "confirmed"


def client_behind(client: httpx.Client, headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=client.base_url, headers=headers, trust_env=False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:3001", "[::1]:3001", "tickets.localhost", "127.0.0.2"])
def test_an_order_without_a_secret_is_open_on_this_machine(open_client: httpx.Client, host: str) -> None:
    reference = book(open_client).json()["reference"]
    with client_behind(open_client, {"Host": host}) as local:
        assert local.get(f"/api/bookings/{reference}").status_code == 200


def test_the_links_of_the_document_pass_the_secret_on(open_client: httpx.Client) -> None:
    paths = open_client.get("/schema/openapi.json").json()["paths"]
    first = paths["/api/bookings"]["post"]["responses"]["201"]["links"]
    later = paths["/api/bookings/{reference}"]["get"]["responses"]["200"]["links"]
    assert {name: link["parameters"]["header.Booking-Secret"] for name, link in (first | later).items()} == {
        "booking": "$response.body#/bookingSecret",
        "cancel": "$response.body#/bookingSecret",
        "firstTicket": "$request.header.Booking-Secret",
        "calendar": "$request.header.Booking-Secret",
    }
