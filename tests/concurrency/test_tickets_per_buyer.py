"""The limits of tickets per buyer hold with any number of processes and with both isolation levels.

The negative control moves a buyer's guard from any version. One process exceeds the limit as two do, because it has two
batches in flight.
"""

from pathlib import Path

import psycopg
import pytest

from api.commands.audit import audit
from tests.concurrency.clients import PATIENT, codes, post_all
from tests.concurrency.weakened import SLOW_COMMITS, weakened_source
from tests.conftest import StartStack
from tests.stack import Stack

LIMIT, OF_TIER = 10, 7
"""The most tickets of a buyer in the event, and among them in GA."""
ATTEMPTS = 40
STAMPEDES_MAX = 10
PAID = PATIENT | {"PAYMENT_SUCCESS_RATE": "1", "BOOKINGS_PER_MINUTE": "0"}


def limit(stack: Stack) -> None:
    """Limit the tickets per buyer, and let the transactions of the processes overlap."""
    with psycopg.connect(stack.database_url) as conn:
        conn.execute("update events set tickets_per_buyer = %s", [LIMIT])
        conn.execute("update tiers set tickets_per_buyer = %s where name = 'GA'", [OF_TIER])
        conn.execute(SLOW_COMMITS % 0.02)


def tickets(stack: Stack, tier: str | None = None) -> list[int]:
    """Return the number of tickets of each buyer, of all tiers or of one."""
    query = """
        select count(*) from bookings join orders on order_id = orders.id join tiers on tier_id = tiers.id
        where released_at is null and (%s::text is null or name = %s) group by user_id
    """
    with psycopg.connect(stack.database_url) as conn:
        return [count for (count,) in conn.execute(query, [tier, tier]).fetchall()]


def bookings(buyers: int = 1, name: str = "eager", tiers: tuple[str, ...] = ("GA", "VIP")) -> list[dict[str, object]]:
    return [
        {"tier": tiers[number // buyers % len(tiers)], "quantity": 1, "userId": f"{name}-{number % buyers}"}
        for number in range(ATTEMPTS * buyers)
    ]


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_forty_bookings_at_once_through_two_processes_sell_exactly_the_limit(
    start_stack: StartStack, isolation: str
) -> None:
    env = PAID | {"BOOKING_ISOLATION": isolation, "BOOKING_BATCH_MAX": "3"}
    stack = await start_stack(api_workers=2, env=env)
    limit(stack)
    responses = await post_all(stack.api_url, bookings())
    assert sorted(codes(responses)) == ["201"] * LIMIT + ["409 buyer_limit"] * (ATTEMPTS - LIMIT)
    assert tickets(stack) == [LIMIT]
    assert max(tickets(stack, "GA")) <= OF_TIER
    assert {response.json()["remaining"] for response in responses if response.status_code == 409} <= {0, 1, 2, 3}
    others = [{"tier": "GA", "quantity": 1, "userId": "patient"}] * OF_TIER
    assert codes(await post_all(stack.api_url, others)) == ["201"] * OF_TIER
    assert audit(stack.database_url) == []


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_guard_that_moves_from_any_version_admits_more_through_two_batches(
    start_stack: StartStack, tmp_path: Path, processes: int
) -> None:
    env = PAID | {"BOOKING_BATCH_MAX": "3", "BOOKING_ISOLATION": "read_committed"}
    stack = await start_stack(api_workers=processes, env=env, source=weakened_source(tmp_path, "no_guard"))
    limit(stack)
    for stampede in range(STAMPEDES_MAX):
        # Only a buyer whose requests are in two batches at once can exceed the limit.
        await post_all(stack.api_url, bookings(buyers=4, name=f"eager-{stampede}"))
        if max(tickets(stack)) > LIMIT:
            assert [violation.invariant.name for violation in audit(stack.database_url)] == [
                "audit.find_exceeded_limits"
            ]
            return
    pytest.fail(f"in {STAMPEDES_MAX} stampedes no buyer got more than {LIMIT} tickets")
