"""How many bookings a buyer may make within a minute, exact over any number of processes.

A buyer's limit is refused only if bookings that are committed use it up, and taken by a guarded update of the
buyer's own row in the booking transaction. A booking that was declined counts, one that was refused does not.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement
from api.errors import RateLimited

WINDOW = timedelta(minutes=1)
"""As in `sql/queries/limits.sql`."""
_FORGOTTEN_AT_ONCE = 10_000


class LimitRow(msgspec.Struct, frozen=True):
    """A row of `limits.find_limits`: the times of a buyer's bookings within the last minute, the earliest first."""

    user_id: str
    seen_at: datetime
    booked_at: list[datetime]


class Allowance:
    """What a batch's buyers may still book, as far as is committed."""

    def __init__(self, used: Sequence[LimitRow], limit: int) -> None:
        self._used = {row.user_id: row for row in used}
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def refusal(self, user_id: str) -> RateLimited | None:
        """Return why a buyer may not book now, if committed bookings are the reason."""
        row = self._used.get(user_id)
        if not self._limit or row is None or len(row.booked_at) < self._limit:
            return None
        free_again = row.booked_at[-self._limit] + WINDOW
        wait_s = max(1, math.ceil((free_again - row.seen_at).total_seconds()))
        window_s = int(WINDOW.total_seconds())
        return RateLimited("bookings", quota=self._limit, window_s=window_s, retry_after_s=wait_s)

    def take(self, user_id: str) -> bool:
        """Take one booking of a buyer's allowance for this batch; False: there is none left."""
        row = self._used.get(user_id)
        before = len(row.booked_at) if row else 0
        if self._limit and before + self._taken[user_id] >= self._limit:
            return False
        self._taken[user_id] += 1
        return True


def find(user_ids: Collection[str]) -> Statement[LimitRow]:
    """Return the statement that looks up buyers' bookings of the last minute."""
    return Statement(queries.limits.find_limits, {"user_ids": list(user_ids)}, LimitRow)


def note(buyers: Mapping[str, int], limit: int) -> Statement[Any]:
    """Return the statement that notes new bookings, so many of each buyer; `check` its rows."""
    user_ids = sorted(buyers)  # The lock order of concurrent transactions.
    bookings = [buyers[user_id] for user_id in user_ids]
    parameters = {"user_ids": user_ids, "bookings": bookings, "limit": limit}
    return Statement(queries.limits.note_bookings, parameters)


def check(buyers: Mapping[str, int], noted: Sequence[Any]) -> None:
    """See that every buyer's bookings were admitted.

    Raises:
        SerializationFailure: a concurrent transaction has used someone's limit up meanwhile; to be run again.
    """
    if len(noted) < len(buyers):
        raise psycopg.errors.SerializationFailure("a buyer's limit was used up by a concurrent transaction")


async def purge_limits(pool: Pool, _: Settings) -> int:
    """Delete some of the rows of buyers who have not booked of late; return how many."""
    async with pool.connection() as connection:  # One statement, for which read committed is right.
        cursor = await connection.execute(queries.limits.delete_idle.sql, {"limit": _FORGOTTEN_AT_ONCE})
    return cursor.rowcount
