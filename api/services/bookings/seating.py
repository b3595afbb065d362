"""Choice of seats: adjacent seats while a tier has them, then separate seats."""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar


class Seat(Protocol):
    """A seat of a tier; adjacent seats have consecutive positions, and rows are one position apart."""

    @property
    def id(self) -> int:
        """Id of the seat's ticket."""

    @property
    def position(self) -> int:
        """Position in the tier's order."""


S = TypeVar("S", bound=Seat)


def order_from(seats: Iterable[S], start: int) -> list[S]:
    """Return seats by position, from a start position with wrap-around."""
    return sorted(seats, key=lambda seat: (seat.position < start, seat.position))


def pick_adjacent(free: Iterable[S], quantity: int) -> list[S]:
    """Return the first `quantity` adjacent seats; empty if there are none.

    `free` is in the order of preference. Seats are adjacent if their positions follow each other in `free`.
    """
    run: list[S] = []
    for seat in free:
        if run and seat.position != run[-1].position + 1:
            run = []
        run.append(seat)
        if len(run) == quantity:
            return run
    return []


def choose_adjacent(free: Iterable[S], quantities: Mapping[str, int]) -> tuple[dict[str, list[S]], list[S]]:
    """Choose adjacent seats for each quantity; return the seats by key, and the seats that remain.

    A key without enough adjacent seats is missing from the result.
    """
    remaining = {seat.id: seat for seat in free}
    chosen: dict[str, list[S]] = {}
    for key, quantity in quantities.items():
        if seats := pick_adjacent(remaining.values(), quantity):
            chosen[key] = seats
            for seat in seats:
                del remaining[seat.id]
    return chosen, list(remaining.values())


def choose_separate(free: Iterable[S], quantities: Mapping[str, int]) -> dict[str, list[S]]:
    """Choose the first seats for each quantity, adjacent or not; return the seats by key.

    A key for which too few seats remain is missing from the result.
    """
    remaining = list(free)
    chosen: dict[str, list[S]] = {}
    for key, quantity in quantities.items():
        if len(remaining) >= quantity:
            chosen[key], remaining = remaining[:quantity], remaining[quantity:]
    return chosen
