"""The best free seats, as pages show them before a booking."""

from typing import Any

import httpx
import pytest

from api.commands.seed import TierPlan
from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, buyer_at, client_of, running_system
from tests.stack import Stack


def get_best(buyer: Buyer, **parameters: Any) -> httpx.Response:
    query = {"event": buyer.event, "tier": "VIP", "quantity": 2, **parameters}
    return buyer.client.get("/api/tickets/best", params=query)


def best(buyer: Buyer, **parameters: Any) -> dict[str, Any]:
    response = get_best(buyer, **parameters)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    found: dict[str, Any] = response.json()
    return found


def test_a_booking_of_a_quantity_gets_the_seats_that_were_shown(buyer: Buyer) -> None:
    for quantity in (2, 3, 1, 4):
        shown = best(buyer, quantity=quantity)["seats"]
        lines = buyer.booked(tier="VIP", quantity=quantity)["bookings"]
        assert sorted(line["ticketId"] for line in lines) == shown["ticketIds"]
        assert [(line["row"], line["seat"]) for line in lines] == [*zip(shown["rows"], shown["numbers"], strict=True)]


def test_shown_seats_can_be_booked_by_their_ids_and_the_alternatives_follow(buyer: Buyer) -> None:
    before = best(buyer)
    assert len(before["alternatives"]) == 2
    for shown in (before["seats"], *before["alternatives"]):
        assert best(buyer)["seats"] == shown
        order = buyer.booked(tier="VIP", quantity=2, ticketIds=shown["ticketIds"], expectedTotal=shown["total"])
        assert order["currency"] == shown["currency"]


def test_the_reason_names_row_numbers_and_zone(untouched: Buyer) -> None:
    shown = best(untouched, tier="Front Row", quantity=4)["seats"]
    assert list(shown) == ["ticketIds", "rows", "numbers", "row", "zone", "together", "reason", "total", "currency"]
    assert shown["reason"] == "row F, 9-12, centre, together"
    assert (shown["row"], shown["numbers"], shown["zone"], shown["together"]) == ("F", [9, 10, 11, 12], "centre", True)


def test_a_standing_tier_has_no_seats(untouched: Buyer) -> None:
    assert best(untouched, tier="GA") == {"seats": None, "alternatives": []}


def test_too_few_seats_get_the_error_of_a_booking(stack: Stack, client: httpx.Client) -> None:
    buyer = buyer_at(stack, client, TierPlan(name="VIP", capacity=3, price_minor=1_000, seats_per_row=3))
    buyer.booked(tier="VIP", quantity=2)
    assert assert_problem(get_best(buyer), 409, "sold_out")["available"] == 1
    assert best(buyer, quantity=1)["alternatives"] == []


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 11}, "quantity"),
        ({"quantity": "x"}, "quantity"),
        ({"tier": ""}, "tier"),
    ],
)
def test_wrong_parameters_are_named(untouched: Buyer, parameters: dict[str, Any], field: str) -> None:
    assert_problem(get_best(untouched, **parameters), 400, "invalid_request", field)


def test_unknown_names_are_refused(untouched: Buyer) -> None:
    assert_problem(get_best(untouched, tier="Balcony"), 404, "unknown_tier")
    assert_problem(get_best(untouched, event="nowhere"), 404, "unknown_event")


def test_a_search_costs_more_than_another_request(server: EmbeddedServer) -> None:
    with running_system(server, ENDPOINT_RPS="1000", ADDRESS_RPS="1") as stack, client_of(stack) as client:
        buyer = Buyer(client)
        best(buyer)
        refused = get_best(buyer)
        assert_problem(refused, 429, "rate_limited")
        assert int(refused.headers["Retry-After"]) > 1
