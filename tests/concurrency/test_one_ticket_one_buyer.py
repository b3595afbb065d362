"""No ticket is sold twice, and no buyer is refused while tickets are left: 200 buyers, 50 tickets, two processes.

The negative control removes the layers that prevent overselling, and then overselling must happen. With any one of the
layers restored it must not happen.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from api.commands.seed import parse_inventory, seed
from tests.concurrency.clients import PATIENT, codes, live_bookings, post_all, tickets_by_status
from tests.concurrency.weakened import (
    ENVIRONMENTS,
    PATHS,
    SLOW_COMMITS,
    BookingPath,
    start_weakened,
    weakened_source,
)
from tests.conftest import StartStack
from tests.stack import POLL_S, Stack, TcpServer

SEATS = 50
BUYERS = 200
EVENT = "rush"
TIERS = ("VIP", "GA")
"""A tier with seats and a standing tier."""
RUSHES = 4
"""Two processes must claim the same tickets at the same moment, which one of twenty rushes does not make them do."""
REFUSED_RUSHES_MAX = 20
"""Rushes until a false refusal. One of two rushes has none."""
SOLD_MIN = SEATS // 2
"""Tickets that a rush sells at least. A system that sells few tickets cannot show that it sells none twice."""
PAID = PATIENT | {"PAYMENT_SUCCESS_RATE": "1"}


def buyers(tier: str = "VIP") -> list[dict[str, object]]:
    return [{"tier": tier, "quantity": 1, "userId": f"buyer-{n}"} for n in range(BUYERS)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_two_hundred_buyers_get_exactly_the_fifty_tickets(
    start_stack: StartStack, isolation: str, path: BookingPath
) -> None:
    env = PAID | ENVIRONMENTS[path] | {"BOOKING_ISOLATION": isolation}
    stack = await start_stack(api_workers=2, env=env)
    for tier in TIERS:
        await rush(stack, tier)


async def test_another_postgresql_with_its_own_settings_sells_exactly_the_fifty_tickets(
    start_stack: StartStack, other_server: TcpServer
) -> None:
    await rush(await start_stack(api_workers=2, env=PAID, database_server=other_server), "VIP")


def open_sale(stack: Stack, tier: str) -> str:
    """Create an event with as many tickets of one tier as a rush needs; return its slug."""
    event = f"{EVENT}-{tier.lower()}"
    seed(stack.database_url, event=event, inventory=parse_inventory(f"{tier}={SEATS}"))
    return event


async def rush(stack: Stack, tier: str) -> None:
    """Send all buyers at once; check that each ticket was sold once and that no buyer was refused falsely."""
    event = open_sale(stack, tier)
    responses = await post_all(stack.api_url, buyers(tier), event)

    assert sorted(codes(responses)) == ["201"] * SEATS + ["409 sold_out"] * (BUYERS - SEATS)
    refusals = [response.json()["available"] for response in responses if response.status_code == 409]
    assert set(refusals) == {0}
    acknowledged = [b["ticketId"] for r in responses if r.status_code == 201 for b in r.json()["bookings"]]
    assert sorted(acknowledged) == live_bookings(stack.database_url, event)
    assert len(set(acknowledged)) == SEATS
    assert await tickets_by_status(stack.database_url, event) == {"sold": SEATS}


async def test_the_fifty_tickets_go_to_no_other_buyer_while_they_are_held(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env=PAID | {"PAYMENT_MODE": "async", "PSP_DELAY_MS": "2000"}, worker=True)
    await stack.start_payment_simulator()
    for tier in TIERS:
        event = open_sale(stack, tier)
        responses = await post_all(stack.api_url, buyers(tier), event)
        assert codes(responses).count("202") == SEATS
        assert set(codes(responses)) <= {"202", "409 all_held", "409 sold_out"}  # the last holds may be paid by then
        held = [b["ticketId"] for r in responses if r.status_code == 202 for b in r.json()["bookings"]]
        assert sorted(held) == live_bookings(stack.database_url, event)
        assert len(set(held)) == SEATS
        while await tickets_by_status(stack.database_url, event) != {"sold": SEATS}:  # noqa: ASYNC110 - the test's timeout bounds it
            await asyncio.sleep(POLL_S)
        assert sorted(held) == live_bookings(stack.database_url, event)


async def test_declined_payments_leave_their_tickets_to_other_buyers(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env=PATIENT | {"PAYMENT_SUCCESS_RATE": "0.5"})
    seed(stack.database_url, event=EVENT, inventory=parse_inventory(f"VIP={SEATS}"))
    responses = await post_all(stack.api_url, buyers(), EVENT)
    assert codes(responses).count("201") == SEATS
    assert set(codes(responses)) == {"201", "402 payment_declined", "409 sold_out"}
    assert len(live_bookings(stack.database_url, EVENT)) == len(set(live_bookings(stack.database_url, EVENT))) == SEATS


LAYERS = ("unique index", "row lock", "serializable")


async def start_without_layers(start_stack: StartStack, directory: Path, path: BookingPath, kept: str | None) -> Stack:
    """Start the system with weak claims and without the other layers, except for the layer that is kept."""
    weaknesses = ["no_row_count", *([] if kept == "row lock" else ["no_row_lock"])]
    isolation = "serializable" if kept == "serializable" else "read_committed"
    stack = await start_weakened(start_stack, directory, path, *weaknesses, env=PAID | {"BOOKING_ISOLATION": isolation})
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_COMMITS % 0.02)
        if kept != "unique index":
            conn.execute("drop index bookings_live_ticket_key")
    return stack


async def rushes(stack: Stack, count: int = RUSHES) -> AsyncIterator[tuple[str, list[httpx.Response]]]:
    """Send the rush to one new event after the other; yield each event with its responses."""
    for number in range(count):
        event = f"{EVENT}-{number}"
        seed(stack.database_url, event=event, inventory=parse_inventory(f"GA={SEATS}"))
        yield event, await post_all(stack.api_url, buyers("GA"), event)


def oversold(stack: Stack, event: str) -> int:
    """Return the number of live bookings of an event beyond one for each ticket."""
    tickets = live_bookings(stack.database_url, event)
    return len(tickets) - len(set(tickets))


@pytest.mark.parametrize("path", PATHS)
async def test_without_its_layers_the_same_rush_sells_tickets_twice(
    start_stack: StartStack, tmp_path: Path, path: BookingPath
) -> None:
    stack = await start_without_layers(start_stack, tmp_path, path, kept=None)
    async for event, _ in rushes(stack):
        if oversold(stack, event):
            return
    pytest.fail("no ticket was sold twice")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("layer", LAYERS)
async def test_each_layer_alone_prevents_it(
    start_stack: StartStack, tmp_path: Path, layer: str, path: BookingPath
) -> None:
    stack = await start_without_layers(start_stack, tmp_path, path, kept=layer)
    async for event, responses in rushes(stack):
        assert oversold(stack, event) == 0
        assert codes(responses).count("201") >= SOLD_MIN


async def test_if_locked_tickets_count_as_sold_buyers_are_refused_falsely(
    start_stack: StartStack, tmp_path: Path
) -> None:
    """Test refusals with a negative control: nine of ten payments are declined, so the tickets cannot sell out."""
    source = weakened_source(tmp_path, "hasty_refusal")
    stack = await start_stack(api_workers=2, env={"PAYMENT_SUCCESS_RATE": "0.1"}, source=source)
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_COMMITS % 0.1)
    async for event, responses in rushes(stack, REFUSED_RUSHES_MAX):
        if "409 sold_out" in codes(responses):
            assert "available" in await tickets_by_status(stack.database_url, event)
            return
    pytest.fail("no buyer was refused as sold_out while tickets were left")
