"""Choosing seats: the first neighbours in the order of preference, whenever there are any."""

import itertools
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from api.services.bookings.seating import pick_neighbours

QUANTITIES = st.integers(1, 12)


class Seat(NamedTuple):
    position: int


def seats(*positions: int) -> list[Seat]:
    return [Seat(position) for position in positions]


@st.composite
def free_from_a_random_start(draw: st.DrawFn) -> list[Seat]:
    """Free seats as the database gives them: in order from a start on, then from the beginning."""
    positions = sorted(draw(st.sets(st.integers(1, 60))))
    turn = draw(st.integers(0, len(positions)))
    return seats(*positions[turn:], *positions[:turn])


FREE = free_from_a_random_start() | st.lists(st.integers(1, 60), unique=True).map(lambda found: seats(*found))


def first_neighbours(free: list[Seat], quantity: int) -> list[Seat]:
    """The oracle: try every place to begin."""
    for first in range(len(free) - quantity + 1):
        window = free[first : first + quantity]
        if [seat.position for seat in window] == list(range(window[0].position, window[0].position + quantity)):
            return window
    return []


@given(FREE, QUANTITIES)
def test_the_first_neighbours_are_chosen_and_none_only_if_there_are_none(free: list[Seat], quantity: int) -> None:
    assert pick_neighbours(free, quantity) == first_neighbours(free, quantity)


@given(FREE, QUANTITIES)
def test_chosen_seats_are_free_and_side_by_side(free: list[Seat], quantity: int) -> None:
    chosen = pick_neighbours(free, quantity)
    assert set(chosen) <= set(free)
    assert len(chosen) in (0, quantity)
    assert all(right.position - left.position == 1 for left, right in itertools.pairwise(chosen))


def test_seats_of_two_rows_are_not_neighbours() -> None:
    row_a, row_b = seats(19, 20), seats(22, 23)  # 21 is the gap between the rows
    assert pick_neighbours([*row_a, *row_b], 3) == []
    assert pick_neighbours([*row_a, *row_b], 2) == row_a


def test_the_end_and_the_beginning_of_a_tier_are_not_neighbours() -> None:
    assert pick_neighbours(seats(99, 100, 1, 2), 3) == []


def test_only_as_many_seats_are_looked_at_as_are_needed() -> None:
    looked_at = iter(seats(1, 2, 3, 4))
    assert pick_neighbours(looked_at, 2) == seats(1, 2)
    assert next(looked_at) == Seat(3)
