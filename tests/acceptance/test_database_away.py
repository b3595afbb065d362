"""A database outage: requests fail in bounded time without a sale, and everything recovers by itself."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.acceptance.system import assert_problem, time_of
from tests.conftest import StartStack
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, Stack
from tests.waiting import response_with_status

AGE_MAX = timedelta(seconds=1)
READS = ["/api/tickets", "/api/bookings?userId=user-123", "/api/bookings/bk_1"]
BODY: dict[str, Any] = {"tier": "GA", "quantity": 3, "userId": "user-123", "bookingReference": "sent-during-the-outage"}


@pytest.fixture
async def stack(start_stack: StartStack) -> Stack:
    return await start_stack(private_server=True, env={"PAYMENT_SUCCESS_RATE": "1"})


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP
    ) as client:
        yield client


def assert_busy(response: httpx.Response) -> None:
    assert_problem(response, 503, "busy")
    assert int(response.headers["Retry-After"]) >= 1


async def test_an_outage_of_the_database_refuses_requests_and_ends_by_itself(
    stack: Stack, client: httpx.AsyncClient
) -> None:
    async def availability() -> httpx.Response:
        requested_at = datetime.now(UTC)
        response = await client.get("/api/tickets/availability")
        if response.status_code == 200:  # An older snapshot would be a 503.
            as_of = time_of(response.headers["X-As-Of"])
            assert as_of >= requested_at - AGE_MAX - timedelta(milliseconds=1)
        return response

    async def ready() -> httpx.Response:
        return await client.get("/health/ready")

    assert (await availability()).json()["GA"]["available"] == 1000

    stack.stop_database("immediate")
    booking = await client.post("/api/bookings", json=BODY)
    assert_busy(booking)
    assert booking.json()["reference"] == BODY["bookingReference"]
    assert_busy(await response_with_status(availability, 503))
    not_ready = await response_with_status(ready, 503)
    assert not_ready.json()["reason"] == "the database does not respond"
    assert (await client.get("/health/live")).status_code == 200
    for path in READS:
        assert_busy(await client.get(path))
    for response in await asyncio.gather(*(client.post("/api/bookings", json=BODY) for _ in range(20))):
        assert_busy(response)

    stack.start_database()
    await response_with_status(ready, 200)
    assert (await response_with_status(availability, 200)).json()["GA"][
        "available"
    ] == 1000  # no sale during the outage

    async def book_again() -> httpx.Response:
        return await client.post("/api/bookings", json=BODY)

    booked = await response_with_status(book_again, 201)
    repeats = await asyncio.gather(*(book_again() for _ in range(5)))
    assert {repeat.content for repeat in repeats} == {booked.content}
    listed = (await client.get("/api/bookings", params={"userId": "user-123"})).json()
    assert listed == {"orders": [booked.json()], "next": None}
    assert len((await client.get("/api/tickets")).json()) == 1300 - BODY["quantity"]


async def test_a_request_after_a_restart_of_the_database_succeeds(stack: Stack, client: httpx.AsyncClient) -> None:
    """The server restarts between two requests, so the pool's connections are dead at the second one."""
    first = await client.post("/api/bookings", json=BODY)
    assert first.status_code == 201
    assert stack.private_server
    stack.private_server.restart("immediate")
    repeat = await client.post("/api/bookings", json=BODY)
    assert (repeat.status_code, repeat.content) == (201, first.content)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    another = await client.post("/api/bookings", json=BODY | {"bookingReference": "after-the-restart"})
    assert another.status_code == 201
