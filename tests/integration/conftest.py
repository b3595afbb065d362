"""Fixtures of the tests that use PostgreSQL without other processes."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from api.commands.audit import audit
from api.config import Settings
from api.database import session
from api.database.embedded import EmbeddedServer
from api.database.pool import Pool, open_pool
from tests.integration.asynchronous import Provider
from tests.integration.database.faulty_session import Faults, FaultySession
from tests.stack import application_url, cloned_database


@pytest.fixture
def settings() -> Settings:
    """The settings of the pool, which a module may override."""
    return Settings()


@pytest.fixture
async def pool(database_url: str, settings: Settings) -> AsyncIterator[Pool]:
    """A pool for the fresh database, with the application's role."""
    async with open_pool(application_url(database_url), settings) as pool:
        yield pool


@pytest.fixture(scope="session")
def unchanged_url(server: EmbeddedServer) -> Iterator[str]:
    """A migrated and seeded database that no test changes, for tests with many parameters."""
    with cloned_database(server) as url:
        yield url


@pytest.fixture
async def unchanged(unchanged_url: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection to the unchanged database; its transaction is rolled back."""
    async with await psycopg.AsyncConnection.connect(unchanged_url) as conn:
        yield conn
        await conn.rollback()


@pytest.fixture
def provider() -> Provider:
    """A payment provider without charges."""
    return Provider()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """The faults that all sessions raise, and the statements that they send."""
    planned = Faults()
    monkeypatch.setattr(FaultySession, "faults", planned)
    monkeypatch.setattr(session, "Session", FaultySession)
    return planned


@pytest.fixture
def audited(database_url: str) -> Iterator[None]:
    """Check every invariant of the fresh database after the test."""
    yield
    assert audit(database_url) == []
