"""Fixtures of the tests that choose seats without a batcher."""

from collections.abc import AsyncIterator

import pytest

from api.config import Settings
from api.database.pool import open_pool
from api.database.session import Session, open_session
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import BookingPolicy, Outcome, Tier
from tests.integration.asynchronous import INLINE, order


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[Session]:
    """A session of a pool with a single connection."""
    async with open_pool(database_url, Settings(db_pool_max=1)) as pool, open_session(pool) as session:
        yield session


@pytest.fixture
async def tier(session: Session) -> Tier:
    """The tier VIP with 100 seats, of which two are sold."""
    memory = Memory()
    outcomes: dict[str, Outcome] = {}
    await book_batch(session, [order("VIP", 2)], BookingPolicy.of(INLINE), memory, outcomes)
    return next(iter(memory.tiers(session.server)))
