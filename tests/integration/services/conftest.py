"""Fixtures of the tests of services."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from tests.integration.services.stripe_sale import Sale
from tests.stripe_shop import shop


@pytest.fixture
async def sale(pool: Pool, conn: AsyncConnection, tmp_path: Path) -> AsyncIterator[Sale]:
    opened, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def run() -> None:  # pytest ends a fixture in another task than it began, which the simulator refuses
        async with shop(tmp_path) as stripe:
            opened.set_result(stripe)
            await stop.wait()

    task = asyncio.create_task(run())
    yield Sale(pool, conn, await opened)
    stop.set()
    await task
