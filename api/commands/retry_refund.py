"""`python -m api retry-refund`: requests a failed refund again."""

from uuid import UUID

from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import open_pool
from api.errors import SetupError
from api.services import refunds


async def retry(conninfo: str, settings: Settings, key: UUID) -> bool:
    """Request a failed refund again; return False if no failed refund has the key.

    Raises:
        psycopg.Error: the refund is unchanged.
        SetupError: the outcome is unknown.
    """
    async with open_pool(conninfo, settings) as pool:
        try:
            return await refunds.retry_refund(pool, key)
        except CommitUnknownError as error:
            raise SetupError(f"The outcome is unknown, and the command can be repeated: {error}") from error
