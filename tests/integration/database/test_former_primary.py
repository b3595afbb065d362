"""Results of a server are refused once any process of the machine has seen its successor."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from api.config import Settings
from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.database.session import Session, Statement, open_session
from api.database.timeline import Timelines
from tests.stack import application_url

READ = Statement(queries.replication.read_timeline, {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
async def pool(database_url: str, settings: Settings) -> AsyncIterator[Pool]:
    async with open_pool(application_url(database_url), settings) as pool:
        yield pool


async def promote_another(session: Session, settings: Settings) -> None:
    """Let another process connect to a promoted standby of the session's server."""
    ((cluster, wal_file),) = await session.run(READ)
    Timelines(settings.data_dir / "timelines.json").admit(cluster, int(wal_file[:8], 16) + 1)


async def test_a_result_that_arrives_after_a_promotion_is_refused(pool: Pool, settings: Settings) -> None:
    async with open_session(pool) as session:
        await promote_another(session, settings)
        with pytest.raises(psycopg.OperationalError, match="former primary"):
            await session.run(READ)


async def test_a_commit_that_is_acknowledged_after_a_promotion_is_unknown(pool: Pool, settings: Settings) -> None:
    async with open_session(pool) as session:
        with pytest.raises(CommitUnknownError):
            async with session.transaction():
                await promote_another(session, settings)


async def test_an_idle_connection_to_a_former_primary_is_not_used_again(pool: Pool, settings: Settings) -> None:
    async with open_session(pool) as session:
        await promote_another(session, settings)
    with pytest.raises(psycopg.OperationalError):
        async with open_session(pool):
            pass
