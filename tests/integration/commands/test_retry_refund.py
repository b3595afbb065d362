"""The command that requests a failed refund again."""

import asyncio
import os
import subprocess
import sys

from psycopg import AsyncConnection

from api.database.pool import Pool
from api.services.refunds import request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider, states
from tests.integration.services.paid_orders import VIP_MINOR, paid, refund_states


async def run(database_url: str, key: object) -> tuple[int, str]:
    """Run the command; return its exit code and its output."""
    command = [sys.executable, "-m", "api", "retry-refund", str(key)]
    environment = {**os.environ, "DATABASE_URL": database_url}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout


async def test_a_failed_refund_is_requested_again_once(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    provider = Provider()
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    provider.refund_status = "failed"
    await request_refunds(pool, ASYNC, provider)
    ((key,),) = await (await conn.execute("select key from refunds")).fetchall()
    assert await run(database_url, key) == (0, "The worker sends the refund again.\n")
    assert await run(database_url, key) == (1, "No failed refund has this id.\n")
    provider.refund_status = "succeeded"
    await request_refunds(pool, ASYNC, provider)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)
