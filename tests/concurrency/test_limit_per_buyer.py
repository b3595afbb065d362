"""A buyer makes at most so many bookings a minute, with any number of processes.

The negative control takes the guard out of the update that takes the limit, and then more get through.
"""

import shutil
from pathlib import Path

import psycopg
import pytest

from tests.concurrency.clients import codes, post_all
from tests.conftest import StartStack
from tests.stack import ROOT, Stack

LIMIT = 10
ATTEMPTS = 60
STAMPEDES_MAX = 10
LIMITED = {"PAYMENT_SUCCESS_RATE": "1", "BOOKINGS_PER_MINUTE": str(LIMIT), "BOOKING_BATCH_MAX": "3"}

# Between taking the limit and committing each transaction rests a while, so that those of the processes do overlap.
REST = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""


def booked(stack: Stack) -> list[int]:
    """Return how many orders each buyer has."""
    with psycopg.connect(stack.database_url) as conn:
        return [count for (count,) in conn.execute("select count(*) from orders group by user_id").fetchall()]


def wishes(buyers: int = 1, name: str = "eager") -> list[dict[str, object]]:
    return [{"tier": "GA", "quantity": 1, "userId": f"{name}-{number % buyers}"} for number in range(ATTEMPTS * buyers)]


async def test_of_sixty_bookings_at_once_through_two_processes_exactly_ten_are_made(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env=LIMITED)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(REST)
    answers = await post_all(stack.api_url, wishes())
    assert sorted(codes(answers)) == ["201"] * LIMIT + ["429 rate_limited"] * (ATTEMPTS - LIMIT)
    assert booked(stack) == [LIMIT]
    refusal = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60
    assert refusal.headers["RateLimit-Policy"] == '"bookings";q=10;w=60'
    others = await post_all(stack.api_url, [{**wish, "userId": "patient"} for wish in wishes()[:LIMIT]])
    assert codes(others) == ["201"] * LIMIT


async def test_without_its_guard_more_get_through(start_stack: StartStack, tmp_path: Path) -> None:
    source = tmp_path / "weakened"
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    limits = source / "sql" / "queries" / "limits.sql"
    guard = "cardinality(recent(booking_limits.booked_at, interval '1 minute')) + cardinality(excluded.booked_at)"
    text = limits.read_text(encoding="utf-8")
    assert guard in text
    limits.write_text(text.replace(guard, "0"), encoding="utf-8")
    stack = await start_stack(api_workers=2, env=LIMITED | {"BOOKING_ISOLATION": "read_committed"}, source=source)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(REST)
    for stampede in range(STAMPEDES_MAX):
        # Only a buyer whose requests are in both processes at once gets more.
        await post_all(stack.api_url, wishes(buyers=4, name=f"eager-{stampede}"))
        if max(booked(stack)) > LIMIT:
            return
    pytest.fail(f"in {STAMPEDES_MAX} stampedes nobody got more than {LIMIT}")
