"""One key makes one order, for any number of requests, at once or later, to any process."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from api.commands.seed import parse_inventory, seed
from api.database.embedded import EmbeddedServer
from tests.acceptance.system import running_system
from tests.concurrency.clients import PATIENT, codes, live_bookings, post_all, tickets_by_status
from tests.concurrency.weakened import PATHS, SLOW_COMMITS, BookingPath, start_weakened
from tests.conftest import StartStack
from tests.stack import PLAIN_HTTP, Stack

REPEATS = 50
EVENT = "once"
PAID = {"PAYMENT_SUCCESS_RATE": "1"}


@pytest.fixture(scope="module")
def paid(server: EmbeddedServer) -> Iterator[Stack]:
    """Two processes, for tests with events of their own. All payments are captured."""
    with running_system(server, API_WORKERS="2", **PATIENT) as stack:
        yield stack


def orders(database_url: str, events: str = "%") -> int:
    """Return the number of orders of the events whose slugs match a pattern."""
    query = "select count(*) from orders join events on events.id = event_id where slug like %s"
    with psycopg.connect(database_url) as conn:
        row = conn.execute(query, [events]).fetchone()
    assert row is not None
    return int(row[0])


async def test_fifty_repeats_at_once_make_one_order_and_get_fifty_equal_responses(paid: Stack) -> None:
    seed(paid.database_url, event=EVENT, inventory=parse_inventory("VIP=40,GA=100"))
    for tier, quantity in (("VIP", 3), ("GA", 2)):
        body = {"tier": tier, "quantity": quantity, "userId": "u", "bookingReference": f"key-{tier}"}
        responses = await post_all(paid.api_url, [body] * REPEATS, EVENT)
        assert codes(responses) == ["201"] * REPEATS
        assert len({response.content for response in responses}) == 1
        first = [response for response in responses if "Idempotent-Replayed" not in response.headers]
        assert len(first) == 1
    assert orders(paid.database_url, EVENT) == 2
    tickets = await tickets_by_status(paid.database_url, EVENT)
    assert tickets["sold"] == len(live_bookings(paid.database_url, EVENT)) == 5


async def test_a_declined_payment_is_remembered_by_all_its_repeats(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env=PATIENT | {"PAYMENT_SUCCESS_RATE": "0"})
    body = {"tier": "GA", "quantity": 2, "userId": "u", "bookingReference": "declined"}
    responses = await post_all(stack.api_url, [body] * REPEATS)
    assert codes(responses) == ["402 payment_declined"] * REPEATS
    assert len({response.content for response in responses}) == 1
    assert orders(stack.database_url) == 1


async def test_a_repeat_of_the_order_that_took_the_last_tickets_is_not_sold_out(paid: Stack) -> None:
    for number in range(10):
        event = f"last-{number}"
        tier = ("VIP", "GA")[number % 2]
        seed(paid.database_url, event=event, inventory=parse_inventory(f"{tier}=2"))
        body = {"tier": tier, "quantity": 2, "userId": "u", "bookingReference": event}
        responses = await post_all(paid.api_url, [body] * 12, event)
        assert codes(responses) == ["201"] * 12, event
    assert orders(paid.database_url, "last-%") == 10


async def test_another_body_under_the_same_key_is_refused_and_sells_nothing(paid: Stack) -> None:
    seed(paid.database_url, event="contested", inventory=parse_inventory("GA=100"))
    bodies = [
        {"tier": "GA", "quantity": 1 + number % 2, "userId": "u", "bookingReference": "contested"}
        for number in range(REPEATS)
    ]
    responses = await post_all(paid.api_url, bodies, "contested")
    assert codes(responses).count("201") == codes(responses).count("422 key_reused") == REPEATS // 2
    winners = {r.json()["bookings"][0]["id"] for r in responses if r.status_code == 201}
    assert len(winners) == 1
    assert orders(paid.database_url, "contested") == 1


async def test_a_refusal_that_created_nothing_is_not_remembered(paid: Stack) -> None:
    seed(paid.database_url, event="again", inventory=parse_inventory("GA=1"))
    body = {"tier": "GA", "quantity": 2, "userId": "u", "bookingReference": "again"}
    (refused,) = await post_all(paid.api_url, [body], "again")
    assert codes([refused]) == ["409 sold_out"]
    with psycopg.connect(paid.database_url) as conn:
        conn.execute(
            "insert into tickets (event_id, tier_id, position) select event_id, tier_id, 2 from tickets"
            " join events on events.id = event_id where slug = 'again'"
        )
    async with httpx.AsyncClient(verify=PLAIN_HTTP) as client:
        response = await client.post(f"{paid.api_url}/api/bookings", json=body, params={"event": "again"})
    assert codes([response]) == ["201"]
    assert "Idempotent-Replayed" not in response.headers


@pytest.mark.parametrize("path", PATHS)
async def test_the_unique_key_alone_makes_one_order_of_each_key(
    start_stack: StartStack, tmp_path: Path, path: BookingPath
) -> None:
    stack = await start_weakened(start_stack, tmp_path, path, "no_reference_lock", env=PAID)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_COMMITS % 0.05)
    await post_ten_keys(stack)
    assert orders(stack.database_url) == 10


@pytest.mark.parametrize("path", PATHS)
async def test_without_its_layers_the_same_repeats_make_several_orders(
    start_stack: StartStack, tmp_path: Path, path: BookingPath
) -> None:
    """The negative control: a process joins repeats to its own queued request, but not to another process's.

    It removes both the unique key and the advisory lock of a reference.
    """
    stack = await start_weakened(start_stack, tmp_path, path, "no_reference_lock", env=PAID)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_COMMITS % 0.05)
        conn.execute("alter table orders drop constraint orders_reference_key")
    await post_ten_keys(stack)
    assert orders(stack.database_url) > 10


async def post_ten_keys(stack: Stack) -> None:
    """Post the repeats of ten keys, one key after the other."""
    for number in range(10):
        body = {"tier": "GA", "quantity": 1, "userId": "u", "bookingReference": f"key-{number}"}
        await post_all(stack.api_url, [body] * REPEATS)
