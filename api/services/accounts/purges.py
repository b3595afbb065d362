"""Purges of sessions, links, challenges and limits. The module imports no library that the worker does not need."""

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.queries import Query

_PURGE_BATCH = 10_000


async def purge_sessions(pool: Pool, _: Settings) -> int:
    """Delete a batch of sessions that expired long ago; return their number."""
    return await _delete(pool, queries.account_sessions.delete_expired)


async def purge_sign_in_links(pool: Pool, _: Settings) -> int:
    """Delete a batch of links that expired long ago; return their number."""
    return await _delete(pool, queries.sign_ins.delete_links)


async def purge_passkey_challenges(pool: Pool, _: Settings) -> int:
    """Delete a batch of challenges of passkeys that have expired; return their number."""
    return await _delete(pool, queries.passkeys.delete_challenges)


async def purge_sign_in_limits(pool: Pool, _: Settings) -> int:
    """Delete a batch of rows of addresses without a recent attempt to sign in; return their number."""
    return await _delete(pool, queries.sign_ins.delete_idle)


async def _delete(pool: Pool, query: Query) -> int:
    async with pool.connection() as connection:  # Its single statement needs no booking isolation.
        cursor = await connection.execute(query.sql, {"limit": _PURGE_BATCH})
    return cursor.rowcount
