"""The limit of bookings per buyer and minute: the decision for one batch."""

import math
from collections import Counter
from collections.abc import Sequence
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
