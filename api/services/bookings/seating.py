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
import functools
import heapq
import itertools
import math
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

EDGE_ROWS = 3
"""A seat at the end of the widest row costs as much as one in the middle this many rows further back."""
_ODD_ROWS = 0.1
"""The cost of an odd number of free seats beside the chosen ones. Buyers of two would leave one of them in the end."""
_ROW_PITCH = 4
"""The distance between two rows in half seats, the unit of distances."""
_COMPARED_MAX = 500
"""The most seats in the groups of separate seats that are compared. Groups near the stage come first."""
_RUNS_MAX = 20_000
"""The most runs of free seats whose best blocks a process remembers."""
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
    free: Iterable[S], quantities: Mapping[K, int], rows: SeatRows, *, complete: bool = True
) -> Choice[K, S]:
    """Choose the best seats for each quantity, one quantity after the other.

    Args:
        free: the free seats, by position. Seats outside of the rows are ignored.
        quantities: the numbers of seats by key.
        rows: all rows of the tier.
        complete: False if further seats behind the last one of `free` may be free.
    """
    return House(free, rows, complete=complete).choose(quantities)


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


class House(Generic[S]):
    """The free seats of a tier, from which requests choose one after the other. Chosen seats are not free any more."""

    def __init__(self, free: Iterable[S], rows: SeatRows, *, complete: bool) -> None:
        """Begin with free seats; see `choose_seats` for the arguments."""
        self._rows = rows
        self._seats = {seat.position: seat for seat in free}
        self._free: dict[int, list[int]] = {}
        """The free positions of each row that has any, front row first."""
        positions = list(self._seats)
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

    @property
    def spare(self) -> int:
        """The number of free seats before the last rows, whose seats may be worse than those of unread rows."""
        last = self._unread - EDGE_ROWS
        return sum(len(free) for index, free in self._free.items() if index < last)

    def choose(self, quantities: Mapping[K, int]) -> Choice[K, S]:
        """Take the best seats for each quantity, one quantity after the other."""
        chosen: dict[K, list[S]] = {}
        for key, quantity in quantities.items():
            block = self.find_adjacent(quantity)
            if not self.is_certain(block):
                return Choice(chosen, certain=False)
            positions = range(block.start, block.start + quantity) if block else self.find_separate(quantity)
            if positions:
                self.take(positions)
                chosen[key] = [self._seats[position] for position in positions]
        return Choice(chosen, certain=True)

    def leave(self, quantities: Iterable[int]) -> None:
        """Leave the best adjacent seats of each quantity to other transactions."""
        for quantity in quantities:
            if block := self.find_adjacent(quantity):
                self.take(range(block.start, block.start + quantity))

    def remove(self, ids: Container[int]) -> None:
        """Remove the seats with these ids, as far as they are free."""
        self.take([seat.position for seat in self._seats.values() if seat.id in ids and self._is_free(seat.position)])

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
            if self._free[index]:
                self._blocks[index].clear()
            else:
                del self._free[index], self._blocks[index]

    def _is_free(self, position: int) -> bool:
        free = self._free.get(self._rows.index_of(position), [])
        at = bisect.bisect_left(free, position)
        return at < len(free) and free[at] == position

    def _cost(self, index: int, offset: int) -> float:
        return index + _distance_cost(offset, self._rows.width)

    def _best_in_row(self, index: int, quantity: int) -> _Block | None:
        row = self._rows.rows[index]
        best: _Block | None = None
        for first, last in _runs(self._free[index]):
            if last - first + 1 >= quantity:
                run = _Run(first - row.first, last - row.first, row.last - row.first + 1)
                stranded, cost, start = _best_in_run(run, quantity, self._rows.width)
                block = _Block(stranded, index + cost, row.first + start)
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


class _Run(NamedTuple):
    """Adjacent free seats of a row, counted from its start."""

    first: int
    last: int
    length: int
    """The number of all seats of the row."""


@functools.lru_cache(maxsize=_RUNS_MAX)
def _best_in_run(run: _Run, quantity: int, width: int) -> _Block:
    """Return the best block of a run in the front row, counted from the row's start.

    Rows of one length have the same runs, so the results are remembered. `width` is that of the widest row.
    """
    end = run.last - quantity + 1
    # The cost grows on both sides of the middle. Only the criteria of the neighbours shift the best start.
    near = min(max((run.length - quantity) // 2, run.first), end)
    blocks = []
    for start in {run.first, *range(max(near - 3, run.first), min(near + 3, end) + 1), end}:
        left, right = start - run.first, end - start
        cost = _distance_cost(2 * start + quantity - run.length, width) + _ODD_ROWS * (left % 2 + right % 2)
        blocks.append(_Block((left == 1) + (right == 1), cost, start))
    return min(blocks)


def _distance_cost(offset: int, width: int) -> float:
    """Return the cost of a distance from the middle of a row in half seats."""
    return EDGE_ROWS * (offset / width) ** 2


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
