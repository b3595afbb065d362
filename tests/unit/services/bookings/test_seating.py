"""The choice of seats against a search of all possibilities."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from api.services.bookings.seating import EDGE_ROWS, Choice, Row, SeatRows, choose_seats

QUANTITIES = st.integers(1, 6)
REQUESTS = st.lists(QUANTITIES, max_size=8).map(lambda each: {str(key): quantity for key, quantity in enumerate(each)})


class Seat(NamedTuple):
    position: int

    @property
    def id(self) -> int:
        return 1000 + self.position


class House(NamedTuple):
    """The rows of a tier and its free seats."""

    rows: SeatRows
    free: list[Seat]

    def without(self, *taken: int) -> "House":
        return self._replace(free=[seat for seat in self.free if seat.position not in taken])


def house(*widths: int) -> House:
    """Return an empty house with rows of these widths."""
    firsts = itertools.accumulate(widths, lambda first, width: first + width + 1, initial=1)
    rows = [Row(first, first + width - 1) for first, width in zip(firsts, widths, strict=False)]
    return House(SeatRows(rows), [Seat(n) for row in rows for n in range(row.first, row.last + 1)])


@st.composite
def houses(draw: st.DrawFn) -> House:
    """Houses with rows of different widths in which some seats are taken."""
    empty = house(*draw(st.lists(st.integers(1, 12), min_size=1, max_size=6)))
    return empty.without(*draw(st.sets(st.sampled_from([seat.position for seat in empty.free]))))


def names(house: House, seats: Iterable[Seat]) -> list[str]:
    """Return the names of seats, such as B3."""
    return [f"{'ABCDEF'[index := house.rows.index_of(n)]}{n - house.rows.rows[index].first + 1}" for (n,) in seats]


def chosen(house: House, *quantities: int) -> list[list[str]]:
    """Return the names of the seats that each quantity gets, one after the other."""
    choice = choose_seats(house.free, {str(key): quantity for key, quantity in enumerate(quantities)}, house.rows)
    assert choice.certain
    return [names(house, seats) for seats in choice.seats.values()]


def best(house: House, quantity: int) -> list[Seat]:
    """Return the seats of a quantity alone."""
    return choose_seats(house.free, {"only": quantity}, house.rows).seats.get("only", [])


class Oracle(NamedTuple):
    """The rating of adjacent seats, which compares all of them; smaller is better."""

    stranded: int
    cost: float
    start: int


def rate(house: House, start: int, quantity: int) -> Oracle | None:
    """Rate the adjacent seats from a position; None if they are not free or not in one row."""
    free = {seat.position for seat in house.free}
    wanted = range(start, start + quantity)
    if not free.issuperset(wanted):
        return None
    left, right = (
        next(count for count in itertools.count() if at + (1 + count) * step not in free)
        for at, step in ((start, -1), (start + quantity - 1, 1))
    )
    index = house.rows.index_of(start)
    row = house.rows.rows[index]
    offset = (2 * start + quantity - 1 - row.first - row.last) / house.rows.width
    odd = left % 2 + right % 2
    return Oracle((left == 1) + (right == 1), round(index + EDGE_ROWS * offset**2 + 0.1 * odd, 9), start)


def rated(house: House, quantity: int) -> list[Oracle]:
    """Rate all adjacent seats."""
    return [rating for seat in house.free if (rating := rate(house, seat.position, quantity))]


@given(houses(), QUANTITIES)
def test_adjacent_seats_are_the_best_of_all(house: House, quantity: int) -> None:
    seats = best(house, quantity)
    if ratings := rated(house, quantity):
        assert [seat.position for seat in seats] == list(range(seats[0].position, seats[0].position + quantity))
        assert rate(house, seats[0].position, quantity) == min(ratings)
    else:
        assert len(seats) == (quantity if len(house.free) >= quantity else 0)


@given(houses(), QUANTITIES)
def test_a_single_seat_is_stranded_only_if_every_choice_strands_one(house: House, quantity: int) -> None:
    if ratings := rated(house, quantity):
        rating = rate(house, best(house, quantity)[0].position, quantity)
        assert rating
        assert rating.stranded == min(each.stranded for each in ratings)


@given(houses(), REQUESTS)
def test_a_batch_gets_the_seats_that_its_requests_get_one_by_one(house: House, quantities: dict[str, int]) -> None:
    choice = choose_seats(house.free, quantities, house.rows)
    for key, quantity in quantities.items():
        seats = best(house, quantity)
        assert choice.seats.get(key, []) == seats
        house = house.without(*(seat.position for seat in seats))


@given(houses(), REQUESTS)
def test_no_seat_is_chosen_twice_and_each_request_gets_all_or_none(house: House, quantities: dict[str, int]) -> None:
    choice = choose_seats(house.free, quantities, house.rows)
    seats = [seat for each in choice.seats.values() for seat in each]
    assert len(set(seats)) == len(seats)
    assert set(seats) <= set(house.free)
    assert all(len(each) == quantities[key] for key, each in choice.seats.items())
    remaining = len(house.free) - len(seats)
    assert all(quantities[key] > remaining for key in quantities.keys() - choice.seats.keys())


def distance(house: House, seat: Seat, other: Seat) -> int:
    """Return the distance of two seats in half seats; a row is two seats deep."""
    rows = abs(house.rows.index_of(seat.position) - house.rows.index_of(other.position))
    return 4 * rows + abs(house.rows.offset(seat.position) - house.rows.offset(other.position))


@given(houses(), st.integers(2, 6))
def test_separate_seats_are_as_close_together_as_possible(house: House, quantity: int) -> None:
    if rated(house, quantity) or len(house.free) < quantity:
        return

    def spread(anchor: Seat, seats: Iterable[Seat]) -> int:
        return sorted(distance(house, anchor, seat) for seat in seats)[quantity - 1]

    seats = best(house, quantity)
    assert len({*seats} & {*house.free}) == quantity
    closest = min(spread(anchor, house.free) for anchor in house.free)
    assert min(spread(anchor, seats) for anchor in seats) == closest


@given(houses(), REQUESTS, st.integers(0, 60))
def test_seats_that_were_not_read_cannot_change_a_certain_choice(
    house: House, quantities: dict[str, int], read: int
) -> None:
    known: Choice[str, Seat] = choose_seats(house.free[:read], quantities, house.rows, complete=False)
    everything = choose_seats(house.free, quantities, house.rows)
    assert everything.certain
    if known.certain:
        assert known == everything
    else:
        assert known.seats.items() <= everything.seats.items()


def test_the_front_rows_suffice_for_a_batch_of_a_large_house() -> None:
    large = house(*[100] * 200)
    batch = {str(key): 2 for key in range(64)}
    choice = choose_seats(large.free[: 128 + (EDGE_ROWS + 1) * 100], batch, large.rows, complete=False)
    assert choice.certain
    assert len(choice.seats) == 64


def test_the_first_buyers_of_an_empty_house_get_the_middle_of_the_front_rows() -> None:
    assert chosen(house(20, 20, 20), 2, 2, 2, 2, 2, 2, 2, 2, 1, 4) == [
        *(["A9", "A10"], ["A11", "A12"], ["A7", "A8"], ["A13", "A14"], ["A5", "A6"], ["A15", "A16"]),
        *(["B9", "B10"], ["B11", "B12"], ["B8"], ["B13", "B14", "B15", "B16"]),
    ]


def test_buyers_of_two_leave_no_single_seat_in_an_even_row() -> None:
    assert sorted(seat for seats in chosen(house(8), 2, 2, 2, 2) for seat in seats) == [f"A{n}" for n in range(1, 9)]


def test_a_seat_is_not_stranded_for_a_place_further_in_front() -> None:
    worn = house(3, 10).without(*range(8, 14))  # all of row A; row B has 1-3 and 10
    assert chosen(worn, 2) == [["A1", "A2"]]
    assert chosen(house(3, 10), 2) == [["B5", "B6"]]
    assert chosen(house(3), 2) == [["A1", "A2"]]


def test_separate_seats_are_behind_each_other_rather_than_at_both_ends_of_a_row() -> None:
    taken = house(10, 10).without(*range(2, 10), *range(13, 22))  # free: A1, A10 and B1
    assert chosen(taken, 2) == [["A1", "B1"]]


def test_seats_of_two_rows_are_not_adjacent() -> None:
    ends = house(4, 4).without(1, 2, 8, 9)  # free: A3, A4, B1 and B2
    assert chosen(ends, 2, 2) == [["A3", "A4"], ["B1", "B2"]]
    assert chosen(ends.without(3), 2) == [["B1", "B2"]]


def test_a_quantity_without_enough_seats_gets_none_and_takes_none() -> None:
    assert chosen(house(4), 3, 2, 1) == [["A1", "A2", "A3"], ["A4"]]


def test_zones_are_the_thirds_of_a_row() -> None:
    rows = house(9).rows
    assert [rows.zone([position]) for position in range(1, 10)] == ["left"] * 3 + ["centre"] * 3 + ["right"] * 3
    assert rows.zone([3, 4]) == rows.zone([4, 5]) == "centre"
    assert rows.zone([1, 3]) == "left"
    assert rows.zone([1, 9]) is None


def test_more_groups_of_separate_seats_than_anchors_are_chosen() -> None:
    checkered = house(*[20] * 60)
    checkered = checkered.without(*(seat.position for seat in checkered.free[::2]))
    quantities = {str(number): 8 for number in range(len(checkered.free) // 8)}
    choice = choose_seats(checkered.free, quantities, checkered.rows)
    taken = [seat.position for seats in choice.seats.values() for seat in seats]
    assert len(choice.seats) == len(quantities)
    assert len(set(taken)) == len(taken) == 8 * len(quantities) > 500
