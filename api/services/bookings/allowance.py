"""The limits of bookings per buyer and of held tickets per client address: the decisions for one batch."""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from api.errors import RateLimited

WINDOW = timedelta(minutes=1)
"""The interval in `sql/queries/limits.sql`."""


class RecentBookings(msgspec.Struct, frozen=True):
    """A row of `limits.find_limits`: the times of a buyer's bookings within the last minute, earliest first."""

    user_id: str
    seen_at: datetime
    booked_at: list[datetime]


class Holds(msgspec.Struct, frozen=True):
    """A row of `limits.find_holds`: the tickets that a client address holds.

    `back_in_s` is the time until its first hold ends, in seconds.
    """

    client_hash: bytes
    tickets: int
    back_in_s: float


class Allowance:
    """The bookings that the buyers of a batch may still make, in committed state; a limit of 0 admits all."""

    def __init__(self, recent: Sequence[RecentBookings], limit: int) -> None:
        self._recent = {row.user_id: row for row in recent}
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def refusal(self, user_id: str) -> RateLimited | None:
        """Return the error for a buyer whose committed bookings exhaust the limit."""
        row = self._recent.get(user_id)
        if not self._limit or row is None or len(row.booked_at) < self._limit:
            return None
        possible_at = row.booked_at[-self._limit] + WINDOW
        wait_s = max(1, math.ceil((possible_at - row.seen_at).total_seconds()))
        return RateLimited("bookings", quota=self._limit, window_s=int(WINDOW.total_seconds()), retry_after_s=wait_s)

    def take(self, user_id: str) -> bool:
        """Reserve one booking of a buyer for this batch; return False if none is left."""
        row = self._recent.get(user_id)
        committed = len(row.booked_at) if row else 0
        if self._limit and committed + self._taken[user_id] >= self._limit:
            return False
        self._taken[user_id] += 1
        return True


class BatchHolds:
    """The tickets that a batch takes for client addresses, and those of the batches that overlap it in time."""

    def __init__(self) -> None:
        self.taken: Counter[bytes] = Counter()
        self.overlapping: list[Counter[bytes]] = []

    def uncommitted(self, client_hash: bytes) -> int:
        """Return the tickets of an address that its committed holds may lack."""
        return sum(taken[client_hash] for taken in (self.taken, *self.overlapping))


class HoldsInFlight:
    """The holds of the batches that a process has in flight."""

    def __init__(self) -> None:
        self._batches: list[BatchHolds] = []

    @contextlib.contextmanager
    def batch(self) -> Iterator[BatchHolds]:
        """Return the holds of a batch, which lasts as long as the context and reads committed holds within it.

        The batch counts each batch that it overlaps until its own end. The other one may commit after the read.
        """
        batch = BatchHolds()
        for other in self._batches:
            batch.overlapping.append(other.taken)
            other.overlapping.append(batch.taken)
        self._batches.append(batch)
        try:
            yield batch
        finally:
            self._batches.remove(batch)


class HoldAllowance:
    """The tickets that the client addresses of a batch may still hold, in committed state; a limit of 0 admits all.

    An address without holds may hold the tickets of one order, whatever its quantity is.

    Concurrent batches of several processes do not see each other's holds. Together they may exceed the limit by one
    batch of each process. The batches of one process count each other's holds, and do not exceed it.
    """

    def __init__(
        self, holds: Sequence[Holds], *, limit: int, hold_seconds: int, batch: BatchHolds | None = None
    ) -> None:
        self._holds = {row.client_hash: row for row in holds}
        self._limit = limit
        self._hold_seconds = hold_seconds
        self._batch = batch or BatchHolds()

    def refusal(self, client_hash: bytes | None, quantity: int) -> RateLimited | None:
        """Return the error for an address whose committed holds leave fewer tickets than `quantity`."""
        row = None if client_hash is None else self._holds.get(client_hash)
        if not self._limit or row is None or row.tickets + quantity <= self._limit:
            return None
        wait_s = max(1, math.ceil(row.back_in_s))
        return RateLimited("held", quota=self._limit, window_s=self._hold_seconds, retry_after_s=wait_s)

    def take(self, client_hash: bytes | None, quantity: int) -> bool:
        """Reserve tickets of an address for this batch; return False if it or an overlapping batch leaves fewer."""
        if not self._limit or client_hash is None:
            return True
        row = self._holds.get(client_hash)
        held = (row.tickets if row else 0) + self._batch.uncommitted(client_hash)
        if held and held + quantity > self._limit:
            return False
        self._batch.taken[client_hash] += quantity
        return True

    def release(self, client_hash: bytes | None, quantity: int) -> None:
        """Return the tickets that a request has taken."""
        if client_hash is not None:
            self._batch.taken[client_hash] -= quantity
