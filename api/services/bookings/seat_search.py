"""The search for the best free seats of a tier, for bookings and for the pages that show them."""

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from api.database import queries
from api.database.session import Pipeline, Session, Statement
from api.services.bookings.model import Ticket, Tier
from api.services.bookings.seating import EDGE_ROWS, House, K, Row, SeatRows

_SEATS_MIN = 64
_SEATS_MAX = 5000
"""The free seats that the first search reads at least, and that the last one reads at most."""
_GROWTH = 4
"""A search that is too short is followed by one that reads this many times as many seats."""
_SUPPLY_BATCHES = 4
_SUPPLY_MIN = 16
"""A read for shared use supplies this many batches of the present size, and at least this many requests."""
_SUPPLY_SHARE = 0.25
"""Several batches share no more requests of a read than this share of those whose seats may be left."""
_TIERS_MAX = 1000
"""A process that remembers the rows of more tiers than this forgets all of them."""
_KEPT_MAX = 100
"""A process that keeps the free seats of more tiers than this forgets all of them."""
KEPT_AGE_MAX_S = 0.05
"""The age up to which batches share free seats that a process has read."""
CONTENTION_S = 1.0
"""Time for which a process spreads its batches in a tier after another transaction has taken chosen seats."""
LEFT_MAX = 100
"""The most requests whose best seats a process leaves to another one; `BOOKING_BATCH_MAX` replaces it."""

_Version = tuple[int, int, datetime]


class FreeSeats:
    """A read of the first free seats of a tier, from the front. The rows are available after the round trip.

    It reflects a batch if it is behind the batch's commit or began after the batch's end. The seats that the batch has
    sold are then not among the free ones.

    Several batches may choose from one read, one after the other.
    """

    def __init__(
        self, pipeline: Pipeline, tier: Tier, limit: int, began_at: float, behind: "BatchSeats | None" = None
    ) -> None:
        self.tier = tier
        self.limit = limit
        self.began_at = began_at
        self._behind = behind
        self.house: House[Ticket] | None = None
        """The seats that are still free; None before the first choice."""
        self.leaves = False
        """True if the best seats are left to another process."""
        parameters = {"tier_id": tier.tier_id, "limit": limit}
        self._result = pipeline.add(Statement(queries.tickets.find_front_seats, parameters))

    @functools.cached_property
    def seats(self) -> list[Ticket]:
        """The seats by position, after the round trip."""
        # Columns by position make a ticket in a tenth of the time of columns by name.
        return list(itertools.starmap(Ticket, self._result.rows))

    @property
    def complete(self) -> bool:
        """Return whether the search ends with these seats."""
        return len(self.seats) < self.limit or self.limit == _SEATS_MAX

    def open(self, rows: SeatRows, taken: Container[int], left: Collection[int]) -> House[Ticket]:
        """Return the seats that are still free; at first all but the taken ones and the best ones that are left."""
        if self.house is None:
            self.house = House((seat for seat in self.seats if seat.id not in taken), rows, complete=self.complete)
            if left and not self.complete:  # The last seats of a tier are too few to leave any of them.
                self.house.leave(left)
                self.leaves = True
        return self.house

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
        self.sold: set[int] = set()
        """The ids that the batch has sold, as far as the search needs to know it."""
        self.ended_at = math.inf
        """The end of the batch, by the clock of the search."""

    async def choose(self, session: Session, tier: Tier, quantities: Mapping[K, int]) -> dict[K, list[Ticket]]:
        """Choose seats like `SeatSearch.choose`, without those of this batch and of the others in flight."""
        chosen = await self._search.choose(session, tier, quantities, self)
        self.ids.update(seat.id for seats in chosen.values() for seat in seats)
        return chosen

    def reserve(self, ids: Collection[int]) -> None:
        """Leave out tickets that requests name from all choices until the end of the batch."""
        if ids:
            self.ids.update(ids)
            self._search.remove(ids)

    def read_ahead(self, pipeline: Pipeline, tier: Tier, quantities: Collection[int]) -> FreeSeats | None:
        """Add a read of the free seats for the next batches of these quantities to a pipeline behind the commit.

        Returns:
            The read; None if the rows of the tier are unknown.
        """
        return self._search.read_ahead(pipeline, tier, quantities, self)

    def suffice(self, tier: Tier, quantities: Collection[int]) -> bool:
        """Return whether the next batches of these quantities need no read of the free seats."""
        return self._search.suffices(tier, quantities)


class _Contention(NamedTuple):
    """A contention for the seats of a tier."""

    until: float
    """Its end, by the monotonic clock in seconds."""
    leaves: bool
    """True if the batches of this process leave the best seats to another process."""


class SeatSearch:
    """Searches the best free seats of tiers. It remembers the rows of each tier at each revision of its event.

    The batches of a process share a read of the free seats for a moment, and choose from it one after the other. A
    batch can renew the read behind its commit, in the same round trip. The transaction finds the seats that another
    process has taken since.

    Several batches may be in flight. A new read leaves out the seats of the others, as far as it may still show them as
    free.

    Two processes that search at the same time choose the same seats, and one of them loses. For a while the loser then
    spreads its batches: it leaves the best seats to the batches of another process.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, left_max: int = LEFT_MAX) -> None:
        self._clock = clock
        self._left_max = left_max
        self._rows: dict[_Version, SeatRows] = {}
        self._kept: dict[int, FreeSeats] = {}
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
        oldest = min([now - KEPT_AGE_MAX_S, *in_flight])
        self._batches = [batch for batch in self._batches if batch.ended_at >= oldest]
        seats = BatchSeats(self, now)
        self._batches.append(seats)
        try:
            yield seats
        finally:
            seats.ended_at = self._clock()
            if not seats.ids <= seats.sold:  # The other seats are free again, or another process has taken them.
                self._kept = {tier_id: found for tier_id, found in self._kept.items() if found.reflects(seats)}

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
        # A batch of one request, beside which no other one is in flight, gets the best seats at this time.
        shares = batch is not None and (len(quantities) > 1 or self._in_flight(besides=batch) > 0)
        left = self._left(tier, quantities.values()) if shares else []
        found = self._find_kept(tier, leaves=bool(left)) if shares else None
        limit = self._limit(rows, quantities.values(), left, shares=shares)
        while True:
            if found is None:
                found = await self._read(session, tier, limit)
                if shares:
                    found = self.keep(found)
                limit *= _GROWTH
            choice = found.open(rows, self._taken(found, batch), left).choose(quantities)
            if choice.certain:
                break
            found = None
        if batch and not shares:
            self.remove({seat.id for seats in choice.seats.values() for seat in seats})
        return choice.seats

    def read_ahead(
        self, pipeline: Pipeline, tier: Tier, quantities: Collection[int], batch: BatchSeats
    ) -> FreeSeats | None:
        """Add a read of free seats behind the commit of a batch to a pipeline; see `BatchSeats.read_ahead`."""
        rows = self._rows.get(_version(tier))
        if rows is None:
            return None
        limit = self._limit(rows, quantities, self._left(tier, quantities), shares=True)
        return FreeSeats(pipeline, tier, limit, self._clock(), batch)

    def suffices(self, tier: Tier, quantities: Collection[int]) -> bool:
        """Return whether the kept seats are young and many enough for two more batches; see `BatchSeats.suffice`."""
        kept = self._kept.get(tier.tier_id)
        return (
            kept is not None
            and kept.house is not None
            and self._clock() - kept.began_at <= KEPT_AGE_MAX_S / 2
            and kept.house.spare >= 2 * sum(quantities)
        )

    def keep(self, found: FreeSeats) -> FreeSeats:
        """Keep free seats for the next searches, after the round trip of their read; return the latest ones."""
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        known = self._kept.get(found.tier.tier_id)
        if known and known.began_at > found.began_at:
            return known
        if found.seats:  # A failed read has no rows either.
            self._kept[found.tier.tier_id] = found
        return found

    def remove(self, ids: Collection[int]) -> None:
        """Remove seats from the kept ones."""
        oldest = self._clock() - KEPT_AGE_MAX_S
        self._kept = {tier_id: found for tier_id, found in self._kept.items() if found.began_at >= oldest}
        for found in self._kept.values():
            if found.house:
                found.house.remove(ids)

    def note_contention(self, tier: Tier) -> None:
        """Spread the batches of a tier for a while, because another transaction has taken chosen seats.

        If this process has left the best seats, another one has done the same. Then this process takes them again.
        So three or more processes share two blocks of seats, and two of them win each later race.
        """
        leaves = not self._leaves(tier)
        if len(self._contended) >= _TIERS_MAX:
            self._contended.clear()
        self._contended[tier.tier_id] = _Contention(self._clock() + CONTENTION_S, leaves)
        self._kept.pop(tier.tier_id, None)

    def _contention(self, tier: Tier) -> _Contention | None:
        contention = self._contended.get(tier.tier_id)
        return contention if contention and contention.until > self._clock() else None

    def _leaves(self, tier: Tier) -> bool:
        contention = self._contention(tier)
        return contention is not None and contention.leaves

    def _supply(self, quantities: Collection[int]) -> list[int]:
        """Return the quantities for which batches of these quantities share a read."""
        number = min(max(_SUPPLY_BATCHES * len(quantities), _SUPPLY_MIN), int(_SUPPLY_SHARE * self._left_max))
        return _repeat(quantities, max(number, len(quantities)))

    def _left(self, tier: Tier, quantities: Collection[int]) -> list[int]:
        """Return the quantities whose best seats batches of these quantities leave to another process.

        Both processes choose from a read of their own. So the other one may choose as many seats as both reads supply
        before it sees the seats of this one.
        """
        if not self._leaves(tier):
            return []
        return _repeat(quantities, min(2 * len(self._supply(quantities)), self._left_max))

    def _limit(self, rows: SeatRows, quantities: Collection[int], left: Collection[int], *, shares: bool) -> int:
        """Return the number of seats that the first read of a search needs."""
        needed = sum(self._supply(quantities) if shares else quantities) + sum(left)
        needed += (EDGE_ROWS + 1) * rows.width + self._in_flight()
        return min(max(_SEATS_MIN, needed), _SEATS_MAX)

    def _in_flight(self, besides: BatchSeats | None = None) -> int:
        """Return the number of seats of the batches in flight."""
        return sum(len(each.ids) for each in self._batches if each.ended_at == math.inf and each is not besides)

    def _find_kept(self, tier: Tier, *, leaves: bool) -> FreeSeats | None:
        """Return the kept seats if they are young enough; with the best ones, unless this process leaves them."""
        kept = self._kept.get(tier.tier_id)
        if kept is None or self._clock() - kept.began_at > KEPT_AGE_MAX_S:
            return None
        return kept if kept.house is None or kept.leaves == leaves or kept.complete else None

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


def _repeat(quantities: Collection[int], number: int) -> list[int]:
    """Return a number of quantities, which repeat the given ones."""
    return list(itertools.islice(itertools.cycle(quantities), number))
