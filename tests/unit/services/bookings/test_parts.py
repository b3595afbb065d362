"""Parts: the tiers of a basket's items, the item at fault, and the digests of equal baskets."""

from typing import Any

import pytest

from api.errors import ApiError, InvalidRequest, NotOnSale, PriceChanged, UnknownTier
from api.services.bookings.model import Item, NewOrder, Part, Tier, total_minor
from api.services.bookings.parts import Tiers, resolve
from api.services.bookings.refusals import TierStock, classify_shortage, seat_taken
from tests.unit.services.bookings.values import NOW, SEATED, STANDING, part, refusal, request, seat, ticket, tier

VIP, GA = tier(), tier(seated=False, price_minor=500)
NAMED = {1: seat(1), 2: seat(2), 9: ticket(9, tier_id=STANDING)}
TWO_VIP, ONE_GA = Item(tier="VIP", quantity=2), Item(tier="GA", quantity=1)


def basket(*items: Item, **changes: Any) -> NewOrder:
    return request(items=items, itemized=True, **changes)


def parts(new: NewOrder, *tiers: Tier) -> list[tuple[int, int, int, tuple[int, ...]]]:
    found = resolve(new, {"show"}, Tiers(tiers or (VIP, GA)), NAMED)
    assert not isinstance(found, ApiError), found
    return [(each.item, each.tier.tier_id, each.quantity, each.ticket_ids) for each in found]


def test_each_item_is_a_part() -> None:
    assert parts(basket(TWO_VIP, ONE_GA, TWO_VIP)) == [(0, SEATED, 2, ()), (1, STANDING, 1, ()), (2, SEATED, 2, ())]


def test_an_item_with_tickets_of_two_tiers_has_two_parts() -> None:
    item = Item(quantity=3, ticket_ids=(1, 9, 2))
    assert parts(basket(ONE_GA, item)) == [(0, STANDING, 1, ()), (1, SEATED, 2, (1, 2)), (1, STANDING, 1, (9,))]


def test_the_total_is_that_of_all_parts() -> None:
    assert total_minor((Part(0, VIP, 2), Part(1, GA, 3))) == 2 * 1250 + 3 * 500
    assert refusal(basket(TWO_VIP, ONE_GA, expected_total=30.0), VIP, GA) is None
    error = refusal(basket(TWO_VIP, ONE_GA, expected_total=25.0), VIP, GA)
    assert isinstance(error, PriceChanged)
    assert error.details == {"total": 30.0}


@pytest.mark.parametrize(
    ("item", "field", "message"),
    [
        (Item(quantity=1, ticket_ids=(7,)), "items[1].ticketIds", "not tickets of the event: 7"),
        (Item(tier="GA", quantity=2, ticket_ids=(9, 1)), "items[1].ticketIds", "not tickets of the tier 'GA': 1"),
    ],
)
def test_tickets_outside_the_tier_or_the_event_name_the_item(item: Item, field: str, message: str) -> None:
    error = refusal(basket(TWO_VIP, item), VIP, GA, named=NAMED)
    assert isinstance(error, InvalidRequest)
    assert error.details == {"errors": [{"field": field, "message": message}], "item": 1}


def test_a_ticket_of_another_event_is_foreign() -> None:
    other = tier(event="other", tier="Box", tier_id=SEATED)
    error = refusal(basket(Item(quantity=1, ticket_ids=(1,))), other, GA, named=NAMED)
    assert isinstance(error, InvalidRequest)


def test_an_unknown_tier_names_the_item_only_in_a_basket() -> None:
    error = refusal(basket(TWO_VIP, Item(tier="Moon", quantity=1)), VIP, GA)
    assert isinstance(error, UnknownTier)
    assert error.details == {"item": 1}
    assert refusal(request(tier="Moon"), VIP).details == {}  # type: ignore[union-attr]


def test_a_closed_sale_is_refused_before_foreign_tickets() -> None:
    closed = tier(sales_end_at=NOW)
    assert isinstance(refusal(basket(Item(quantity=2, ticket_ids=(1, 7))), closed, named=NAMED), NotOnSale)
    assert isinstance(refusal(basket(TWO_VIP, Item(quantity=1, ticket_ids=(7,))), closed, named=NAMED), NotOnSale)


def test_shortages_and_taken_seats_name_the_item() -> None:
    new, missing = basket(ONE_GA, TWO_VIP), part(item=1)
    outcome = classify_shortage(new, missing, 2, TierStock(SEATED, 1, 0, None))
    assert outcome.error.details == {"available": 1, "item": 1}  # type: ignore[union-attr]
    assert seat_taken(new, missing, [seat(4)]).details == {"ticketIds": [4], "item": 1}


def test_equal_baskets_are_equal_requests() -> None:
    assert basket(TWO_VIP).digest == request().digest
    assert basket(Item(tier="VIP", quantity=2, ticket_ids=(2, 1))).digest == request(ticket_ids=(1, 2)).digest
    assert basket(TWO_VIP, ONE_GA).digest == basket(ONE_GA, TWO_VIP).digest
    different = [
        request(),
        request(ticket_ids=(1, 2)),
        basket(Item(quantity=2, ticket_ids=(1, 2))),
        basket(TWO_VIP, ONE_GA),
        basket(TWO_VIP, TWO_VIP),
        basket(TWO_VIP, ONE_GA, expected_total=30.0),
        basket(TWO_VIP, ONE_GA, user_id="ben"),
    ]
    assert len({new.digest for new in different}) == len(different)


def test_a_tier_that_is_read_again_replaces_the_earlier_one() -> None:
    tiers = Tiers([VIP])
    tiers.add(tier(price_minor=1))
    assert [each.price_minor for each in tiers] == [1]
    renumbered = tier(tier_id=77)
    tiers.add(renumbered)
    assert list(tiers) == [renumbered]
    assert tiers.of(seat(1)) is None
    tiers.discard("show", "VIP")
    assert (len(tiers), tiers.find("show", "VIP")) == (0, None)
