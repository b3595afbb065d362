"""Bookings and their refusals."""

import httpx
import pytest

from api.commands.seed import TierPlan
from tests.acceptance.system import Buyer, assert_problem, buyer_at, set_sale
from tests.stack import Stack


@pytest.mark.parametrize("tier", ["VIP", "Front Row"])
@pytest.mark.parametrize("quantity", [1, 2, 5, 10])
def test_seats_booked_together_are_neighbours_in_one_row(buyer: Buyer, tier: str, quantity: int) -> None:
    for _ in range(3):
        lines = buyer.booked(tier=tier, quantity=quantity)["bookings"]
        first = lines[0]["seat"]
        assert len({line["row"] for line in lines}) == 1
        assert [line["seat"] for line in lines] == list(range(first, first + quantity))


def test_a_standing_ticket_has_no_seat(buyer: Buyer) -> None:
    lines = buyer.booked(tier="GA", quantity=10)["bookings"]
    assert [(line["row"], line["seat"], line["price"]) for line in lines] == [(None, None, 10)] * 10


@pytest.mark.parametrize(("tier", "picked"), [("VIP", [0, 25, 99]), ("GA", [7])])
def test_chosen_tickets_are_the_ones_booked(buyer: Buyer, tier: str, picked: list[int]) -> None:
    tickets = buyer.tickets(tier=tier)
    wanted = [tickets[number] for number in picked]
    ids = [ticket["id"] for ticket in wanted]
    lines = buyer.booked(tier=tier, quantity=len(ids), ticketIds=ids)["bookings"]
    booked = [(line["ticketId"], line["row"], line["seat"]) for line in lines]
    assert sorted(booked) == sorted((ticket["id"], ticket["row"], ticket["seat"]) for ticket in wanted)


@pytest.mark.parametrize("tier", ["VIP", "GA"])
def test_chosen_tickets_are_booked_together_or_the_taken_ones_are_named(buyer: Buyer, tier: str) -> None:
    free, taken, also_free, also_taken = [ticket["id"] for ticket in buyer.tickets(tier=tier, limit=4)]
    buyer.booked(tier=tier, quantity=2, ticketIds=[taken, also_taken])
    refusal = buyer.book(tier=tier, quantity=4, ticketIds=[free, taken, also_free, also_taken])
    body = assert_problem(refusal, 409, "seat_taken")
    assert sorted(body["ticketIds"]) == [taken, also_taken]
    assert {free, also_free} <= {ticket["id"] for ticket in buyer.tickets(tier=tier)}


def test_a_taken_seat_is_named_as_it_is_printed_on_the_ticket(buyer: Buyer) -> None:
    (ticket,) = buyer.tickets(tier="VIP", limit=1)
    buyer.booked(tier="VIP", ticketIds=[ticket["id"]])
    body = assert_problem(buyer.book(tier="VIP", ticketIds=[ticket["id"]]), 409, "seat_taken")
    assert "row A seat 1" in body["message"]


@pytest.mark.parametrize("seats_per_row", [0, 20])
def test_a_shortage_names_the_remaining_number_and_sells_nothing(
    stack: Stack, client: httpx.Client, seats_per_row: int
) -> None:
    plan = TierPlan(name="Last", capacity=3, price_minor=1_000, seats_per_row=seats_per_row)
    buyer = buyer_at(stack, client, plan)
    for left in (3, 2, 1, 0):
        body = assert_problem(buyer.book(tier="Last", quantity=left + 1), 409, "sold_out")
        assert body["available"] == left
        assert len(buyer.tickets()) == left
        if left:
            buyer.booked(tier="Last")


def test_separate_seats_are_sold_when_no_adjacent_ones_are_left(stack: Stack, client: httpx.Client) -> None:
    buyer = buyer_at(stack, client, TierPlan(name="Row", capacity=3, price_minor=1_000, seats_per_row=3))
    left, middle, right = [ticket["id"] for ticket in buyer.tickets()]
    buyer.booked(tier="Row", ticketIds=[middle])
    lines = buyer.booked(tier="Row", quantity=2)["bookings"]
    assert {line["ticketId"] for line in lines} == {left, right}


def test_a_booking_of_an_unknown_event_is_refused(client: httpx.Client) -> None:
    assert_problem(Buyer(client, "no-such-evening").book(), 404, "unknown_event")


@pytest.mark.parametrize(
    ("start", "end"),
    [("2200-01-01T00:00:00Z", None), ("2200-01-01T00:00:00Z", "2200-02-01T00:00:00Z"), ("2000-01-01", "2000-02-01")],
)
def test_outside_the_sales_window_nothing_is_sold(buyer: Buyer, stack: Stack, start: str, end: str | None) -> None:
    set_sale(stack, buyer.event, start, end)
    (chosen,) = buyer.tickets(tier="VIP", limit=1)
    for wanted in ({"tier": "GA"}, {"tier": "VIP"}, {"tier": "VIP", "ticketIds": [chosen["id"]]}):
        assert_problem(buyer.book(**wanted), 409, "not_on_sale")
    assert len(buyer.tickets()) == 1300


def test_a_name_is_returned_unchanged(buyer: Buyer) -> None:
    for user in ("Zoë & Søn", "票", "🎫" * 64, 'a"b\\c', "x" * 128, "</script>", "%s %(x)s", "Robert'); drop table"):
        order = buyer.booked(userId=user)
        assert order["bookings"][0]["userId"] == user
        listed = buyer.client.get("/api/bookings", params={"userId": user})
        assert [found["reference"] for found in listed.json()["orders"]] == [order["reference"]]
