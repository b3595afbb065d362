"""The minimum and maximum of tickets in an order, for the event and for each tier."""

from typing import Any

import pytest

from api.services.bookings.model import Item, Part
from api.services.bookings.quantities import refuse_quantity
from api.services.order_rules import OrderRules
from tests.unit.services.bookings.values import part, request, tier


def rules(least: int, most: int) -> OrderRules:
    return OrderRules(hold_seconds=300, tickets_min=least, tickets_max=most)


EVENT = rules(2, 8)
VIP = tier(rules=rules(1, 4), event_rules=EVENT)
GROUP = tier(seated=False, rules=rules(3, 8), event_rules=EVENT)


def fault(*parts: Part, itemized: bool = False) -> dict[str, Any] | None:
    """Return the members of the refusal of a request with an item per part."""
    items = tuple(Item(tier=each.tier.tier, quantity=each.quantity, ticket_ids=each.ticket_ids) for each in parts)
    error = refuse_quantity(request(items=items, itemized=itemized), parts)
    return None if error is None else error.details


@pytest.mark.parametrize("quantity", [2, 4])
def test_a_quantity_within_the_limits_is_not_refused(quantity: int) -> None:
    assert fault(part(VIP, quantity)) is None


@pytest.mark.parametrize(
    ("of", "quantity", "message"),
    [
        (VIP, 9, "at most 8 tickets are possible in one booking"),
        (VIP, 1, "at least 2 tickets are necessary in one booking"),
        (VIP, 5, "at most 4 tickets of VIP are possible in one booking"),
        (GROUP, 2, "at least 3 tickets of GA are necessary in one booking"),
        (tier(rules=rules(1, 1), event_rules=EVENT), 2, "at most 1 ticket of VIP is possible in one booking"),
    ],
)
def test_a_quantity_outside_the_limits_is_refused(of: Any, quantity: int, message: str) -> None:
    assert fault(part(of, quantity)) == {"errors": [{"field": "quantity", "message": message}]}


def test_the_only_item_of_a_list_is_named() -> None:
    message = "at most 8 tickets are possible in one booking"
    errors = [{"field": "items[0].quantity", "message": message}]
    assert fault(part(VIP, 9), itemized=True) == {"errors": errors, "item": 0}


def test_the_limit_of_an_event_counts_all_items() -> None:
    errors = [{"field": "items", "message": "at most 8 tickets are possible in one booking"}]
    assert fault(part(VIP, 4), part(GROUP, 5, item=1), itemized=True) == {"errors": errors}
    assert fault(part(VIP, 1), part(GROUP, 3, item=1), itemized=True) is None


def test_the_limit_of_a_tier_counts_its_items_and_names_the_first_one() -> None:
    parts = part(GROUP, 3), part(VIP, 2, (1, 2), item=1), part(VIP, 3, item=2)
    errors = [{"field": "items[1].ticketIds", "message": "at most 4 tickets of VIP are possible in one booking"}]
    assert fault(*parts, itemized=True) == {"errors": errors, "item": 1}
