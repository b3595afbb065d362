"""The rules of an event and its tiers over HTTP: the event's details, and the refusals of bookings."""

import httpx
import psycopg
import pytest

from tests.acceptance.system import Buyer, assert_problem
from tests.stack import Stack


@pytest.fixture
def ruled(stack: Stack, buyer: Buyer) -> Buyer:
    """A buyer at an event with rules: 2 to 20 tickets, 24 per buyer; VIP: at most 3, and 4 per buyer."""
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(
            "update events set tickets_min = 2, tickets_max = 20, tickets_per_buyer = 24 where slug = %s", [buyer.event]
        )
        conn.execute(
            """
            update tiers set tickets_max = 3, tickets_per_buyer = 4, hold_seconds = 60
            where name = 'VIP' and event_id = (select id from events where slug = %s)
            """,
            [buyer.event],
        )
    return buyer


def test_the_details_of_an_event_state_its_rules(client: httpx.Client, ruled: Buyer) -> None:
    event = client.get(f"/api/events/{ruled.event}").json()
    names = ("ticketsMin", "ticketsMax", "ticketsPerBuyer", "holdSeconds")
    assert [event[name] for name in names] == [2, 20, 24, 300]
    rules = {tier["name"]: [tier[name] for name in names] for tier in event["tiers"]}
    assert rules["VIP"] == [1, 3, 4, 60]
    assert rules["GA"] == [1, 20, 24, 300]


def test_too_few_and_too_many_tickets_are_refused_by_field(ruled: Buyer) -> None:
    assert_problem(ruled.book(quantity=1), 400, "invalid_request", "quantity")
    assert_problem(ruled.book(quantity=21), 400, "invalid_request", "quantity")
    items = [{"tier": "GA", "quantity": 2}, {"tier": "VIP", "quantity": 4}]
    basket = {"items": items, "userId": "ada"}
    response = ruled.client.post("/api/bookings", params={"event": ruled.event}, json=basket)
    problem = assert_problem(response, 400, "invalid_request", "items[1].quantity")
    assert problem["item"] == 1
    assert problem["message"] == "items[1].quantity: at most 3 tickets of VIP are possible in one booking"
    assert ruled.booked(quantity=20)["total"] == 200


def test_a_buyer_beyond_a_limit_learns_the_remaining_number(ruled: Buyer) -> None:
    ruled.booked(tier="VIP", quantity=3)
    problem = assert_problem(ruled.book(tier="VIP", quantity=2), 409, "buyer_limit")
    assert problem["remaining"] == 1
    assert ruled.book(tier="VIP", quantity=2, userId="somebody-else").status_code == 201


def test_the_best_seats_are_limited_like_a_booking(client: httpx.Client, ruled: Buyer) -> None:
    def best(quantity: int) -> httpx.Response:
        query: dict[str, str | int] = {"event": ruled.event, "tier": "VIP", "quantity": quantity}
        return client.get("/api/tickets/best", params=query)

    assert best(3).status_code == 200
    assert_problem(best(4), 400, "invalid_request", "quantity")
