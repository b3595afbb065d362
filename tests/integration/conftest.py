"""Fixtures of the tests that use PostgreSQL without other processes."""

from collections.abc import AsyncIterator, Iterator

import pytest

from api.commands.audit import audit
from api.config import Settings
from api.database.pool import Pool, open_pool
from tests.integration.asynchronous import Provider
from tests.stack import application_url


@pytest.fixture
def settings() -> Settings:
    """The settings of the pool, which a module may override."""
    return Settings()


@pytest.fixture
async def pool(database_url: str, settings: Settings) -> AsyncIterator[Pool]:
    """A pool for the fresh database, with the application's role."""
    async with open_pool(application_url(database_url), settings) as pool:
        yield pool


@pytest.fixture
def provider() -> Provider:
    """A payment provider without charges."""
    return Provider()


@pytest.fixture
def audited(database_url: str) -> Iterator[None]:
    """Check every invariant of the fresh database after the test."""
    yield
    assert audit(database_url) == []
