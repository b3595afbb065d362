"""Choice of seats: the best adjacent seats, else free seats that are close together.

The choice depends only on the free seats, the rows and the requests, so every process chooses the same seats.

Adjacent seats are compared by these criteria, in this order:

1. the number of seats that they strand, which are single free seats between taken ones or at a row's end;
2. the cost, in rows: the row's number from the front, plus `EDGE_ROWS` times the square of the distance from the row's
   middle, as a share of half the widest row, plus `_ODD_ROWS` for each odd number of free seats left beside them;
3. the position.

Seats in the middle of a row therefore come before the ends of the row in front. Seats that are not adjacent are
compared by their spread, the largest distance of one of them from the others.
"""

import bisect
import heapq
import itertools
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

EDGE_ROWS = 3
"""A seat at the end of the widest row costs as much as one in the middle this many rows further back."""
_ODD_ROWS = 0.1
"""The cost of an odd number of free seats beside the chosen ones. Buyers of two would leave one of them in the end."""
_ROW_PITCH = 4
"""The distance between two rows in half seats, the unit of distances."""
_COMPARED_MAX = 500
"""The most seats in the groups of separate seats that are compared. Groups near the stage come first."""
_CENTRE_SHARE = 1 / 3
"""The share of a row that counts as its centre."""

Zone = Literal["left", "centre", "right"]
"""The part of a row, as seen by the audience. Positions ascend from left to right."""


class Seat(Protocol):
    """A seat of a tier; adjacent seats have consecutive positions, and an unused position separates two rows."""

    @property
    def id(self) -> int:
        """Id of the seat's ticket."""

    @property
    def position(self) -> int:
        """Position in the tier's order."""


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Seat)


class Row(NamedTuple):
    """All positions of a row, free or not."""

    first: int
    last: int


class SeatRows:
    """The rows of a tier, from the front."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.width = max((row.last - row.first + 1 for row in rows), default=1)
        """The number of seats of the widest row."""
        self._firsts = [row.first for row in rows]

    def index_of(self, position: int) -> int:
        """Return the number of a position's row from the front, from 0."""
        return bisect.bisect_right(self._firsts, position) - 1

    def offset(self, position: int) -> int:
        """Return the distance of a position from the middle of its row in half seats; negative on the left."""
        row = self.rows[self.index_of(position)]
        return 2 * position - row.first - row.last

    def zone(self, positions: Sequence[int]) -> Zone | None:
        """Return the zone of adjacent seats, or the zone that several seats share; None if they share none."""
        if _are_adjacent(positions):
            return self._zone(positions[0], positions[-1])
        zones = {self._zone(position, position) for position in positions}
        return zones.pop() if len(zones) == 1 else None

    def _zone(self, first: int, last: int) -> Zone:
        row = self.rows[self.index_of(first)]
        offset = first + last - row.first - row.last
        if abs(offset) <= _CENTRE_SHARE * (row.last - row.first + 1):
            return "centre"
        return "left" if offset < 0 else "right"


class Choice(NamedTuple, Generic[K, S]):
    """The chosen seats by key, each list by position. A key is missing if too few seats are free."""

    seats: dict[K, list[S]]
    certain: bool
    """True if further seats behind the known ones cannot change the choice. Otherwise the choice is incomplete."""


def choose_seats(
    free: Iterable[S], quantities: Mapping[K, int], rows: SeatRows, *, complete: bool = True, left: Iterable[int] = ()
) -> Choice[K, S]:
    """Choose the best seats for each quantity, one quantity after the other.

    Args:
        free: the free seats, by position. Seats outside of the rows are ignored.
        quantities: the numbers of seats by key.
        rows: all rows of the tier.
        complete: False if further seats behind the last one of `free` may be free.
        left: the quantities whose best seats are left to other transactions.
    """
    seats = {seat.position: seat for seat in free}
    house = _FreeSeats(list(seats), rows, complete=complete)
    chosen: dict[K, list[S]] = {}
    for quantity in left:
        if block := house.find_adjacent(quantity):
            house.take(range(block.start, block.start + quantity))
    for key, quantity in quantities.items():
        block = house.find_adjacent(quantity)
        if not house.is_certain(block):
            return Choice(chosen, certain=False)
        positions = range(block.start, block.start + quantity) if block else house.find_separate(quantity)
        if positions:
            house.take(positions)
            chosen[key] = [seats[position] for position in positions]
    return Choice(chosen, certain=True)


class _Block(NamedTuple):
    """Adjacent seats from `start`; the smallest tuple is the best block."""

    stranded: int
    cost: float
    start: int


class _Group(NamedTuple):
    """The free seats that are nearest to a seat, the anchor; the smallest tuple is the best group."""

    spread: int
    cost: float
    anchor: int


class _FreeSeats:
    """The free positions of a tier while seats are chosen."""

    def __init__(self, positions: Sequence[int], rows: SeatRows, *, complete: bool) -> None:
        self._rows = rows
        self._free: dict[int, list[int]] = {}
        """The free positions of each row that has any, front row first."""
        for position in positions:
            index = rows.index_of(position)
            if index >= 0 and position <= rows.rows[index].last:
                self._free.setdefault(index, []).append(position)
        self._unread = math.inf
        """The first row that may have further free seats."""
        if not complete:
            self._unread = rows.index_of(positions[-1]) if positions else 0
            self._free.pop(int(self._unread), None)
        self._blocks: dict[int, dict[int, _Block | None]] = {index: {} for index in self._free}
        """The best block of each row by quantity, as far as they are known."""
        self._groups: dict[int, list[_Group]] = {}
        """A heap of all groups by quantity. The spread of a group is at least the stated one."""

    def is_certain(self, block: _Block | None) -> bool:
        """Return whether no block in the unread rows is better. They strand no seat and cost at least their number."""
        return self._unread == math.inf or (block is not None and not block.stranded and block.cost <= self._unread)

    def find_adjacent(self, quantity: int) -> _Block | None:
        """Return the best block of a quantity; None if there is none."""
        best: _Block | None = None
        for index, blocks in self._blocks.items():
            if best and not best.stranded and best.cost <= index:
                break  # Every block costs at least the number of its row.
            if quantity not in blocks:
                blocks[quantity] = self._best_in_row(index, quantity)
            block = blocks[quantity]
            if block and (best is None or block < best):
                best = block
        return best

    def find_separate(self, quantity: int) -> list[int]:
        """Return the positions of the best group of a quantity; empty if too few seats are free."""
        if sum(map(len, self._free.values())) < quantity:
            return []
        groups = self._groups.get(quantity)
        while True:
            if not groups:  # at first, and once all anchors are taken
                anchors = itertools.islice(itertools.chain(*self._free.values()), _COMPARED_MAX // quantity + 1)
                groups = self._groups[quantity] = [self._group(anchor, quantity)[0] for anchor in anchors]
                heapq.heapify(groups)
            anchor = groups[0].anchor
            if not self._is_free(anchor):
                heapq.heappop(groups)
                continue
            group, positions = self._group(anchor, quantity)
            if group == groups[0]:
                return positions
            heapq.heapreplace(groups, group)  # Other requests have taken some of its seats.

    def take(self, positions: Sequence[int]) -> None:
        """Remove chosen positions."""
        for position in positions:
            index = self._rows.index_of(position)
            self._free[index].remove(position)
            self._blocks[index].clear()

    def _is_free(self, position: int) -> bool:
        free = self._free[self._rows.index_of(position)]
        at = bisect.bisect_left(free, position)
        return at < len(free) and free[at] == position

    def _cost(self, index: int, offset: int) -> float:
        return index + EDGE_ROWS * (offset / self._rows.width) ** 2

    def _best_in_row(self, index: int, quantity: int) -> _Block | None:
        row = self._rows.rows[index]
        middle = (row.first + row.last - quantity + 1) // 2
        best: _Block | None = None
        for first, last in _runs(self._free[index]):
            end = last - quantity + 1
            if end < first:
                continue
            # The cost grows on both sides of the middle. Only the criteria of the neighbours shift the best start.
            near = min(max(middle, first), end)
            for start in {first, *range(max(near - 3, first), min(near + 3, end) + 1), end}:
                left, right = start - first, end - start
                cost = self._cost(index, 2 * start + quantity - 1 - row.first - row.last)
                block = _Block((left == 1) + (right == 1), cost + _ODD_ROWS * (left % 2 + right % 2), start)
                if best is None or block < best:
                    best = block
        return best

    def _group(self, anchor: int, quantity: int) -> tuple[_Group, list[int]]:
        """Return the group of an anchor, and its positions. At least `quantity` seats are free."""
        row, offset = self._rows.index_of(anchor), self._rows.offset(anchor)
        nearest: list[tuple[int, float, int]] = []
        for index in _by_distance(row, len(self._rows.rows)):
            behind = _ROW_PITCH * abs(index - row)
            if len(nearest) == quantity and behind > nearest[-1][0]:
                break
            if free := self._free.get(index):
                own = self._rows.rows[index]
                at = bisect.bisect_left(free, (offset + own.first + own.last) / 2)
                for position in free[max(at - quantity, 0) : at + quantity]:
                    across = 2 * position - own.first - own.last
                    nearest.append((behind + abs(across - offset), self._cost(index, across), position))
                nearest.sort()
                del nearest[quantity:]
        positions = sorted(position for _, _, position in nearest)
        return _Group(nearest[-1][0], self._cost(row, offset), anchor), positions


def _runs(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of consecutive positions."""
    first = previous = positions[0] if positions else 0
    for position in positions:
        if position > previous + 1:
            yield first, previous
            first = position
        previous = position
    if positions:
        yield first, previous


def _by_distance(row: int, rows: int) -> Iterator[int]:
    """Yield the numbers of all rows, nearest first."""
    for distance in range(rows):
        if row >= distance:
            yield row - distance
        if distance and row + distance < rows:
            yield row + distance


def _are_adjacent(positions: Sequence[int]) -> bool:
    """Return whether positions are consecutive."""
    return positions[-1] - positions[0] == len(positions) - 1
