"""Baskets over HTTP: one order for several items, repeats, and refusals that name the item."""

from typing import Any

from tests.acceptance.system import Buyer, assert_problem

NO_SINGLE = {"tier": None, "quantity": None}


def basket(*items: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(items), **NO_SINGLE}


def test_a_basket_is_one_order_and_its_repeat_gets_the_same_response(buyer: Buyer) -> None:
    vip, front = (buyer.tickets(tier=tier, limit=1)[0]["id"] for tier in ("VIP", "Front Row"))
    wanted = basket({"tier": "GA", "quantity": 2}, {"ticketIds": [vip, front]}, {"tier": "VIP", "quantity": 1})
    order = buyer.booked(key="basket-1", expectedTotal=270, **wanted)
    assert (order["total"], [line["tier"] for line in order["bookings"]]) == (
        270,
        ["GA", "GA", "VIP", "Front Row", "VIP"],
    )
    assert [line["ticketId"] for line in order["bookings"][2:4]] == [vip, front]
    repeat = buyer.book(key="basket-1", expectedTotal=270, **wanted)
    assert (repeat.status_code, repeat.headers["Idempotent-Replayed"], repeat.json()) == (201, "true", order)
    assert buyer.client.get("/api/bookings/basket-1").json() == order


def test_a_basket_with_one_item_repeats_a_request_without_items(buyer: Buyer) -> None:
    order = buyer.booked(key="single-1", tier="GA", quantity=2)
    repeat = buyer.book(key="single-1", **basket({"tier": "GA", "quantity": 2}))
    assert (repeat.status_code, repeat.json()) == (201, order)


def test_a_refusal_names_the_item_and_sells_nothing(buyer: Buyer) -> None:
    taken, free = (ticket["id"] for ticket in buyer.tickets(tier="VIP", limit=2))
    buyer.booked(tier="VIP", quantity=1, ticketIds=[taken])
    body = assert_problem(buyer.book(**basket({"ticketIds": [free]}, {"ticketIds": [taken]})), 409, "seat_taken")
    assert (body["item"], body["ticketIds"]) == (1, [taken])
    unknown = buyer.book(**basket({"ticketIds": [free]}, {"tier": "Moon", "quantity": 1}))
    assert assert_problem(unknown, 404, "unknown_tier")["item"] == 1
    foreign = buyer.book(**basket({"ticketIds": [free]}, {"tier": "GA", "ticketIds": [taken]}))
    assert assert_problem(foreign, 400, "invalid_request")["errors"][0]["field"] == "items[1].ticketIds"
    assert free in {ticket["id"] for ticket in buyer.tickets(tier="VIP")}
