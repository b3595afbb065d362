"""Isolation of a row that fails a background job, so that the job still handles the other rows."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import psycopg

from api.logs import order_label

_log = logging.getLogger(__name__)

Key = TypeVar("Key", int, str)

ROW_ERRORS = (psycopg.IntegrityError, psycopg.DataError, RuntimeError, TypeError, ValueError)
"""Errors that a row causes, unlike a lost connection or a conflict. A repeat fails in the same way."""

RETRY_PAUSE_S, RETRY_PAUSE_MAX_S = 10, 3600
"""The pause in seconds after the first failure of a row, which doubles with each further one, and its limit."""
_REPORTED_MAX = 1000
"""The most failed rows that a process remembers, so that it logs each once."""
_reported: set[tuple[str, int | str]] = set()


async def run_singly(kind: str, keys: Sequence[Key], run: Callable[[Key], Awaitable[int]]) -> int:
    """Run a job for each row in a transaction of its own; return the number of rows that succeeded.

    A row that fails keeps its state, and the process logs it once.

    Args:
        kind: the kind of the rows, for the log.
        keys: the keys of the rows. A text is the reference of an order, which the log does not show.
        run: does the job for one row and returns the number of rows.

    Raises:
        psycopg.OperationalError: the database is unavailable, or another transaction conflicts.
    """
    done = 0
    for key in keys:
        try:
            done += await run(key)
        except ROW_ERRORS:
            if (kind, key) not in _reported and len(_reported) < _REPORTED_MAX:
                _reported.add((kind, key))
                shown = order_label(key) if isinstance(key, str) else key
                _log.exception("%s %s cannot be processed, and the others continue", kind, shown)
    return done
