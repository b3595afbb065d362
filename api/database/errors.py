"""Database errors: which ones mean that a transaction may run again, and which that the server is unavailable."""

import psycopg
from psycopg import errors

RACED_CONSTRAINTS = frozenset({"orders_reference_key", "bookings_live_ticket_key"})
"""Constraints that a transaction can only violate by losing a race against another."""


class CommitUnknownError(Exception):
    """The connection died during COMMIT: whether that happened is unknown; the booking's reference will tell."""


def is_unavailable(error: Exception) -> bool:
    """Whether an error means that the database cannot be reached or written to at the moment; nothing was done."""
    # A primary that was demoted, or put into read-only mode, refuses writes with 25006.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | errors.ReadOnlySqlTransaction)


def is_retryable(error: psycopg.Error) -> bool:
    """Whether a transaction failed only because of another one: nothing was done, and running it again is right."""
    if isinstance(error, errors.UniqueViolation):
        return error.diag.constraint_name in RACED_CONSTRAINTS
    return isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable)
