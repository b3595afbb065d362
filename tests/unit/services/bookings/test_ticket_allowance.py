"""The limits of tickets per buyer: refusals by committed tickets, and reservations within a batch."""

from typing import Any

import pytest

from api.errors import BuyerLimit
from api.services.bookings.model import Part, is_limited
from api.services.bookings.ticket_allowance import BuyerTickets, TicketAllowance
from api.services.order_rules import OrderRules
from tests.unit.services.bookings.values import RULES, SEATED, STANDING, part, request, tier

BUYER = (7, "ada")


def limited(per_buyer: int | None) -> OrderRules:
    return OrderRules(hold_seconds=300, tickets_max=10, tickets_per_buyer=per_buyer)


EVENT = limited(6)
VIP = tier(rules=limited(4), event_rules=EVENT)
GA = tier(seated=False, rules=EVENT, event_rules=EVENT)


def had(vip: int = 0, ga: int = 0) -> TicketAllowance:
    """Return the allowances after the buyer has booked tickets of both tiers."""
    rows = [BuyerTickets(*BUYER, "5", SEATED, vip), BuyerTickets(*BUYER, "5", STANDING, ga)]
    return TicketAllowance([*rows, BuyerTickets(7, "eve", None, None, 0)])


def refusal(allowance: TicketAllowance, *parts: Part) -> dict[str, Any] | None:
    error = allowance.refusal(request(itemized=True), BUYER, parts)
    assert error is None or isinstance(error, BuyerLimit)
    return None if error is None else error.details


@pytest.mark.parametrize(
    ("allowance", "parts", "details"),
    [
        (had(), (part(VIP, 4), part(GA, 2, item=1)), None),
        (had(vip=4), (part(GA, 2),), None),
        (had(vip=3), (part(GA, 1), part(VIP, 1, item=1), part(VIP, 1, item=2)), {"remaining": 1, "item": 1}),
        (had(vip=3, ga=2), (part(GA, 2),), {"remaining": 1}),
        (had(ga=9), (part(VIP, 1),), {"remaining": 0}),
    ],
)
def test_only_a_request_beyond_a_limit_is_refused(
    allowance: TicketAllowance, parts: tuple[Part, ...], details: dict[str, int] | None
) -> None:
    assert refusal(allowance, *parts) == details


def test_a_batch_reserves_all_tickets_of_a_request_or_none() -> None:
    allowance = had(vip=1)
    assert not allowance.take(BUYER, (part(GA, 2), part(VIP, 4, item=1)))
    assert allowance.take(BUYER, (part(VIP, 3),))
    assert refusal(allowance, part(VIP, 3)) is None  # Only committed tickets refuse a request.
    assert not allowance.take(BUYER, (part(VIP, 1),))
    assert allowance.take((7, "eve"), (part(VIP, 4),))
    assert allowance.take(BUYER, (part(GA, 2),))
    assert not allowance.take(BUYER, (part(GA, 1),))


def test_a_limit_of_the_event_or_of_any_tier_applies() -> None:
    free = tier(rules=RULES, event_rules=RULES)
    assert not is_limited((part(free),))
    assert is_limited((part(free), part(VIP, item=1)))
    assert is_limited((part(GA),))
    assert had().take(BUYER, (part(free, 9),))
