"""After a lost race for seats, a process leaves the best seats to the other process for a while."""

from psycopg import AsyncConnection

from api.commands.seed import TierPlan, seed
from api.config import Settings
from api.database.pool import open_pool
from api.database.session import Session, open_session
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import BookingPolicy, Tier
from api.services.bookings.seat_search import CONTENTION_S, SeatSearch
from tests.integration.asynchronous import INLINE, order
from tests.integration.services.bookings.test_batches_in_flight import Clock

PAIRS = {"a": 2, "b": 2, "c": 2}
MORE_PAIRS = PAIRS | {"d": 2, "e": 2, "f": 2}
LEFT_MAX = len(PAIRS)


async def choose(search: SeatSearch, session: Session, tier: Tier, pairs: dict[str, int]) -> list[list[int]]:
    """Return the ids of the seats that a batch chooses for each pair; the batch sells none of them."""
    with search.batch() as batch:
        chosen = await batch.choose(session, tier, pairs)
    return [[seat.id for seat in seats] for seats in chosen.values()]


async def test_a_batch_gets_the_seats_behind_those_that_it_leaves(session: Session, tier: Tier) -> None:
    clock = Clock()
    search = SeatSearch(clock, left_max=LEFT_MAX)
    best = await choose(search, session, tier, MORE_PAIRS)
    assert await choose(search, session, tier, PAIRS) == best[:3]
    search.note_contention(tier)
    assert await choose(search, session, tier, PAIRS) == best[3:]
    clock.now += CONTENTION_S
    assert await choose(search, session, tier, PAIRS) == best[:3]


async def test_after_another_lost_race_a_batch_gets_the_best_seats_again(session: Session, tier: Tier) -> None:
    search = SeatSearch(left_max=LEFT_MAX)
    best = await choose(search, session, tier, MORE_PAIRS)
    for seats in (best[3:], best[:3], best[3:]):
        search.note_contention(tier)
        assert await choose(search, session, tier, PAIRS) == seats


async def test_three_processes_share_the_best_two_blocks(session: Session, tier: Tier) -> None:
    """Each block has one winner. Its other processes lose, and move to the other block."""
    searches = [SeatSearch(Clock(), left_max=LEFT_MAX) for _ in range(3)]
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
    search = SeatSearch(left_max=LEFT_MAX)
    best = await choose(search, session, tier, {"a": 2})
    search.note_contention(tier)
    assert await choose(search, session, tier, {"a": 2}) == best


async def test_the_last_seats_are_left_to_nobody(session: Session, tier: Tier, conn: AsyncConnection) -> None:
    await conn.execute("update tickets set status = 'sold' where tier_id = %s and position > 8", [tier.tier_id])
    search = SeatSearch(left_max=LEFT_MAX)
    best = await choose(search, session, tier, PAIRS)
    search.note_contention(tier)
    assert await choose(search, session, tier, PAIRS) == best
    assert len(best) == len(PAIRS)


async def test_the_seats_that_a_process_leaves_suffice_for_two_reads_of_another_one(
    database_url: str, conn: AsyncConnection
) -> None:
    """Neither process sees the seats that the other one has chosen."""
    large = TierPlan(name="VIP", capacity=1000, price_minor=100, seats_per_row=20)
    seed(database_url, event="large", inventory=(large,))
    first, second = searches = [SeatSearch(Clock()) for _ in range(2)]
    chosen: list[int] = []

    async def choose_four_times(search: SeatSearch, session: Session, tier: Tier) -> None:
        for _ in range(4):
            with search.batch() as batch:
                await batch.choose(session, tier, dict.fromkeys(range(4), 2))
                batch.sold |= batch.ids
            chosen.extend(batch.ids)

    async with open_pool(database_url, Settings(db_pool_max=1)) as pool, open_session(pool) as session:
        memory = Memory()
        await book_batch(session, [order("VIP", 2, event="large")], BookingPolicy.of(INLINE), memory, {})
        large_tier = next(iter(memory.tiers(session.server)))
        second.note_contention(large_tier)
        for search in searches:
            await choose_four_times(search, session, large_tier)
        await conn.execute("update tickets set status = 'sold' where id = any(%s)", [chosen[: len(chosen) // 2]])
        await choose_four_times(first, session, large_tier)
    assert len(set(chosen)) == len(chosen) == 3 * 4 * 4 * 2
