"""The list of available tickets."""

from typing import Any

import httpx
import pytest

from api.commands.seed import TierPlan
from api.services.tickets import PAGE_TICKETS
from tests.acceptance.system import Buyer, buyer_at
from tests.stack import Stack


def test_every_available_ticket_is_listed_by_id_with_its_seat(untouched: Buyer) -> None:
    tickets = untouched.tickets()
    assert all(list(ticket) == ["id", "tier", "price", "row", "seat"] for ticket in tickets)
    ids = [ticket["id"] for ticket in tickets]
    assert ids == sorted(set(ids))

    def places(tier: str) -> list[tuple[str | None, int | None]]:
        return [(ticket["row"], ticket["seat"]) for ticket in tickets if ticket["tier"] == tier]

    assert places("VIP") == [(row, seat) for row in "ABCDE" for seat in range(1, 21)]
    assert places("Front Row") == [(row, seat) for row in "FGHIJKLMNO" for seat in range(1, 21)]
    assert places("GA") == [(None, None)] * 1000
    assert {(ticket["tier"], ticket["price"]) for ticket in tickets} == {("VIP", 100), ("Front Row", 50), ("GA", 10)}


@pytest.mark.parametrize("tier", ["VIP", "Front Row", "GA"])
def test_tickets_can_be_filtered_by_tier(untouched: Buyer, tier: str) -> None:
    assert untouched.tickets(tier=tier) == [ticket for ticket in untouched.tickets() if ticket["tier"] == tier]


@pytest.mark.parametrize("parameters", [{"limit": 1}, {"limit": 150}, {"limit": 1300}, {"tier": "VIP", "limit": 7}])
def test_a_limited_list_is_the_beginning_of_the_full_list(untouched: Buyer, parameters: dict[str, Any]) -> None:
    limit = parameters["limit"]
    everything = untouched.tickets(**{name: value for name, value in parameters.items() if name != "limit"})
    assert untouched.tickets(**parameters) == everything[:limit]


@pytest.mark.parametrize("limit", [1300, 500, 130])
def test_paging_walks_through_all_tickets_once(untouched: Buyer, limit: int) -> None:
    walked: list[dict[str, Any]] = []
    while page := untouched.tickets(limit=limit, after=walked[-1]["id"] if walked else 0):
        assert len(page) <= limit
        walked += page
    assert walked == untouched.tickets()


def test_a_sold_ticket_is_not_listed(buyer: Buyer) -> None:
    before = buyer.tickets()
    sold = {line["ticketId"] for line in buyer.booked(tier="VIP", quantity=3)["bookings"]}
    assert buyer.tickets() == [ticket for ticket in before if ticket["id"] not in sold]


@pytest.mark.parametrize("size", [PAGE_TICKETS, PAGE_TICKETS + 1, 2 * PAGE_TICKETS, 2 * PAGE_TICKETS + 7])
def test_a_list_of_many_pages_is_one_array_of_each_ticket_once(stack: Stack, client: httpx.Client, size: int) -> None:
    floor = TierPlan(name="Floor", capacity=size, price_minor=1_000)
    buyer = buyer_at(stack, client, TierPlan(name="Stage", capacity=3, price_minor=2_000), floor)
    ids = [ticket["id"] for ticket in buyer.tickets()]
    assert ids == sorted(set(ids))
    assert len(ids) == size + 3
    assert [ticket["id"] for ticket in buyer.tickets(tier="Floor")] == ids[3:]
    assert [ticket["id"] for ticket in buyer.tickets(after=ids[1], limit=size)] == ids[2 : size + 2]


def test_a_client_that_stops_reading_a_long_list_blocks_no_other(stack: Stack, client: httpx.Client) -> None:
    buyer = buyer_at(stack, client, TierPlan(name="Floor", capacity=20 * PAGE_TICKETS, price_minor=1_000))
    for _ in range(10):  # more than the pool's connections
        with client.stream("GET", "/api/tickets", params={"event": buyer.event}) as response:
            assert response.headers["Content-Type"] == "application/json"
            assert next(response.iter_bytes()).startswith(b"[{")
            assert buyer.availability().status_code == 200
    assert len(buyer.tickets()) == 20 * PAGE_TICKETS
