"""The rules that apply to the orders of an event and of its tiers."""

import pytest

from api.services.order_rules import OrderRules, OwnRules

DEFAULTS = OrderRules(hold_seconds=300, tickets_max=10)


@pytest.mark.parametrize(
    ("own", "effective"),
    [
        (OwnRules(), DEFAULTS),
        (
            OwnRules(hold_seconds=60, tickets_per_buyer=8, tickets_min=2, tickets_max=4),
            OrderRules(hold_seconds=60, tickets_per_buyer=8, tickets_min=2, tickets_max=4),
        ),
        (OwnRules(tickets_max=40), OrderRules(hold_seconds=300, tickets_max=40)),
        (OwnRules(tickets_min=20), OrderRules(hold_seconds=300, tickets_min=20, tickets_max=20)),
    ],
)
def test_an_event_overrides_the_defaults(own: OwnRules, effective: OrderRules) -> None:
    assert OrderRules.of_event(own, DEFAULTS) == effective


@pytest.mark.parametrize(
    ("own", "effective"),
    [
        (OwnRules(), OrderRules(hold_seconds=60, tickets_per_buyer=8, tickets_min=1, tickets_max=6)),
        (
            OwnRules(hold_seconds=900, tickets_per_buyer=4, tickets_min=3, tickets_max=4),
            OrderRules(hold_seconds=900, tickets_per_buyer=4, tickets_min=3, tickets_max=4),
        ),
        (
            OwnRules(tickets_per_buyer=9, tickets_max=7),
            OrderRules(hold_seconds=60, tickets_per_buyer=8, tickets_min=1, tickets_max=6),
        ),
    ],
)
def test_a_tier_narrows_the_numbers_of_its_event(own: OwnRules, effective: OrderRules) -> None:
    event = OrderRules(hold_seconds=60, tickets_per_buyer=8, tickets_min=2, tickets_max=6)
    assert OrderRules.of_tier(own, event) == effective


def test_a_tier_may_limit_its_tickets_per_buyer_alone() -> None:
    assert OrderRules.of_tier(OwnRules(tickets_per_buyer=4), DEFAULTS).tickets_per_buyer == 4
    assert OrderRules.of_tier(OwnRules(), DEFAULTS).tickets_per_buyer is None
