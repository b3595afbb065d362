"""A running system that the tests of a module share, and a client for it."""

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg

from api.commands.seed import DEFAULT_INVENTORY, TierPlan, seed
from api.schemas import BUILT_IN_EVENT
from tests.stack import HTTP_TIMEOUT_S, PATIENT, PLAIN_HTTP, POLL_S, Server, Stack, cloned_database, temporary_directory

FOREIGN_ORIGIN = "https://elsewhere.example"
PROBLEM = "application/problem+json"
SECURITY_HEADERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_INTERNALS = re.compile(r"Traceback|File \"|psycopg|litestar|msgspec|\bSELECT\b", re.IGNORECASE)
_numbers = itertools.count(1)


@contextlib.contextmanager
def running_system(server: Server, **environment: str) -> Iterator[Stack]:
    """Run the API on a fresh database; every payment is captured unless `environment` says otherwise."""
    defaults = {"API_WORKERS": "1", "PAYMENT_SUCCESS_RATE": "1", **PATIENT}
    with temporary_directory() as directory, cloned_database(server) as url:
        stack = Stack(url, directory, defaults | environment)
        try:
            asyncio.run(stack.start_api())
            yield stack
        finally:
            asyncio.run(stack.stop())


@contextlib.contextmanager
def client_of(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP) as client:
        yield client


class Buyer:
    """A client of the API that books tickets of one event."""

    def __init__(self, client: httpx.Client, event: str = BUILT_IN_EVENT) -> None:
        self.client = client
        self.event = event

    def book(self, *, key: str | None = None, **wanted: Any) -> httpx.Response:
        """Request a booking of one standing ticket; `wanted` overrides the body's fields."""
        body = {"tier": "GA", "quantity": 1, "userId": "user-123", **wanted}
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client.post("/api/bookings", params={"event": self.event}, json=body, headers=headers)

    def booked(self, *, key: str | None = None, **wanted: Any) -> dict[str, Any]:
        """Book; return the order."""
        response = self.book(key=key, **wanted)
        assert response.status_code == 201, response.text
        order: dict[str, Any] = response.json()
        return order

    def tickets(self, **parameters: str | int) -> list[dict[str, Any]]:
        """Return the available tickets."""
        response = self.client.get("/api/tickets", params={"event": self.event, **parameters})
        assert response.status_code == 200, response.text
        tickets: list[dict[str, Any]] = response.json()
        return tickets

    def availability(self, **headers: str) -> httpx.Response:
        return self.client.get("/api/tickets/availability", params={"event": self.event}, headers=headers)

    def available_now(self) -> dict[str, int]:
        """Return availability as of a time after the start of this call."""
        called_at = datetime.now(UTC)
        while True:
            response = self.availability()
            assert response.status_code == 200, response.text
            as_of = time_of(response.headers["X-As-Of"])
            if as_of > called_at:
                return {tier: counts["available"] for tier, counts in response.json().items()}
            # Responses are at most a second old, so this loop ends.
            assert (datetime.now(UTC) - as_of).total_seconds() < HTTP_TIMEOUT_S
            time.sleep(POLL_S)


def new_event(stack: Stack, inventory: tuple[TierPlan, ...] = DEFAULT_INVENTORY) -> str:
    """Create another event; return its slug."""
    slug = f"evening-{next(_numbers)}"
    seed(stack.database_url, event=slug, inventory=inventory)
    return slug


def buyer_at(stack: Stack, client: httpx.Client, *inventory: TierPlan) -> Buyer:
    """Return a buyer at a new event with this inventory."""
    return Buyer(client, new_event(stack, inventory))


def set_sale(stack: Stack, event: str, start: str, end: str | None = None) -> None:
    """Change the sales window of an event."""
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute(
            "update events set sales_start_at = %s, sales_end_at = %s where slug = %s",
            [start, end, event],
        )


def time_of(text: str) -> datetime:
    """Parse a time; fail unless it is RFC 3339 in UTC."""
    assert _TIME.fullmatch(text), text
    return datetime.fromisoformat(text)


def assert_problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """Check that an error conforms to the contract; return its body."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == PROBLEM
    assert not _INTERNALS.search(response.text), response.text
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "success", "code", "message"} <= body.keys()
    assert (body["status"], body["code"], body["success"]) == (status, code, False)
    assert isinstance(body["message"], str)
    assert body["message"]
    if field is not None:
        assert body["errors"][0]["field"] == field
        assert body["errors"][0]["message"]
    return body
