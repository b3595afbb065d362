"""Allocation: every request of a batch gets all of its tickets or none, and no ticket goes to two requests."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.services.bookings.allocation import Allocated, Claimed, Insufficient, SeatsTaken, allocate
from api.services.bookings.model import Part, Retry, Ticket
from tests.unit.services.bookings.values import STANDING, part, seat, ticket, tier

STANDING_TIER = tier(seated=False)


def claimed(*locked: Ticket, standing: tuple[Ticket, ...] = ()) -> Claimed:
    return Claimed(locked={(each.id, each.ctid) for each in locked}, standing={STANDING: list(standing)})


def standing(quantity: int, ticket_ids: tuple[int, ...] = ()) -> Part:
    return part(STANDING_TIER, quantity, ticket_ids)


def test_chosen_seats_that_are_locked_are_allocated() -> None:
    chosen = [seat(1), seat(2)]
    assert allocate((part(),), [chosen], claimed(*chosen)) == Allocated([chosen])


def test_chosen_seats_that_another_transaction_locked_are_tried_again() -> None:
    assert allocate((part(),), [[seat(1), seat(2)]], claimed(seat(1))) == Retry("locked_tickets")


def test_a_ctid_that_another_ticket_took_over_is_not_locked() -> None:
    moved = seat(1, ctid="(0,9)")
    assert allocate((part(quantity=1),), [[seat(1)]], claimed(moved)) == Retry("locked_tickets")


def test_a_seated_request_without_chosen_seats_is_insufficient() -> None:
    assert allocate((part(),), [[]], claimed(seat(1), seat(2))) == Insufficient(part())


def test_named_tickets_that_were_sold_or_held_are_taken() -> None:
    named = [seat(1), seat(2, status="sold"), seat(3, status="held")]
    new = part(quantity=3, ticket_ids=(1, 2, 3))
    assert allocate((new,), [named], claimed(seat(1))) == SeatsTaken(new, named[1:])


def test_named_tickets_that_the_batch_sold_are_taken() -> None:
    first, second = part(ticket_ids=(1, 2)), part(ticket_ids=(2, 3))
    stock = claimed(seat(1), seat(2), seat(3))
    stock.sell((first,), [[seat(1), seat(2)]])
    assert allocate((second,), [[seat(2), seat(3)]], stock) == SeatsTaken(second, [seat(2)])


def test_named_tickets_whose_payment_was_declined_go_to_the_next_request() -> None:
    new = part(quantity=1, ticket_ids=(1,))
    stock = claimed(seat(1))
    assert allocate((new,), [[seat(1)]], stock) == Allocated([[seat(1)]])
    assert allocate((new,), [[seat(1)]], stock) == Allocated([[seat(1)]])


def test_named_tickets_that_another_transaction_locked_are_tried_again() -> None:
    new = part(ticket_ids=(1, 2))
    assert allocate((new,), [[seat(1), seat(2)]], claimed(seat(2))) == Retry("locked_tickets")


def test_standing_tickets_are_allocated_all_or_none() -> None:
    stock = claimed(standing=(ticket(1), ticket(2), ticket(3)))
    assert allocate((standing(4),), [[]], stock) == Insufficient(standing(4))
    assert allocate((standing(3),), [[]], stock) == Allocated([[ticket(1), ticket(2), ticket(3)]])


def test_a_declined_payment_leaves_its_standing_tickets_to_the_next_request() -> None:
    stock = claimed(standing=(ticket(1), ticket(2)))
    assert allocate((standing(2),), [[]], stock) == Allocated([[ticket(1), ticket(2)]])
    assert allocate((standing(2),), [[]], stock) == Allocated([[ticket(1), ticket(2)]])


def test_a_sale_of_named_standing_tickets_leaves_the_others() -> None:
    stock = claimed(ticket(9), standing=(ticket(1), ticket(2)))
    stock.sell((standing(1, (9,)),), [[ticket(9)]])
    assert allocate((standing(2),), [[]], stock) == Allocated([[ticket(1), ticket(2)]])


def test_the_items_of_a_basket_get_different_tickets_of_one_tier() -> None:
    stock = claimed(standing=(ticket(1), ticket(2), ticket(3)))
    basket = (standing(1), standing(2))
    tickets = [[ticket(1)], [ticket(2), ticket(3)]]
    assert allocate(basket, [[], []], stock) == Allocated(tickets)
    stock.sell(basket, tickets)
    assert stock.standing[STANDING] == []


@pytest.mark.parametrize("standing_first", [True, False])
def test_one_missing_item_leaves_the_tickets_of_the_others(standing_first: bool) -> None:  # noqa: FBT001
    stock = claimed(seat(7), standing=(ticket(1),))
    seats = part(quantity=1, item=1)
    basket, requested = ((standing(2), seats), [[], [seat(7)]])
    if not standing_first:
        basket, requested = ((seats, standing(2)), [[seat(7)], []])
    assert allocate(basket, requested, stock) == Insufficient(standing(2))
    assert allocate((seats,), [[seat(7)]], stock) == Allocated([[seat(7)]])
    assert allocate((standing(1),), [[]], stock) == Allocated([[ticket(1)]])


def test_all_taken_seats_of_a_basket_are_named_with_the_first_item() -> None:
    first, second = part(quantity=1, ticket_ids=(1,)), part(quantity=2, ticket_ids=(2, 3), item=1)
    named = [[seat(1)], [seat(2, status="sold"), seat(3, status="held")]]
    assert allocate((first, second), named, claimed(seat(1))) == SeatsTaken(second, named[1])


TICKETS = [ticket(number, tier_id=STANDING) for number in range(1, 11)]


@st.composite
def baskets(draw: st.DrawFn) -> tuple[Part, ...]:
    """One to three parts of a standing tier, some of them with named tickets, which are all different."""
    unnamed = list(range(1, 11))
    parts = []
    for number in range(draw(st.integers(1, 3))):
        ids = tuple(sorted(draw(st.just(set[int]()) | st.sets(st.sampled_from(unnamed), min_size=1, max_size=3))))
        unnamed = [each for each in unnamed if each not in ids]
        parts.append(part(STANDING_TIER, len(ids) or draw(st.integers(1, 4)), ids, item=number))
    return tuple(parts)


@given(st.lists(baskets(), min_size=1, max_size=6), st.sets(st.integers(1, 10)), st.lists(st.booleans(), min_size=6))
def test_no_ticket_of_a_batch_is_sold_twice_or_without_a_lock(
    batch: list[tuple[Part, ...]], locked_ids: set[int], captured: list[bool]
) -> None:
    named_ids = {ticket_id for basket in batch for each in basket for ticket_id in each.ticket_ids}
    locked = [each for each in TICKETS if each.id in locked_ids]
    stock = Claimed(
        locked={(each.id, each.ctid) for each in locked if each.id in named_ids},
        standing={STANDING: [each for each in locked if each.id not in named_ids]},
    )
    sold: Counter[int] = Counter()
    for basket, paid in zip(batch, captured, strict=False):
        requested = [[TICKETS[number - 1] for number in each.ticket_ids] for each in basket]
        wanted = {number for each in basket for number in each.ticket_ids}
        match allocate(basket, requested, stock):
            case Allocated(tickets):
                assert [len(of_part) for of_part in tickets] == [each.quantity for each in basket]
                for each, of_part in zip(basket, tickets, strict=True):
                    assert each.ticket_ids in ((), tuple(one.id for one in of_part))
                if paid:
                    stock.sell(basket, tickets)
                    sold.update(one.id for of_part in tickets for one in of_part)
            case SeatsTaken(_, taken):
                assert {each.id for each in taken} == {each for each in wanted if sold[each]} != set()
            case Retry():
                assert not locked_ids.issuperset(wanted)
            case Insufficient(missing):
                free = [each for each in locked_ids - named_ids if not sold[each]]
                assert not missing.ticket_ids
                assert len(free) < sum(each.quantity for each in basket if not each.ticket_ids)
    assert set(sold) <= locked_ids
    assert not sold or max(sold.values()) == 1
