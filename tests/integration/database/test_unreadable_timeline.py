"""A server that does not reveal its timeline is used without the fence."""

import logging

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import open_pool
from api.services.health import find_obstacle
from tests.stack import application_url


async def test_a_server_that_hides_its_timeline_is_used_with_a_warning(
    database_url: str, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    await conn.execute("revoke execute on function pg_control_system() from public")
    url = application_url(database_url)
    with caplog.at_level(logging.WARNING):
        async with open_pool(url, Settings(database_url=url)) as pool:
            assert await find_obstacle(pool, Settings(database_url=url)) is None
    assert "The server does not reveal its timeline" in caplog.text
