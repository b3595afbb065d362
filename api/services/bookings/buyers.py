"""The limits of tickets per buyer: their statements.

The limits are exact for any number of processes and any isolation level. The guard of a buyer in an event contains the
id of the last transaction that sold tickets to the buyer. The prefetch reads the guard together with the buyer's
tickets. The booking transaction moves the guard, and fails if another transaction has moved it before. Therefore it
reads no orders. A cancelled, declined or expired order frees its tickets without the guard.
"""

from collections.abc import Collection, Mapping
from typing import Any

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement
from api.services.bookings.ticket_allowance import Buyer, BuyerTickets

_PURGE_BATCH = 10_000


def select_buyers(buyers: Collection[Buyer]) -> Statement[BuyerTickets]:
    """Return the statement that finds the tickets and guards of buyers."""
    parameters = {"event_ids": [event_id for event_id, _ in buyers], "limit_keys": [key for _, key in buyers]}
    return Statement(queries.buyers.find_buyers, parameters, BuyerTickets)


def move_guards(revisions: Mapping[Buyer, int], versions: Mapping[Buyer, str | None]) -> Statement[tuple[Any, ...]]:
    """Return the statement that moves the guards of buyers to the booking transaction.

    The statement raises SerializationFailure if a guard has another version than that in `versions`.

    Args:
        revisions: the buyers that get tickets, with the revisions of the events.
        versions: the versions of the guards that the prefetch has read.
    """
    buyers = sorted(revisions)  # Concurrent transactions lock the rows in the same order.
    parameters = {
        "event_ids": [event_id for event_id, _ in buyers],
        "limit_keys": [key for _, key in buyers],
        "revisions": [revisions[buyer] for buyer in buyers],
        "versions": [versions[buyer] for buyer in buyers],
    }
    return Statement(queries.buyers.move_guards, parameters)


async def purge_guards(pool: Pool, _: Settings) -> int:
    """Delete a batch of guards of events whose sale is over; return their number."""
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        cursor = await connection.execute(queries.buyers.delete_guards.sql, {"limit": _PURGE_BATCH})
    return cursor.rowcount
