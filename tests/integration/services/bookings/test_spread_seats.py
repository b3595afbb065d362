"""After a lost race for seats, a process leaves the best seats to the other process for a while."""

from collections.abc import AsyncIterator

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import open_pool
from api.database.session import Session, open_session
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import BookingPolicy, Outcome, Tier
from api.services.bookings.seat_search import CONTENTION_S, SeatSearch
from tests.integration.asynchronous import INLINE, order

PAIRS = {"a": 2, "b": 2, "c": 2}
MORE_PAIRS = PAIRS | {"d": 2, "e": 2, "f": 2}


@pytest.fixture
async def session(database_url: str) -> AsyncIterator[Session]:
    async with open_pool(database_url, Settings(db_pool_max=1)) as pool, open_session(pool) as session:
        yield session


@pytest.fixture
async def tier(session: Session) -> Tier:
    """The tier VIP with 100 seats, of which two are sold."""
    memory = Memory()
    outcomes: dict[str, Outcome] = {}
    await book_batch(session, [order("VIP", 2)], BookingPolicy.of(INLINE), memory, outcomes)
    return next(iter(memory.tiers(session.server)))


async def choose(search: SeatSearch, session: Session, tier: Tier, pairs: dict[str, int]) -> list[list[int]]:
    """Return the ids of the seats that a search chooses for each pair."""
    chosen = await search.choose(session, tier, pairs)
    return [[seat.id for seat in seats] for seats in chosen.values()]


async def test_a_batch_gets_the_seats_behind_those_of_an_equal_batch(session: Session, tier: Tier) -> None:
    now = 0.0
    search = SeatSearch(clock=lambda: now)
    best = await choose(search, session, tier, MORE_PAIRS)
    assert await choose(search, session, tier, PAIRS) == best[:3]
    search.note_contention(tier)
    assert await choose(search, session, tier, PAIRS) == best[3:]
    now = CONTENTION_S
    assert await choose(search, session, tier, PAIRS) == best[:3]


async def test_after_another_lost_race_a_batch_gets_the_best_seats_again(session: Session, tier: Tier) -> None:
    search = SeatSearch()
    best = await choose(search, session, tier, MORE_PAIRS)
    for seats in (best[3:], best[:3], best[3:]):
        search.note_contention(tier)
        assert await choose(search, session, tier, PAIRS) == seats


async def test_three_processes_share_the_best_two_blocks(session: Session, tier: Tier) -> None:
    """Each block has one winner. Its other processes lose, and move to the other block."""
    searches = [SeatSearch(clock=lambda: 0.0) for _ in range(3)]
    best = await choose(searches[0], session, tier, MORE_PAIRS)
    for race in range(6):
        searches.append(searches.pop(0))  # Each process is the fastest one in two of the races.
        won: list[list[list[int]]] = []
        for search in searches:
            seats = await choose(search, session, tier, PAIRS)
            assert seats in (best[:3], best[3:])
            if seats in won:
                search.note_contention(tier)
            else:
                won.append(seats)
        assert len(won) == (2 if race else 1)


async def test_a_single_buyer_gets_the_best_seats(session: Session, tier: Tier) -> None:
    search = SeatSearch()
    best = await choose(search, session, tier, {"a": 2})
    search.note_contention(tier)
    assert await choose(search, session, tier, {"a": 2}) == best


async def test_the_last_seats_are_left_to_nobody(session: Session, tier: Tier, conn: AsyncConnection) -> None:
    await conn.execute("update tickets set status = 'sold' where tier_id = %s and position > 8", [tier.tier_id])
    search = SeatSearch()
    best = await choose(search, session, tier, PAIRS)
    search.note_contention(tier)
    assert await choose(search, session, tier, PAIRS) == best
    assert len(best) == len(PAIRS)
