"""The items of a booking request: its two forms, the field at fault, and the limit of tickets."""

from typing import Any

import msgspec
import pytest

from api.errors import InvalidRequest
from api.http.request_body import decode
from api.routes.bookings import _new_order
from api.schemas import BookingRequest
from api.services.bookings.model import Item, NewOrder

TICKETS_MAX = 4


def order_of(**fields: Any) -> NewOrder:
    body = decode(msgspec.json.encode({"userId": "ada", **fields}), BookingRequest)
    return _new_order(body, "show", "key", TICKETS_MAX)


def faults_of(**fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        order_of(**fields)
    assert refused.value.details.get("item", 1) == 1
    return [(fault["field"], fault["message"]) for fault in refused.value.details["errors"]]


def test_a_body_without_items_is_a_single_item() -> None:
    new = order_of(tier=" VIP ", quantity=2, ticketIds=[7, 5])
    assert new.items == (Item(tier="VIP", quantity=2, ticket_ids=(7, 5)),)
    assert not new.itemized


def test_a_basket_has_an_item_for_each_entry() -> None:
    new = order_of(items=[{"tier": "VIP ", "quantity": 2}, {"ticketIds": [7]}, {"tier": "GA", "ticketIds": [9]}])
    assert new.items == (
        Item(tier="VIP", quantity=2),
        Item(quantity=1, ticket_ids=(7,)),
        Item(tier="GA", quantity=1, ticket_ids=(9,)),
    )
    assert (new.itemized, new.quantity, new.ticket_ids) == (True, 4, (7, 9))


@pytest.mark.parametrize("absent", [{}, {"items": None}])
def test_a_body_needs_a_tier_and_a_quantity_or_items(absent: dict[str, None]) -> None:
    assert faults_of(**absent)[0] == ("tier", "is required")
    assert faults_of(**absent, tier="VIP") == [("quantity", "is required")]


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        ({}, ("items[1].tier", "is required")),
        ({"tier": "VIP"}, ("items[1].quantity", "is required")),
        ({"quantity": 1}, ("items[1].tier", "is required")),
        ({"tier": "VIP", "quantity": "2"}, ("items[1].quantity", "must be a whole number, not a text")),
        ({"ticketIds": []}, ("items[1].ticketIds", "must not be empty")),
        ({"seat": 7}, ("items[1].seat", "is not a field of this request")),
        ({"ticketIds": [7, 7]}, ("items[1].ticketIds", "must contain as many different tickets as the quantity")),
        (
            {"ticketIds": [7], "quantity": 2},
            ("items[1].ticketIds", "must contain as many different tickets as the quantity"),
        ),
        ({"tier": "VIP", "quantity": 5}, ("items[1].quantity", "at most 4 tickets are possible in one booking")),
        ({"ticketIds": [5, 6, 7, 8, 9]}, ("items[1].ticketIds", "at most 4 tickets are possible in one booking")),
        ({"tier": "VIP", "quantity": 4}, ("items", "at most 4 tickets are possible in one booking")),
        ({"ticketIds": [3, 1]}, ("items[1].ticketIds", "must not name a ticket of an earlier item")),
    ],
)
def test_a_wrong_item_is_named(item: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults_of(items=[{"ticketIds": [1]}, item]) == [fault]


def test_a_basket_needs_an_item() -> None:
    assert faults_of(items=[]) == [("items", "must not be empty")]


def test_items_exclude_the_fields_of_a_single_item() -> None:
    fields: dict[str, Any] = {"items": [{"ticketIds": [1]}], "tier": "VIP", "quantity": 1, "ticketIds": [1]}
    assert faults_of(**fields) == [(name, "must not accompany items") for name in ("tier", "quantity", "ticketIds")]
