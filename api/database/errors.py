"""Classification of database errors: retryable, unavailable, or unknown after COMMIT."""

import psycopg
from psycopg import errors

_REFERENCE_KEY = "orders_reference_key"
RACED_CONSTRAINTS = frozenset({_REFERENCE_KEY, "bookings_live_ticket_key"})
"""Constraints that a transaction violates only if a concurrent transaction was faster."""


class CommitUnknownError(Exception):
    """The outcome of a transaction is unknown.

    The connection was lost during COMMIT, or the read after the commit failed. The standby may lack the transaction, or
    the transaction exceeded its time and continues. The booking's reference identifies the outcome later.
    """


def is_unavailable(error: Exception) -> bool:
    """Return True if the database is unreachable or read-only at the moment; the transaction changed nothing."""
    # A demoted or read-only primary refuses writes with 25006.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | errors.ReadOnlySqlTransaction)


def waited_for_reference(error: psycopg.Error) -> bool:
    """Return True if a transaction gave up waiting for an unfinished insert of one of its references.

    The outcome of that reference is unknown: the other transaction may commit.
    """
    # The message of a lock timeout is translated, unlike the names in its context.
    return isinstance(error, errors.LockNotAvailable) and _REFERENCE_KEY in (error.diag.context or "")


def is_retryable(error: psycopg.Error) -> bool:
    """Return True if a transaction failed only because of a concurrent one; it changed nothing and may run again."""
    if isinstance(error, errors.UniqueViolation):
        return error.diag.constraint_name in RACED_CONSTRAINTS
    return isinstance(error, errors.SerializationFailure | errors.DeadlockDetected | errors.LockNotAvailable)
