"""The workers' heartbeats, which reveal a frozen worker."""

import os
import socket

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session


def worker_id(pid: int | None = None) -> str:
    """Return the id of a worker on this machine; of this process by default."""
    return f"{socket.gethostname()}:{os.getpid() if pid is None else pid}"


async def beat(pool: Pool, _: Settings) -> int:
    """Record this worker's heartbeat; return 0, because the next one follows after a pause."""
    async with open_session(pool) as session:
        await session.run(Statement(queries.workers.beat, {"id": worker_id()}))
    return 0


async def leave(pool: Pool) -> None:
    """Remove this worker, which stops."""
    async with open_session(pool) as session:
        await session.run(Statement(queries.workers.delete_worker, {"id": worker_id()}))


async def purge_workers(pool: Pool, _: Settings) -> int:
    """Delete workers without a heartbeat for an hour; return 0, because one statement deletes all of them."""
    async with open_session(pool) as session:
        await session.run(Statement(queries.workers.delete_silent, {}))
    return 0
