"""The limit of bookings per buyer and minute holds with any number of processes.

The negative control checks the limit before it locks the buyer's row. One process exceeds the limit as two do, because
it has two batches in flight.
"""

from pathlib import Path

import psycopg
import pytest

from tests.concurrency.clients import PATIENT, codes, post_all
from tests.concurrency.weakened import ENVIRONMENTS, PATHS, SLOW_COMMITS, BookingPath, start_weakened
from tests.conftest import StartStack
from tests.stack import Stack

LIMIT = 10
ATTEMPTS = 60
STAMPEDES_MAX = 10
LIMITED = PATIENT | {"PAYMENT_SUCCESS_RATE": "1", "BOOKINGS_PER_MINUTE": str(LIMIT), "BOOKING_BATCH_MAX": "30"}
"""A single batch may exceed the limit."""


def booked(stack: Stack) -> list[int]:
    """Return the number of each buyer's orders."""
    with psycopg.connect(stack.database_url) as conn:
        return [count for (count,) in conn.execute("select count(*) from orders group by user_id").fetchall()]


def bookings(buyers: int = 1, name: str = "eager") -> list[dict[str, object]]:
    return [{"tier": "GA", "quantity": 1, "userId": f"{name}-{number % buyers}"} for number in range(ATTEMPTS * buyers)]


@pytest.mark.parametrize("path", PATHS)
async def test_of_sixty_bookings_at_once_through_two_processes_exactly_ten_are_made(
    start_stack: StartStack, path: BookingPath
) -> None:
    stack = await start_stack(api_workers=2, env=LIMITED | ENVIRONMENTS[path])
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_COMMITS % 0.02)
    responses = await post_all(stack.api_url, bookings())
    assert sorted(codes(responses)) == ["201"] * LIMIT + ["429 rate_limited"] * (ATTEMPTS - LIMIT)
    assert booked(stack) == [LIMIT]
    refusal = next(response for response in responses if response.status_code == 429)
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60
    assert refusal.headers["RateLimit-Policy"] == '"bookings";q=10;w=60'
    others = await post_all(stack.api_url, [{**each, "userId": "patient"} for each in bookings()[:LIMIT]])
    assert codes(others) == ["201"] * LIMIT


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("processes", [1, 2])
async def test_a_check_before_the_lock_admits_more_through_two_batches(
    start_stack: StartStack, tmp_path: Path, processes: int, path: BookingPath
) -> None:
    env = LIMITED | {"BOOKING_BATCH_MAX": "3", "BOOKING_ISOLATION": "read_committed"}
    stack = await start_weakened(start_stack, tmp_path, path, "early_limit_check", env=env, processes=processes)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_COMMITS % 0.02)
    for stampede in range(STAMPEDES_MAX):
        # Only a buyer whose requests are in two batches at once can exceed the limit.
        await post_all(stack.api_url, bookings(buyers=4, name=f"eager-{stampede}"))
        if max(booked(stack)) > LIMIT:
            return
    pytest.fail(f"in {STAMPEDES_MAX} stampedes no buyer got more than {LIMIT} bookings")
