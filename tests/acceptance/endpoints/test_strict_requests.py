"""Requests that contradict themselves or HTTP: each gets a refusal and books nothing."""

import gzip
import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.system import Buyer, assert_problem
from tests.stack import HTTP_TIMEOUT_S, Stack

BODY = json.dumps({"tier": "GA", "quantity": 1, "userId": "user-123"}).encode()


def status_of(stack: Stack, path: str, lines: list[str], version: str = "1.1") -> int:
    """Send a GET request with these header lines and no others; return the status."""
    address = urlsplit(stack.api_url)
    with socket.create_connection((address.hostname, address.port), timeout=HTTP_TIMEOUT_S) as connection:
        head = [f"GET {path} HTTP/{version}", *lines, "Connection: close", "", ""]
        connection.sendall("\r\n".join(head).encode())
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize("path", ["/api/tickets/availability", "/api/tickets?limit=1", "/schema"])
@pytest.mark.parametrize(
    ("lines", "version", "status"),
    [
        (["Host: one.example"], "1.1", 200),
        ([], "1.1", 400),
        (["Host: one.example", "Host: two.example"], "1.1", 400),
        ([], "1.0", 200),
    ],
    ids=["one", "none", "two", "none in HTTP/1.0"],
)
def test_a_request_has_one_host(stack: Stack, path: str, lines: list[str], version: str, status: int) -> None:
    assert status_of(stack, path, lines, version) == status


def test_two_lines_with_different_keys_are_refused(buyer: Buyer) -> None:
    keys = [f"{buyer.event}-one", f"{buyer.event}-two"]
    headers = [("Content-Type", "application/json"), *(("Idempotency-Key", key) for key in keys)]
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, content=BODY, headers=headers)
    assert_problem(response, 400, "invalid_request", "Idempotency-Key")
    assert len(buyer.tickets()) == 1300


def test_two_lines_with_the_same_key_are_one_key(buyer: Buyer) -> None:
    key = f"{buyer.event}-twice"
    headers = [("Content-Type", "application/json"), *[("Idempotency-Key", key)] * 2]
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, content=BODY, headers=headers)
    assert (response.status_code, response.json()["reference"]) == (201, key)


@pytest.mark.parametrize("content", [BODY, gzip.compress(BODY)], ids=["plain", "compressed"])
@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_a_content_coding_is_refused_by_its_name(buyer: Buyer, content: bytes, coding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, content=content, headers=headers)
    assert "Content-Encoding" in assert_problem(response, 415, "unsupported_media_type")["message"]
    assert len(buyer.tickets()) == 1300


def test_the_identity_coding_is_none(buyer: Buyer) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "Identity"}
    response = buyer.client.post("/api/bookings", params={"event": buyer.event}, content=BODY, headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("path", ["/schema/redoc", "/schema/openapi.yaml", "/schema/nothing"])
def test_an_unknown_page_of_the_schema_is_a_problem(client: httpx.Client, path: str) -> None:
    assert_problem(client.get(path), 404, "not_found")
