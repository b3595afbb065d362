"""The choice of seats blocks the event loop, so its work is bounded in a large house without adjacent seats."""

from typing import Any

import pytest

from api.services.bookings import seating
from api.services.bookings.seating import choose_seats
from tests.unit.services.bookings.test_seating import House, house

COMPARED_MAX = 700
"""The most seats in the groups that a choice may compare: 500 for the first choice, and a few groups again."""


def fragmented(rows: int, width: int) -> House:
    """Return a house in which every second seat is taken."""
    empty = house(*[width] * rows)
    return empty.without(*(seat.position for seat in empty.free[::2]))


@pytest.mark.parametrize("quantity", [2, 3, 10, 100, 1000])
def test_the_search_for_separate_seats_compares_few_groups(monkeypatch: pytest.MonkeyPatch, quantity: int) -> None:
    compared = 0
    group = seating.House._group

    def counting(*arguments: Any) -> Any:
        nonlocal compared
        compared += quantity
        return group(*arguments)

    monkeypatch.setattr(seating.House, "_group", counting)
    large = fragmented(rows=500, width=20)
    assert len(large.free) == 5000
    choice = choose_seats(large.free, {"seats": quantity}, large.rows)
    assert len(choice.seats["seats"]) == quantity
    assert 0 < compared <= max(COMPARED_MAX, 3 * quantity)


def test_a_row_is_searched_once_for_equal_quantities(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0
    best_in_row = seating.House._best_in_row

    def counting(*arguments: Any) -> Any:
        nonlocal searched
        searched += 1
        return best_in_row(*arguments)

    monkeypatch.setattr(seating.House, "_best_in_row", counting)
    large = fragmented(rows=500, width=20)
    choice = choose_seats(large.free, {str(number): 2 for number in range(3)}, large.rows)
    assert len(choice.seats) == 3
    assert searched <= len(large.rows.rows) + 3 * 2  # the rows of taken seats again
