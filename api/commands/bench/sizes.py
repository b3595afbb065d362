"""Number, length and size of the measurements of the benchmark."""

import msgspec

_BOOKINGS_PER_S_MAX = 16_000
"""Rate below which no tier sells out during its runs."""
_TICKETS_SEATED_MAX = 350_000
"""The most seats of one event, limited by the labels of rows."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Number, length and size of the measurements."""

    runs: int = 3
    """Runs of each measurement; the result is the median run."""
    warmup_s: float = 0.5
    seconds: float = 2
    """Length of each measured run except the mix."""
    connections: tuple[int, ...] = (8, 32, 128)
    mix_seconds: float = 30
    mix_warmup_s: float = 3
    mix_connections: int = 256
    reads_per_s: float = 4500
    bookings_per_s: float = 500
    clients: tuple[int, ...] = (8, 32)
    reference_tickets: int = 60_000
    claims_tickets: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    claims_batch: int = 20
    claims_batches: int = 30
    sell_down_tickets: int = 50_000
    sell_down_batch: int = 100

    @property
    def standing_tickets(self) -> int:
        """Return the number of tickets for the runs of one kind of request in a closed loop."""
        return int(_BOOKINGS_PER_S_MAX * self.runs * (self.warmup_s + self.seconds))

    @property
    def seats(self) -> int:
        """Return the number of seats for the runs of one kind of request in a closed loop."""
        return min(self.standing_tickets, _TICKETS_SEATED_MAX)

    def mix_tickets(self, bookings_per_s: float) -> int:
        """Return the number of tickets for one run of a mix."""
        return int(bookings_per_s * (self.mix_seconds + self.mix_warmup_s)) + 1_000


FULL = Sizes()
COMPARISON = Sizes(mix_seconds=10, mix_warmup_s=2)
"""Sizes for a comparison, which runs each mix several times."""
QUICK = Sizes(
    runs=1,
    warmup_s=0.1,
    seconds=0.2,
    connections=(8, 32),
    mix_seconds=1,
    mix_warmup_s=0.2,
    reads_per_s=450,
    bookings_per_s=50,
    clients=(8,),
    reference_tickets=5_000,
    claims_tickets=(1_000, 5_000),
    claims_batches=10,
    sell_down_tickets=1_000,
)
"""Sizes for a test of the benchmark itself; the results are not comparable."""
