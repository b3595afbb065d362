"""A server that does not reveal its timeline is used without the fence."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool, open_pool
from api.database.session import open_session
from api.services.health import find_obstacle
from tests.stack import application_url

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def pool(database_url: str, conn: AsyncConnection, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Pool]:
    await conn.execute("revoke execute on function pg_control_system() from public")
    url = application_url(database_url)
    with caplog.at_level(logging.WARNING):
        async with open_pool(url, Settings(database_url=url)) as pool:
            yield pool


async def test_a_server_that_hides_its_timeline_is_used_with_one_warning(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    assert await find_obstacle(pool, Settings()) is None
    async with open_session(pool), open_session(pool):
        pass
    assert caplog.text.count("The server does not reveal its timeline") == 1


async def test_a_new_connection_to_a_server_that_hides_its_timeline_assumes_no_replication(pool: Pool) -> None:
    await pool.wait()  # A connection that is still opened would survive a drain of the pool.
    async with open_session(pool) as session:
        shared = session.shared
        shared.replicated_at = LONG_AGO
    await pool.drain()
    async with open_session(pool) as session:
        assert session.shared is shared
        assert shared.replicated_at is None
