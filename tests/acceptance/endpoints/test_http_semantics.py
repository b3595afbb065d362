"""HTTP semantics (RFC 9110): HEAD, content codings, and the origin and the type of a request with a body."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.system import FOREIGN_ORIGIN, Buyer, assert_problem
from tests.stack import Stack

OF_ACCOUNTS = ("/api/me", "/api/desk")
"""Paths that need an access token."""
PLAIN = {"Accept-Encoding": "identity"}
CHANGING = {"X-As-Of", "ETag", "Date", "Content-Length"}
"""Headers whose values may differ between two requests."""


def readable_paths(client: httpx.Client) -> Iterator[str]:
    """Yield the path templates with GET, and the addresses outside the OpenAPI document."""
    paths: dict[str, Any] = client.get("/schema/openapi.json").json()["paths"]
    yield from (path for path, operations in paths.items() if "get" in operations)
    yield from ("/metrics", "/schema", "/schema/openapi.json", "/schema-assets/swagger-ui.css")


def test_head_is_possible_wherever_get_is(client: httpx.Client, buyer: Buyer) -> None:
    order = buyer.booked(userId="head")
    values = {"slug": buyer.event, "reference": order["reference"], "file": "1.svg"}
    checked = 0
    for template in readable_paths(client):
        path = template.format_map(values)
        query: dict[str, str | int] = {"userId": "head", "limit": 1, "tier": "VIP", "quantity": 1, "search": "x"}
        get, head = (client.request(method, path, params=query, headers=PLAIN) for method in ("GET", "HEAD"))
        status = 401 if template.startswith(OF_ACCOUNTS) else 200
        assert (get.status_code, head.status_code) == (status, status), path
        assert head.content == b""
        assert head.headers.keys() == get.headers.keys(), path
        same = get.headers.keys() - {name.lower() for name in CHANGING}
        assert {name: head.headers[name] for name in same} == {name: get.headers[name] for name in same}, path
        checked += 1
    assert checked == 23


def test_head_has_the_length_of_the_body(untouched: Buyer) -> None:
    address = f"/api/events/{untouched.event}"
    body = untouched.client.get(address, headers=PLAIN).content
    assert untouched.client.head(address, headers=PLAIN).headers["Content-Length"] == str(len(body))


def test_head_finds_the_same_errors(client: httpx.Client) -> None:
    for path, status in {"/api/bookings/none": 404, "/api/bookings": 400, "/nowhere": 404}.items():
        response = client.head(path)
        assert (response.status_code, response.content) == (status, b""), path
    assert client.head("/api/payments/webhook").status_code == 405


def test_head_is_listed_where_get_is(client: httpx.Client) -> None:
    def allowed(response: httpx.Response) -> list[str]:
        return sorted(response.headers["Allow"].split(", "))

    assert allowed(client.options("/api/events")) == ["GET", "HEAD", "OPTIONS"]
    assert allowed(client.options("/api/bookings")) == ["GET", "HEAD", "OPTIONS", "POST"]
    assert allowed(client.delete("/api/events")) == ["GET", "HEAD", "OPTIONS"]
    assert allowed(client.get("/api/payments/webhook")) == ["OPTIONS", "POST"]


@pytest.mark.parametrize("path", ["/api/tickets", "/schema/openapi.json", "/schema-assets/swagger-ui.css"])
@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.5", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, deflate", None),
        ("identity, *;q=0", None),
        ("notgzip", None),
    ],
)
def test_a_weight_of_zero_excludes_gzip(
    client: httpx.Client, path: str, accept_encoding: str, coding: str | None
) -> None:
    response = client.get(path, headers={"Accept-Encoding": accept_encoding})
    assert response.headers.get("Content-Encoding") == coding
    assert "Accept-Encoding" in response.headers["Vary"]


UNSAFE = [
    ("/api/bookings", {"tier": "GA", "quantity": 1, "userId": "user-123"}),
    ("/api/bookings/none/cancel", {"userId": "user-123"}),
    ("/api/payments/webhook", {}),
]


@pytest.mark.parametrize(("path", "body"), UNSAFE)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN_ORIGIN},
        {"Origin": "null"},
        {"Origin": "file://"},
        {"Origin": "http://localhost:3000.elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": FOREIGN_ORIGIN, "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_page_of_a_foreign_origin_cannot_change_anything(
    client: httpx.Client, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    refusal = assert_problem(client.post(path, json=body, headers=headers), 403, "forbidden")
    assert "origin" in refusal["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_programs_without_an_origin_can_book(buyer: Buyer, headers: dict[str, str]) -> None:
    body = {"tier": "GA", "quantity": 1, "userId": "user-123"}
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, json=body, headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("of", ["web app", "API"])
def test_own_pages_can_book(stack: Stack, buyer: Buyer, of: str) -> None:
    body = {"tier": "GA", "quantity": 1, "userId": "user-123"}
    headers = {"Origin": stack.web_url if of == "web app" else stack.api_url, "Sec-Fetch-Site": "cross-site"}
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, json=body, headers=headers)
    assert response.status_code == 201


def test_a_foreign_page_can_read_nothing_but_is_not_refused(client: httpx.Client) -> None:
    response = client.get("/api/events", headers={"Origin": FOREIGN_ORIGIN, "Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
@pytest.mark.parametrize(("path", "body"), UNSAFE[:2])
def test_a_body_must_be_declared_as_json(
    client: httpx.Client, path: str, body: dict[str, Any], content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = client.post(path, content=json.dumps(body), headers=headers)
    assert "Content-Type" in assert_problem(response, 415, "unsupported_media_type")["message"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", 'application/json;charset="UTF-8"']
)
def test_parameters_and_case_of_the_content_type_do_not_matter(buyer: Buyer, content_type: str) -> None:
    body = json.dumps({"tier": "GA", "quantity": 1, "userId": "user-123"})
    headers = {"Content-Type": content_type}
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, content=body, headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("reference", [".", "..", '"."'])
def test_a_reference_that_no_address_reaches_is_refused(buyer: Buyer, reference: str) -> None:
    assert_problem(buyer.book(key=reference), 400, "invalid_request", "Idempotency-Key")
    assert_problem(buyer.book(bookingReference=reference.strip('"')), 400, "invalid_request", "bookingReference")


def test_the_address_of_a_reference_of_three_dots_works(buyer: Buyer) -> None:
    key = f"...{buyer.event}"
    buyer.booked(key=key)
    assert buyer.client.get(f"/api/bookings/{key}").status_code == 200


@pytest.mark.parametrize("number", ["2.0", "2e0", "20E-1"])
def test_a_whole_number_may_have_a_fraction_of_zero(buyer: Buyer, number: str) -> None:
    body = f'\ufeff{{"tier": "GA", "quantity": {number}, "userId": "user-123", "bookingReference": "{buyer.event}"}}'
    headers = {"Content-Type": "application/json"}
    parameters = {"event": buyer.event}
    first = buyer.client.post("/api/bookings", params=parameters, content=body.encode(), headers=headers)
    assert (first.status_code, len(first.json()["bookings"])) == (201, 2)
    repeat = buyer.book(quantity=2, bookingReference=buyer.event)
    assert repeat.headers["Idempotent-Replayed"] == "true", "2.0 and 2 are the same body"


def test_all_faults_of_a_body_are_reported(buyer: Buyer) -> None:
    response = buyer.client.post("/api/bookings", json={"quantity": 1.5, "seat": 1})
    problem = assert_problem(response, 400, "invalid_request")
    assert [fault["field"] for fault in problem["errors"]] == ["tier", "quantity", "userId", "seat"]
