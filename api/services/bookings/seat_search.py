"""The search for the best free seats of a tier, for bookings and for the pages that show them."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from api.database import queries
from api.database.session import Pipeline, Session, Statement
from api.services.bookings.model import Ticket, Tier
from api.services.bookings.seating import EDGE_ROWS, K, Row, SeatRows, choose_seats

_SEATS_MIN = 64
_SEATS_MAX = 5000
"""The free seats that the first search reads at least, and that the last one reads at most."""
_GROWTH = 4
"""A search that is too short is followed by one that reads this many times as many seats."""
_TIERS_MAX = 1000
"""A process that remembers the rows of more tiers than this forgets all of them."""
_AHEAD_MAX = 100
"""A process that keeps the free seats of more tiers than this forgets all of them."""
AHEAD_AGE_MAX_S = 0.02
"""The age up to which a search uses free seats that an earlier batch has read."""
CONTENTION_S = 1.0
"""Time for which a process spreads its batches in a tier after another transaction has taken chosen seats."""

_Version = tuple[int, int, datetime]


class FreeSeats:
    """A read of the first free seats of a tier, from the front. The rows are available after the round trip.

    It reflects a batch if it is behind the batch's commit or began after the batch's end. The seats that the batch has
    sold are then not among the free ones.
    """

    def __init__(
        self, pipeline: Pipeline, tier: Tier, limit: int, began_at: float, behind: "BatchSeats | None" = None
    ) -> None:
        self.tier = tier
        self.limit = limit
        self.began_at = began_at
        self._behind = behind
        parameters = {"tier_id": tier.tier_id, "limit": limit}
        self._result = pipeline.add(Statement(queries.tickets.find_front_seats, parameters, Ticket))

    @property
    def seats(self) -> list[Ticket]:
        """Return the seats by position."""
        return self._result.rows

    @property
    def complete(self) -> bool:
        """Return whether the search ends with these seats."""
        return len(self.seats) < self.limit or self.limit == _SEATS_MAX

    def reflects(self, batch: "BatchSeats") -> bool:
        """Return whether the read reflects the end of a batch."""
        return batch is self._behind or batch.ended_at < self.began_at


class BatchSeats:
    """The seats that a batch chooses or names. Until its end no other batch of the process chooses them."""

    def __init__(self, search: "SeatSearch", began_at: float) -> None:
        self._search = search
        self.began_at = began_at
        """The start of the batch, by the clock of the search."""
        self.ids: set[int] = set()
        """Ids of the seats' tickets."""
        self.ended_at = math.inf
        """The end of the batch, by the clock of the search."""

    async def choose(self, session: Session, tier: Tier, quantities: Mapping[K, int]) -> dict[K, list[Ticket]]:
        """Choose seats like `SeatSearch.choose`, without those of this batch and of the others in flight."""
        chosen = await self._search.choose(session, tier, quantities, self)
        self.ids.update(seat.id for seats in chosen.values() for seat in seats)
        return chosen

    def read_ahead(self, pipeline: Pipeline, tier: Tier, quantity: int) -> FreeSeats | None:
        """Add a read of the free seats for the next batch of `quantity` seats to a pipeline behind the commit.

        Returns:
            The read; None during a contention, or if the rows of the tier are unknown.
        """
        return self._search.read_ahead(pipeline, tier, quantity, self)


class _Contention(NamedTuple):
    """A contention for the seats of a tier."""

    until: float
    """Its end, by the monotonic clock in seconds."""
    leaves: bool
    """True if the batches of this process leave the best seats to another process."""


class SeatSearch:
    """Searches the best free seats of tiers. It remembers the rows of each tier at each revision of its event.

    A batch can read the free seats for the next batches behind its commit, in the same round trip. The searches that
    follow at once use them. The transaction finds the seats that another process has taken since.

    Several batches may be in flight. A search leaves out the seats of the others, as far as its read may still show
    them as free.

    Two processes that search at the same time choose the same seats, and one of them loses. For a while the loser then
    spreads its batches: it reads no seats ahead, and leaves the best seats to another batch of the same size.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[_Version, SeatRows] = {}
        self._ahead: dict[int, FreeSeats] = {}
        """The latest free seats by tier."""
        self._contended: dict[int, _Contention] = {}
        self._batches: list[BatchSeats] = []
        """The batches in flight, and those that ended a moment ago or since the start of one in flight."""

    @contextlib.contextmanager
    def batch(self) -> Iterator[BatchSeats]:
        """Return the seats of a batch, which lasts as long as the context."""
        now = self._clock()
        # A batch in flight may wait for a read that began before the end of another batch.
        in_flight = (batch.began_at for batch in self._batches if batch.ended_at == math.inf)
        oldest = min([now - AHEAD_AGE_MAX_S, *in_flight])
        self._batches = [batch for batch in self._batches if batch.ended_at >= oldest]
        seats = BatchSeats(self, now)
        self._batches.append(seats)
        try:
            yield seats
        finally:
            seats.ended_at = self._clock()

    async def rows_of(self, session: Session, tier: Tier) -> SeatRows:
        """Return the rows of a seated tier."""
        key = _version(tier)
        if key not in self._rows:
            if len(self._rows) >= _TIERS_MAX:
                self._rows.clear()
            found = Statement(queries.tickets.find_rows, {"tier_id": tier.tier_id}, Row)
            self._rows[key] = SeatRows(await session.run(found))
        return self._rows[key]

    async def choose(
        self, session: Session, tier: Tier, quantities: Mapping[K, int], batch: BatchSeats | None = None
    ) -> dict[K, list[Ticket]]:
        """Choose the best free seats of a seated tier for each quantity, in their order.

        Other transactions may take the seats at any time. Beyond `_SEATS_MAX` free seats the search ends, so it may
        choose separate seats although adjacent ones are free far behind.

        Args:
            session: a session outside of a transaction.
            tier: the tier.
            quantities: the numbers of seats by key.
            batch: the batch that needs the seats.

        Returns:
            The seats by key. A key is missing if too few seats are free.
        """
        rows = await self.rows_of(session, tier)
        leaves = len(quantities) > 1 and self._leaves(tier)  # A single request means that no batch follows.
        in_flight = sum(len(each.ids) for each in self._batches if each.ended_at == math.inf)
        needed = sum(quantities.values()) * (2 if leaves else 1) + in_flight
        found = self._find_ahead(tier) or await self._read(session, tier, _first_limit(rows, needed))
        while True:
            taken = self._taken(found, batch)
            free = (seat for seat in found.seats if seat.id not in taken)
            # The last seats of a tier are too few to leave any of them.
            left = quantities.values() if leaves and not found.complete else ()
            choice = choose_seats(free, quantities, rows, complete=found.complete, left=left)
            if choice.certain:
                return choice.seats
            found = await self._read(session, tier, found.limit * _GROWTH)

    def read_ahead(self, pipeline: Pipeline, tier: Tier, quantity: int, batch: BatchSeats) -> FreeSeats | None:
        """Add a read of free seats behind the commit of a batch to a pipeline; see `BatchSeats.read_ahead`."""
        rows = self._rows.get(_version(tier))
        if rows is None or self._contention(tier):
            return None
        # Another batch in flight takes as many of the seats as the next one.
        return FreeSeats(pipeline, tier, _first_limit(rows, 2 * quantity), self._clock(), batch)

    def keep(self, found: FreeSeats) -> None:
        """Keep free seats for the next searches, after the round trip of their read."""
        if len(self._ahead) >= _AHEAD_MAX:
            self._ahead.clear()
        known = self._ahead.get(found.tier.tier_id)
        if found.seats and (known is None or known.began_at <= found.began_at):  # A failed read has no rows either.
            self._ahead[found.tier.tier_id] = found

    def note_contention(self, tier: Tier) -> None:
        """Spread the batches of a tier for a while, because another transaction has taken chosen seats.

        If this process has left the best seats, another one has done the same. Then this process takes them again.
        So three or more processes share two blocks of seats, and two of them win each later race.
        """
        leaves = not self._leaves(tier)
        if len(self._contended) >= _TIERS_MAX:
            self._contended.clear()
        self._contended[tier.tier_id] = _Contention(self._clock() + CONTENTION_S, leaves)
        self._ahead.pop(tier.tier_id, None)

    def _contention(self, tier: Tier) -> _Contention | None:
        contention = self._contended.get(tier.tier_id)
        return contention if contention and contention.until > self._clock() else None

    def _leaves(self, tier: Tier) -> bool:
        contention = self._contention(tier)
        return contention is not None and contention.leaves

    def _find_ahead(self, tier: Tier) -> FreeSeats | None:
        found = self._ahead.get(tier.tier_id)
        return found if found and self._clock() - found.began_at <= AHEAD_AGE_MAX_S else None

    def _taken(self, found: FreeSeats, batch: BatchSeats | None) -> set[int]:
        """Return the ids of seats that a batch must not choose from a read."""
        taken = set(batch.ids) if batch else set()
        return taken.union(*(other.ids for other in self._batches if other is not batch and not found.reflects(other)))

    async def _read(self, session: Session, tier: Tier, limit: int) -> FreeSeats:
        pipeline = session.pipeline()
        found = FreeSeats(pipeline, tier, min(limit, _SEATS_MAX), self._clock())
        await pipeline.run()
        return found


def _version(tier: Tier) -> _Version:
    """Return the key of a tier at a revision. After a failover the same revision may stand for other seats."""
    return tier.tier_id, tier.revision, tier.updated_at


def _first_limit(rows: SeatRows, quantity: int) -> int:
    """Return the number of seats that the first read of a search needs."""
    return min(max(_SEATS_MIN, quantity + (EDGE_ROWS + 1) * rows.width), _SEATS_MAX)
