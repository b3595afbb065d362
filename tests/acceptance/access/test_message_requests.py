"""Requests for e-mails over HTTP: strangers learn nothing, and clients and orders have limits."""

from collections.abc import Iterator

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import assert_problem, client_of, running_system

pytestmark = pytest.mark.xdist_group("access")

OWN, FOREIGN = "own-" + "a" * 39, "foreign-" + "b" * 35
ANN, BOB = "ann@example.org", "bob@example.org"
REQUESTS_PER_MINUTE = 30


@pytest.fixture(scope="module")
def client(server: EmbeddedServer) -> Iterator[httpx.Client]:
    """A client of a system whose limits the tests reach."""
    with (
        running_system(
            server,
            GUEST_ORDERS="secret",
            MESSAGE_REQUESTS_PER_MINUTE=str(REQUESTS_PER_MINUTE),
            MESSAGES_PER_HOUR="2",
            LINKS_RESPONSE_MS="1",  # Slow responses give the limit time to recover.
        ) as stack,
        client_of(stack) as client,
    ):
        yield client


def book(client: httpx.Client, email: str) -> str:
    body = {"tier": "GA", "quantity": 1, "userId": "user-123", "email": email}
    response = client.post("/api/bookings", json=body, headers={"Booking-Secret": OWN})
    return str(response.raise_for_status().json()["reference"])


def test_the_holder_of_an_order_gets_its_link_again(client: httpx.Client) -> None:
    path = f"/api/bookings/{book(client, ANN)}/email"
    for _ in range(2):
        sent = client.post(path, json={"email": BOB, "locale": "de"}, headers={"Booking-Secret": OWN})
        assert (sent.status_code, sent.json()["success"]) == (202, True)
        assert sent.headers["Cache-Control"] == "no-store"
    refused = client.post(path, json={"email": BOB}, headers={"Booking-Secret": OWN})
    assert_problem(refused, 429, "rate_limited")
    assert refused.headers["RateLimit-Policy"] == '"messages";q=2;w=3600'


def test_a_stranger_gets_the_response_for_an_unknown_order(client: httpx.Client) -> None:
    reference = book(client, ANN)
    unknown = "x" * len(reference)
    for headers in ({}, {"Booking-Secret": FOREIGN}):
        responses = [
            client.post(f"/api/bookings/{path}/email", json={"email": BOB}, headers=headers)
            for path in (reference, unknown)
        ]
        assert_problem(responses[0], 404, "not_found")
        assert responses[0].text.replace(reference, unknown) == responses[1].text


def test_every_address_gets_the_same_response(client: httpx.Client) -> None:
    book(client, ANN)
    responses = [client.post("/api/links", json={"email": email}) for email in [ANN, "nobody@example.org", *[ANN] * 3]]
    assert {(response.status_code, response.text) for response in responses} == {(202, responses[0].text)}
    assert len({tuple(sorted(response.headers.keys())) for response in responses}) == 1


@pytest.mark.parametrize("body", [{}, {"email": "ann@"}, {"email": f"{ANN}\nBcc: {BOB}"}, {"email": ANN, "to": BOB}])
def test_an_invalid_body_is_refused(client: httpx.Client, body: dict[str, str]) -> None:
    assert_problem(client.post("/api/links", json=body), 400, "invalid_request")


def test_an_order_may_have_the_reference_links(client: httpx.Client) -> None:
    body = {"tier": "GA", "quantity": 1, "userId": "user-123", "bookingReference": "links"}
    client.post("/api/bookings", json=body, headers={"Booking-Secret": OWN}).raise_for_status()
    found = client.get("/api/bookings/links", headers={"Booking-Secret": OWN})
    assert (found.status_code, found.json()["reference"]) == (200, "links")


def test_one_client_cannot_request_e_mails_without_end(client: httpx.Client) -> None:
    responses = [client.post("/api/links", json={"email": BOB}) for _ in range(REQUESTS_PER_MINUTE + 1)]
    limited = [response for response in responses if response.status_code == 429]
    assert limited
    assert_problem(limited[0], 429, "rate_limited")
    assert limited[0].headers["RateLimit-Policy"] == f'"message_requests";q={REQUESTS_PER_MINUTE};w=60'
