"""A basket gets all of its items or none: two processes, with baskets that want the same tickets at once."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from api.commands.audit import audit
from api.commands.seed import parse_inventory, seed
from api.database.embedded import EmbeddedServer
from tests.acceptance.system import running_system
from tests.concurrency.clients import PATIENT, codes, live_bookings, post_all, tickets_by_status, tickets_of
from tests.concurrency.weakened import ENVIRONMENTS, PATHS
from tests.stack import Stack

BUYERS = 150
SEATS, STANDING = 50, 30
REPEATS = 40
RING = 24
"""Seats of a ring. Each pair of neighbours is chosen by several buyers, and each seat belongs to two pairs."""
LIMIT = 10
"""The most tickets of a buyer."""


@pytest.fixture(scope="module", params=PATHS)
def stack(request: pytest.FixtureRequest, server: EmbeddedServer) -> Iterator[Stack]:
    """Two processes on one path of the bookings."""
    with running_system(server, API_WORKERS="2", **PATIENT, **ENVIRONMENTS[request.param]) as stack:
        yield stack
        assert audit(stack.database_url) == []


def basket(number: int, *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a request for a basket. Every second one lists the items in the opposite order."""
    return {"userId": f"buyer-{number}", "items": list(items[:: -1 if number % 2 else 1])} | fields


def post(stack: Stack, event: str, bodies: list[dict[str, Any]]) -> list[httpx.Response]:
    return asyncio.run(post_all(stack.api_url, bodies, event))


def sold(stack: Stack, event: str) -> Counter[str]:
    """Return the number of sold tickets of each tier of an event."""
    return Counter(ticket.tier for ticket in tickets_of(stack.database_url, event) if ticket.status == "sold")


def booked_by(response: httpx.Response) -> list[int]:
    return [booking["ticketId"] for booking in response.json()["bookings"]]


def test_the_scarcer_item_decides_and_leaves_the_tickets_of_the_other(stack: Stack) -> None:
    seed(stack.database_url, event="scarce", inventory=parse_inventory(f"VIP={SEATS},GA={STANDING}"))
    seat, standing = {"tier": "VIP", "quantity": 1}, {"tier": "GA", "quantity": 1}
    responses = post(stack, "scarce", [basket(number, seat, standing) for number in range(BUYERS)])
    assert sorted(codes(responses)) == ["201"] * STANDING + ["409 sold_out"] * (BUYERS - STANDING)
    for number, response in enumerate(responses):
        if response.status_code == 201:
            assert sorted(booking["tier"] for booking in response.json()["bookings"]) == ["GA", "VIP"]
        else:
            assert (response.json()["available"], response.json()["item"]) == (0, 0 if number % 2 else 1)
    assert sold(stack, "scarce") == {"VIP": STANDING, "GA": STANDING}
    booked = [ticket for response in responses if response.status_code == 201 for ticket in booked_by(response)]
    assert sorted(booked) == live_bookings(stack.database_url, "scarce")
    assert asyncio.run(tickets_by_status(stack.database_url, "scarce"))["available"] == SEATS - STANDING


def test_overlapping_choices_of_seats_sell_no_half_basket(stack: Stack) -> None:
    seed(stack.database_url, event="ring", inventory=parse_inventory(f"VIP={RING},GA=1000"))
    seats = [ticket.id for ticket in tickets_of(stack.database_url, "ring") if ticket.tier == "VIP"]
    pairs = [(seats[number % RING], seats[(number + 1) % RING]) for number in range(BUYERS)]
    bodies = [
        basket(number, {"ticketIds": pair[:: -1 if number % 4 > 1 else 1]}, {"tier": "GA", "quantity": 2})
        for number, pair in enumerate(pairs)
    ]
    responses = post(stack, "ring", bodies)
    assert set(codes(responses)) == {"201", "409 seat_taken"}
    winners = [response for response in responses if response.status_code == 201]
    owned = [ticket for response in winners for ticket in booked_by(response)]
    assert sorted(owned) == live_bookings(stack.database_url, "ring")
    assert len(owned) == len(set(owned)) == 4 * len(winners)
    for pair, response in zip(pairs, responses, strict=True):
        if response.status_code == 201:
            assert set(pair) < set(booked_by(response))
        else:
            taken = response.json()["ticketIds"]
            assert taken
            assert set(taken) <= set(pair) & set(owned)


def test_repeats_of_a_basket_in_any_order_make_one_order(stack: Stack) -> None:
    seed(stack.database_url, event="repeats", inventory=parse_inventory("VIP=100,Front Row=100,GA=100"))
    items: list[dict[str, Any]] = [{"tier": tier, "quantity": 2} for tier in ("VIP", "Front Row", "GA")]
    rng = random.Random(1)
    bodies = [
        basket(0, *rng.sample(items, len(items)), bookingReference=f"basket-of-{stack.api_port}")
        for _ in range(REPEATS)
    ]
    responses = post(stack, "repeats", bodies)
    assert codes(responses) == ["201"] * REPEATS
    assert len({response.content for response in responses}) == 1
    assert sum("Idempotent-Replayed" not in response.headers for response in responses) == 1
    assert sold(stack, "repeats") == {"VIP": 2, "Front Row": 2, "GA": 2}


def test_baskets_of_one_buyer_at_once_get_exactly_the_limit_of_tickets(stack: Stack) -> None:
    seed(stack.database_url, event="limited", inventory=parse_inventory("VIP=100,GA=100"))
    with psycopg.connect(stack.database_url) as conn:
        conn.execute("update events set tickets_per_buyer = %s where slug = 'limited'", [LIMIT])
    seat, standing = {"tier": "VIP", "quantity": 1}, {"tier": "GA", "quantity": 1}
    bodies = [basket(number, seat, standing, userId="eager") for number in range(REPEATS)]
    responses = post(stack, "limited", bodies)
    orders = LIMIT // 2
    assert sorted(codes(responses)) == ["201"] * orders + ["409 buyer_limit"] * (REPEATS - orders)
    assert {response.json()["remaining"] for response in responses if response.status_code == 409} <= {0, 1}
    assert sold(stack, "limited") == {"VIP": orders, "GA": orders}
