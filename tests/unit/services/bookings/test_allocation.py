"""Allocation: every request of a batch gets all of its tickets or none, and no ticket goes to two requests."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from api.services.bookings.allocation import Allocated, Claimed, Insufficient, SeatsTaken, allocate
from api.services.bookings.model import NewOrder, Retry, Ticket
from tests.unit.services.bookings.values import STANDING, request, seat, ticket, tier

SEATED_TIER, STANDING_TIER = tier(), tier(seated=False)


def claimed(*locked: Ticket, standing: tuple[Ticket, ...] = ()) -> Claimed:
    return Claimed(locked={(each.id, each.ctid) for each in locked}, standing={STANDING: list(standing)})


def test_chosen_seats_that_are_locked_are_allocated() -> None:
    chosen = [seat(1), seat(2)]
    assert allocate(request(), SEATED_TIER, chosen, claimed(*chosen)) == Allocated(chosen)


def test_chosen_seats_that_another_transaction_locked_are_tried_again() -> None:
    assert allocate(request(), SEATED_TIER, [seat(1), seat(2)], claimed(seat(1))) == Retry("locked_tickets")


def test_a_ctid_that_another_ticket_took_over_is_not_locked() -> None:
    moved = seat(1, ctid="(0,9)")
    assert allocate(request(quantity=1), SEATED_TIER, [seat(1)], claimed(moved)) == Retry("locked_tickets")


def test_a_seated_request_without_chosen_seats_is_insufficient() -> None:
    assert allocate(request(), SEATED_TIER, [], claimed(seat(1), seat(2))) == Insufficient()


def test_named_tickets_that_were_sold_or_held_are_taken() -> None:
    named = [seat(1), seat(2, status="sold"), seat(3, status="held")]
    new = request(quantity=3, ticket_ids=(1, 2, 3))
    assert allocate(new, SEATED_TIER, named, claimed(seat(1))) == SeatsTaken(named[1:])


def test_named_tickets_that_the_batch_sold_are_taken() -> None:
    first, second = request(reference="1", ticket_ids=(1, 2)), request(reference="2", ticket_ids=(2, 3))
    stock = claimed(seat(1), seat(2), seat(3))
    stock.sell(first, SEATED_TIER, [seat(1), seat(2)])
    assert allocate(second, SEATED_TIER, [seat(2), seat(3)], stock) == SeatsTaken([seat(2)])


def test_named_tickets_whose_payment_was_declined_go_to_the_next_request() -> None:
    new = request(quantity=1, ticket_ids=(1,))
    stock = claimed(seat(1))
    stock.sell(new, SEATED_TIER, [])
    assert allocate(new, SEATED_TIER, [seat(1)], stock) == Allocated([seat(1)])


def test_named_tickets_that_another_transaction_locked_are_tried_again() -> None:
    new = request(ticket_ids=(1, 2))
    assert allocate(new, SEATED_TIER, [seat(1), seat(2)], claimed(seat(2))) == Retry("locked_tickets")


def test_standing_tickets_are_allocated_all_or_none() -> None:
    stock = claimed(standing=(ticket(1), ticket(2), ticket(3)))
    enough, too_many = request(tier="GA", quantity=3), request(tier="GA", quantity=4)
    assert allocate(too_many, STANDING_TIER, [], stock) == Insufficient()
    assert allocate(enough, STANDING_TIER, [], stock) == Allocated([ticket(1), ticket(2), ticket(3)])


def test_a_declined_payment_leaves_its_standing_tickets_to_the_next_request() -> None:
    stock = claimed(standing=(ticket(1), ticket(2)))
    new = request(tier="GA")
    stock.sell(new, STANDING_TIER, [])
    assert allocate(new, STANDING_TIER, [], stock) == Allocated([ticket(1), ticket(2)])


def test_a_sale_of_named_standing_tickets_leaves_the_others() -> None:
    stock = claimed(ticket(9), standing=(ticket(1), ticket(2)))
    named = request(tier="GA", quantity=1, ticket_ids=(9,))
    stock.sell(named, STANDING_TIER, [ticket(9)])
    assert allocate(request(tier="GA"), STANDING_TIER, [], stock) == Allocated([ticket(1), ticket(2)])


TICKETS = [ticket(number, tier_id=STANDING) for number in range(1, 11)]


@st.composite
def batches(draw: st.DrawFn) -> list[NewOrder]:
    """Requests for a standing tier, some of them for named tickets."""
    batch = []
    for number in range(draw(st.integers(1, 6))):
        ids = tuple(sorted(draw(st.just(set[int]()) | st.sets(st.integers(1, 10), min_size=1, max_size=3))))
        quantity = len(ids) or draw(st.integers(1, 4))
        batch.append(request(reference=f"r-{number}", tier="GA", quantity=quantity, ticket_ids=ids))
    return batch


@given(batches(), st.sets(st.integers(1, 10)), st.lists(st.booleans(), min_size=6, max_size=6))
def test_no_ticket_of_a_batch_is_sold_twice_or_without_a_lock(
    batch: list[NewOrder], locked_ids: set[int], captured: list[bool]
) -> None:
    named_ids = {ticket_id for new in batch for ticket_id in new.ticket_ids}
    locked = [each for each in TICKETS if each.id in locked_ids]
    stock = Claimed(
        locked={(each.id, each.ctid) for each in locked if each.id in named_ids},
        standing={STANDING: [each for each in locked if each.id not in named_ids]},
    )
    sold: Counter[int] = Counter()
    for new, paid in zip(batch, captured, strict=False):
        allocation = allocate(new, STANDING_TIER, [TICKETS[number - 1] for number in new.ticket_ids], stock)
        match allocation:
            case Allocated(tickets):
                assert len(tickets) == new.quantity
                assert new.ticket_ids in ((), tuple(each.id for each in tickets))
                stock.sell(new, STANDING_TIER, tickets if paid else [])
                sold.update(each.id for each in tickets if paid)
            case SeatsTaken(tickets):
                assert {each.id for each in tickets} == {each for each in new.ticket_ids if sold[each]} != set()
            case Retry():
                assert not locked_ids.issuperset(new.ticket_ids)
            case Insufficient():
                free = [each for each in locked_ids - named_ids if not sold[each]]
                assert not new.ticket_ids
                assert len(free) < new.quantity
    assert set(sold) <= locked_ids
    assert not sold or max(sold.values()) == 1
