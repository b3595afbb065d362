"""Choosing seats: the first adjacent seats in the order of preference, then separate seats."""

import itertools
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from api.services.bookings.seating import choose_adjacent, choose_separate, order_from, pick_adjacent

QUANTITIES = st.integers(1, 12)
REQUESTS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), QUANTITIES, max_size=6)


class Seat(NamedTuple):
    position: int

    @property
    def id(self) -> int:
        return 1000 + self.position


def seats(*positions: int) -> list[Seat]:
    return [Seat(position) for position in positions]


@st.composite
def free_from_a_random_start(draw: st.DrawFn) -> list[Seat]:
    """Free seats as a search returns them: from a start position with wrap-around."""
    positions = sorted(draw(st.sets(st.integers(1, 60))))
    turn = draw(st.integers(0, len(positions)))
    return seats(*positions[turn:], *positions[:turn])


FREE = free_from_a_random_start() | st.lists(st.integers(1, 60), unique=True).map(lambda found: seats(*found))


def first_adjacent(free: list[Seat], quantity: int) -> list[Seat]:
    """The oracle: try every first seat."""
    for first in range(len(free) - quantity + 1):
        window = free[first : first + quantity]
        if [seat.position for seat in window] == list(range(window[0].position, window[0].position + quantity)):
            return window
    return []


def are_adjacent(chosen: list[Seat]) -> bool:
    return all(right.position - left.position == 1 for left, right in itertools.pairwise(chosen))


@given(FREE, QUANTITIES)
def test_the_first_adjacent_seats_are_picked_and_none_only_if_there_are_none(free: list[Seat], quantity: int) -> None:
    assert pick_adjacent(free, quantity) == first_adjacent(free, quantity)


@given(FREE, QUANTITIES)
def test_picked_seats_are_free_and_adjacent(free: list[Seat], quantity: int) -> None:
    chosen = pick_adjacent(free, quantity)
    assert set(chosen) <= set(free)
    assert len(chosen) in (0, quantity)
    assert are_adjacent(chosen)


def test_seats_of_two_rows_are_not_adjacent() -> None:
    row_a, row_b = seats(19, 20), seats(22, 23)  # 21 is the gap between the rows
    assert pick_adjacent([*row_a, *row_b], 3) == []
    assert pick_adjacent([*row_a, *row_b], 2) == row_a


def test_the_end_and_the_beginning_of_a_tier_are_not_adjacent() -> None:
    assert pick_adjacent(seats(99, 100, 1, 2), 3) == []


def test_only_as_many_seats_are_looked_at_as_are_needed() -> None:
    looked_at = iter(seats(1, 2, 3, 4))
    assert pick_adjacent(looked_at, 2) == seats(1, 2)
    assert next(looked_at) == Seat(3)


@given(st.sets(st.integers(1, 60)), st.integers(1, 60))
def test_the_order_starts_at_a_position_and_wraps_around(positions: set[int], start: int) -> None:
    ordered = [seat.position for seat in order_from(seats(*positions), start)]
    after = [position for position in ordered if position >= start]
    assert ordered == sorted(after) + sorted(positions - set(after))


@given(FREE, REQUESTS)
def test_no_seat_is_chosen_twice_and_none_is_lost(free: list[Seat], quantities: dict[str, int]) -> None:
    chosen, remaining = choose_adjacent(free, quantities)
    assert sorted([*itertools.chain(*chosen.values()), *remaining]) == sorted(free)
    separate = choose_separate(remaining, {key: each for key, each in quantities.items() if key not in chosen})
    given_out = [*itertools.chain(*chosen.values(), *separate.values())]
    assert len(set(given_out)) == len(given_out)
    assert not chosen.keys() & separate.keys()
    assert all(len(found) == quantities[key] for key, found in (chosen | separate).items())


@given(FREE, REQUESTS)
def test_adjacent_seats_are_refused_only_if_none_remain(free: list[Seat], quantities: dict[str, int]) -> None:
    chosen, remaining = choose_adjacent(free, quantities)
    assert all(map(are_adjacent, chosen.values()))
    for key in quantities.keys() - chosen.keys():
        assert not pick_adjacent(remaining, quantities[key])


@given(FREE, QUANTITIES)
def test_separate_seats_suffice_for_any_request_that_they_cover(free: list[Seat], quantity: int) -> None:
    assert choose_separate(free, {"only": quantity}) == ({"only": free[:quantity]} if len(free) >= quantity else {})


def test_an_earlier_request_is_served_first() -> None:
    free = seats(1, 2, 3, 5, 6)
    assert choose_adjacent(free, {"first": 2, "second": 2}) == (
        {"first": seats(1, 2), "second": seats(5, 6)},
        seats(3),
    )
    assert choose_separate(free, {"first": 4, "second": 2, "third": 1}) == {
        "first": seats(1, 2, 3, 5),
        "third": seats(6),
    }
