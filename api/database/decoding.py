"""Decodes times that Python cannot represent, such as `infinity` or the year 10000.

Constraints refuse such times. If a constraint is missing, one row must not make a statement fail for all rows.
"""

from datetime import UTC, datetime, timedelta

from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import Loader

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""The values for times before and after those that Python can represent."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The time from which PostgreSQL counts microseconds."""


class SaturatingLoader(Loader):
    """Loads a `timestamptz` in binary format, with `EARLIEST` or `LATEST` for a time out of range."""

    format = pq.Format.BINARY

    def load(self, data: Buffer) -> datetime:
        """Return the time in UTC."""
        microseconds = int.from_bytes(data, signed=True)
        try:
            return _EPOCH + timedelta(microseconds=microseconds)
        except OverflowError:
            return LATEST if microseconds > 0 else EARLIEST


def is_readable(time: datetime | None) -> bool:
    """Return False if a value replaces a time that Python cannot represent."""
    return time not in (EARLIEST, LATEST)
