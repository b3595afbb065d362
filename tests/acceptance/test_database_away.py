"""The database goes away and comes back: meanwhile nothing is sold or invented, and afterwards all works again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.acceptance.system import assert_problem, time_of
from tests.conftest import StartStack
from tests.stack import HTTP_TIMEOUT_S, POLL_S, READY_TIMEOUT_S, Stack

AGE_MAX = timedelta(seconds=1)
READS = ["/api/tickets", "/api/bookings?userId=user-123", "/api/bookings/bk_1"]
BODY: dict[str, Any] = {"tier": "GA", "quantity": 3, "userId": "user-123", "bookingReference": "sent-during-the-outage"}


@pytest.fixture
async def stack(start_stack: StartStack) -> Stack:
    return await start_stack(private_server=True, env={"PAYMENT_SUCCESS_RATE": "1"})


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, trust_env=False) as client:
        yield client


async def eventually(ask: Callable[[], Awaitable[httpx.Response]], status: int) -> httpx.Response:
    """Ask until the answer has this status."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while (answer := await ask()).status_code != status:
        assert time.monotonic() < deadline, f"{answer.url}: still {answer.status_code}, not {status}: {answer.text}"
        await asyncio.sleep(POLL_S)
    return answer


def assert_busy(answer: httpx.Response) -> None:
    assert_problem(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_while_the_database_is_away_requests_are_refused_and_afterwards_all_works_again(
    stack: Stack, client: httpx.AsyncClient
) -> None:
    async def availability() -> httpx.Response:
        asked_at = datetime.now(UTC)
        answer = await client.get("/api/tickets/availability")
        if answer.status_code == 200:  # true, or not given out
            as_of = time_of(answer.headers["X-As-Of"])
            assert as_of >= asked_at - AGE_MAX - timedelta(milliseconds=1)
        return answer

    async def ready() -> httpx.Response:
        return await client.get("/health/ready")

    assert (await availability()).json()["GA"]["available"] == 1000

    stack.stop_database("immediate")
    booking = await client.post("/api/bookings", json=BODY)
    assert_busy(booking)
    assert booking.json()["reference"] == BODY["bookingReference"]
    assert_busy(await eventually(availability, 503))
    not_ready = await eventually(ready, 503)
    assert not_ready.json()["reason"] == "the database does not answer"
    assert (await client.get("/health/live")).status_code == 200
    for path in READS:
        assert_busy(await client.get(path))
    for answer in await asyncio.gather(*(client.post("/api/bookings", json=BODY) for _ in range(20))):
        assert_busy(answer)

    stack.start_database()
    await eventually(ready, 200)
    assert (await eventually(availability, 200)).json()["GA"]["available"] == 1000  # nothing was sold meanwhile

    async def book_again() -> httpx.Response:
        return await client.post("/api/bookings", json=BODY)

    booked = await eventually(book_again, 201)
    repeats = await asyncio.gather(*(book_again() for _ in range(5)))
    assert {repeat.content for repeat in repeats} == {booked.content}
    listed = (await client.get("/api/bookings", params={"userId": "user-123"})).json()
    assert listed == {"orders": [booked.json()], "next": None}
    assert len((await client.get("/api/tickets")).json()) == 1300 - BODY["quantity"]


async def test_connections_that_were_cut_are_not_held_against_the_next_request(
    stack: Stack, client: httpx.AsyncClient
) -> None:
    """The server restarts between two requests: the pool's connections are dead, and nobody is told of it."""
    first = await client.post("/api/bookings", json=BODY)
    assert first.status_code == 201
    assert stack.private_server
    stack.private_server.restart("immediate")
    repeat = await client.post("/api/bookings", json=BODY)
    assert (repeat.status_code, repeat.content) == (201, first.content)
    assert repeat.headers["Idempotent-Replayed"] == "true"
    another = await client.post("/api/bookings", json=BODY | {"bookingReference": "after-the-restart"})
    assert another.status_code == 201
