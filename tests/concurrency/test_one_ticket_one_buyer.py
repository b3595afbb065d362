"""No ticket is sold twice, and none is refused while there is one: 200 buyers, 50 seats, two processes.

The negative control takes the layers away that prevent overselling, and then it must happen; with any one of
them put back, it must not.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from api.commands.seed import parse_inventory, seed
from tests.concurrency.clients import codes, live_bookings, post_all, stock
from tests.conftest import StartStack
from tests.stack import POLL_S, ROOT, Stack, TcpServer

SEATS = 50
BUYERS = 200
EVENT = "rush"
RUSHES_MAX = 10
PAID = {"PAYMENT_SUCCESS_RATE": "1"}


def buyers(tier: str = "VIP") -> list[dict[str, object]]:
    return [{"tier": tier, "quantity": 1, "userId": f"buyer-{n}"} for n in range(BUYERS)]


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
@pytest.mark.parametrize("tier", ["VIP", "GA"])
async def test_two_hundred_buyers_get_exactly_the_fifty_tickets(
    start_stack: StartStack, tier: str, isolation: str
) -> None:
    await rush(await start_stack(api_workers=2, env=PAID | {"BOOKING_ISOLATION": isolation}), tier)


async def test_on_another_postgresql_with_its_own_settings_they_get_them_too(
    start_stack: StartStack, other_server: TcpServer
) -> None:
    await rush(await start_stack(api_workers=2, env=PAID, database_server=other_server), "VIP")


async def rush(stack: Stack, tier: str) -> None:
    """Send all buyers at once; see that exactly the tickets were sold, each once, and nobody refused falsely."""
    seed(stack.database_url, event=EVENT, inventory=parse_inventory(f"{tier}={SEATS}"))
    answers = await post_all(stack.api_url, buyers(tier), EVENT)

    assert sorted(codes(answers)) == ["201"] * SEATS + ["409 sold_out"] * (BUYERS - SEATS)
    refusals = [answer.json()["available"] for answer in answers if answer.status_code == 409]
    assert set(refusals) == {0}
    acknowledged = [b["ticketId"] for a in answers if a.status_code == 201 for b in a.json()["bookings"]]
    assert sorted(acknowledged) == live_bookings(stack.database_url, EVENT)
    assert len(set(acknowledged)) == SEATS
    assert stock(stack.database_url, EVENT) == {"sold": SEATS}


@pytest.mark.parametrize("tier", ["VIP", "GA"])
async def test_held_while_they_are_paid_for_the_fifty_go_to_nobody_else(start_stack: StartStack, tier: str) -> None:
    stack = await start_stack(api_workers=2, env=PAID | {"PAYMENT_MODE": "async", "PSP_DELAY_MS": "2000"}, worker=True)
    await stack.start_payment_simulator()
    seed(stack.database_url, event=EVENT, inventory=parse_inventory(f"{tier}={SEATS}"))
    answers = await post_all(stack.api_url, buyers(tier), EVENT)
    assert codes(answers).count("202") == SEATS
    assert set(codes(answers)) <= {"202", "409 all_held", "409 sold_out"}  # the last ones may have been paid by then
    held = [b["ticketId"] for a in answers if a.status_code == 202 for b in a.json()["bookings"]]
    assert sorted(held) == live_bookings(stack.database_url, EVENT)
    assert len(set(held)) == SEATS
    while stock(stack.database_url, EVENT) != {"sold": SEATS}:  # noqa: ASYNC110 - bounded by the test's own time
        await asyncio.sleep(POLL_S)
    assert sorted(held) == live_bookings(stack.database_url, EVENT)


async def test_declined_payments_leave_their_tickets_to_the_others(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env={"PAYMENT_SUCCESS_RATE": "0.5"})
    seed(stack.database_url, event=EVENT, inventory=parse_inventory(f"VIP={SEATS}"))
    answers = await post_all(stack.api_url, buyers(), EVENT)
    assert codes(answers).count("201") == SEATS
    assert set(codes(answers)) == {"201", "402 payment_declined", "409 sold_out"}
    assert len(live_bookings(stack.database_url, EVENT)) == len(set(live_bookings(stack.database_url, EVENT))) == SEATS


LAYERS = ("unique index", "row lock", "serializable")

# Between claim and commit each transaction rests a while, so that those of the two processes do overlap.
REST = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""


def weaken(source: Path, kept: str | None) -> None:
    """Take the protection of a claim out of a copy of the sources, but for the layer that is kept."""
    tickets = source / "sql" / "queries" / "tickets.sql"
    text = tickets.read_text(encoding="utf-8")
    if kept != "row lock":
        text, count = re.subn(r"\n\s*for update skip locked", "", text)
        assert count == 3
    tickets.write_text(text, encoding="utf-8")
    bookings = source / "api" / "services" / "bookings" / "batch.py"
    text = bookings.read_text(encoding="utf-8")
    assert ", affects=len(ctids)" in text
    bookings.write_text(text.replace(", affects=len(ctids)", ""), encoding="utf-8")


async def start_weakened(start_stack: StartStack, directory: Path, kept: str | None) -> Stack:
    """Start the system from weakened sources, on a database without what else would protect it."""
    source = directory / "weakened"
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    weaken(source, kept)
    isolation = "serializable" if kept == "serializable" else "read_committed"
    stack = await start_stack(
        api_workers=2, env={"PAYMENT_SUCCESS_RATE": "1", "BOOKING_ISOLATION": isolation}, source=source
    )
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(REST)
        if kept != "unique index":
            conn.execute("drop index bookings_live_ticket_key")
    return stack


async def rushes(stack: Stack) -> AsyncIterator[tuple[str, list[httpx.Response]]]:
    """Send the rush to one new event after the other; yield each event with its answers.

    It takes two processes that reach for the same tickets in the same moment, which not every rush has.
    """
    for number in range(RUSHES_MAX):
        event = f"{EVENT}-{number}"
        seed(stack.database_url, event=event, inventory=parse_inventory(f"GA={SEATS}"))
        yield event, await post_all(stack.api_url, buyers("GA"), event)


def oversold(stack: Stack, event: str) -> int:
    """Return how many live bookings an event has beyond one for each ticket."""
    tickets = live_bookings(stack.database_url, event)
    return len(tickets) - len(set(tickets))


async def test_without_its_layers_the_same_rush_sells_tickets_twice(start_stack: StartStack, tmp_path: Path) -> None:
    stack = await start_weakened(start_stack, tmp_path, kept=None)
    async for event, _ in rushes(stack):
        if oversold(stack, event):
            return
    pytest.fail("no ticket was sold twice")


@pytest.mark.parametrize("layer", LAYERS)
async def test_each_layer_alone_prevents_it(start_stack: StartStack, tmp_path: Path, layer: str) -> None:
    stack = await start_weakened(start_stack, tmp_path, kept=layer)
    event, _ = await anext(rushes(stack))
    assert oversold(stack, event) == 0


async def test_without_looking_again_buyers_are_refused_falsely(start_stack: StartStack, tmp_path: Path) -> None:
    """The negative control of refusals: what is merely locked is called sold, though its buyer then declines."""
    source = tmp_path / "hasty"
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    bookings = source / "api" / "services" / "bookings" / "batch.py"
    text = bookings.read_text(encoding="utf-8")
    look_again = "    if left.available >= new.quantity:\n        return Retry()\n"
    assert look_again in text
    bookings.write_text(text.replace(look_again, ""), encoding="utf-8")
    stack = await start_stack(api_workers=2, env={"PAYMENT_SUCCESS_RATE": "0.5"}, source=source)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(REST)
    async for _, answers in rushes(stack):
        if any(answer.json()["available"] for answer in answers if answer.status_code == 409):
            return
    pytest.fail("nobody was told sold_out while tickets were left")
