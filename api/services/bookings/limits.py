"""The limits of bookings: their statements.

The limit per buyer and minute is exact for any number of processes. A refusal counts committed bookings only. The
booking transaction updates the buyer's row under a guard, so concurrent transactions cannot exceed the limit together.
A declined booking counts, a refused one does not.

The limit of held tickets per client address keeps one client from holding all tickets without paying. An order contains
a hash of its client's address only while it is pending.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement
from api.services.bookings.allowance import Holds, RecentBookings
from api.settings.secrets import TICKET_SECRET

_HASH_BYTES = 16
_HASH_PURPOSE = b"client address"
_PURGE_BATCH = 10_000


def select_recent(user_ids: Collection[str]) -> Statement[RecentBookings]:
    """Return the statement that finds buyers' bookings of the last minute."""
    return Statement(queries.limits.find_limits, {"user_ids": list(user_ids)}, RecentBookings)


def select_holds(client_hashes: Collection[bytes]) -> Statement[Holds]:
    """Return the statement that finds the tickets that client addresses hold."""
    return Statement(queries.limits.find_holds, {"client_hashes": list(client_hashes)}, Holds)


def hash_client(secret: str, network: str) -> bytes:
    """Return the hash of a client's network; only the holder of the ticket secret can find the network in it."""
    key = TICKET_SECRET.key(secret)[: hashlib.blake2b.MAX_KEY_SIZE]
    return hashlib.blake2b(network.encode(), key=key, person=_HASH_PURPOSE, digest_size=_HASH_BYTES).digest()


def note_bookings(bookings: Mapping[str, int], limit: int) -> Statement[tuple[Any, ...]]:
    """Return the statement that notes numbers of new bookings by buyer.

    The statement raises SerializationFailure if a buyer's limit does not admit that number.
    """
    user_ids = sorted(bookings)  # Concurrent transactions lock the rows in the same order.
    parameters = {"user_ids": user_ids, "bookings": [bookings[user_id] for user_id in user_ids], "limit": limit}
    return Statement(queries.limits.note_bookings, parameters)


async def purge_limits(pool: Pool, _: Settings) -> int:
    """Delete a batch of rows of buyers without a recent booking; return their number."""
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        cursor = await connection.execute(queries.limits.delete_idle.sql, {"limit": _PURGE_BATCH})
    return cursor.rowcount
