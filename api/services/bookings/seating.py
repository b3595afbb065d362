"""Which seats a buyer gets who asks for a quantity: neighbours, as long as there are any."""

from collections.abc import Iterable
from typing import Protocol, TypeVar


class Seat(Protocol):
    """What choosing needs to know: neighbours have consecutive positions, across rows there is a gap."""

    @property
    def position(self) -> int:
        """Place in the tier's order."""


S = TypeVar("S", bound=Seat)


def pick_neighbours(free: Iterable[S], quantity: int) -> list[S]:
    """Return the first `quantity` seats of `free` that stand side by side; none: an empty list.

    `free` is in the order of preference; seats are neighbours where one position follows the other.
    """
    run: list[S] = []
    for seat in free:
        if run and seat.position != run[-1].position + 1:
            run = []
        run.append(seat)
        if len(run) == quantity:
            return run
    return []
