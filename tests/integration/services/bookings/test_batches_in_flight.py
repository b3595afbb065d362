"""Two batches of a process are in flight at once, and choose different seats."""

import asyncio
import contextlib

import pytest
from psycopg import AsyncConnection

from api.database.session import Session
from api.services.bookings.model import Booked, Tier
from api.services.bookings.seat_search import KEPT_AGE_MAX_S, BatchSeats, FreeSeats, SeatSearch
from tests.integration.services.bookings.test_batcher import RESPONSE_TIMEOUT_S, count, running_batcher
from tests.integration.services.bookings.test_batcher import order as queued
from tests.waiting import read_until

PAIRS = {"a": 2, "b": 2}
WAITS = """
    create function wait() returns trigger language plpgsql as $$
        begin perform pg_advisory_xact_lock(1); return null; end $$;
    create trigger wait after insert on orders for each row when (new.reference = 'first') execute function wait();
"""


class Clock:
    """A clock that advances by a microsecond at each reading, so that no two events have the same time."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


@pytest.fixture
def search() -> SeatSearch:
    return SeatSearch(Clock())


async def choose(seats: BatchSeats, session: Session, tier: Tier, pairs: dict[str, int] | None = None) -> list[int]:
    chosen = await seats.choose(session, tier, pairs or PAIRS)
    return [seat.id for each in chosen.values() for seat in each]


async def read_ahead(search: SeatSearch, seats: BatchSeats, session: Session, tier: Tier) -> None:
    """Read free seats as if behind the commit of a batch, and keep them for the next one."""
    pipeline = session.pipeline()
    found = seats.read_ahead(pipeline, tier, [2, 2])
    assert found
    await pipeline.run()
    search.keep(found)


async def sell(conn: AsyncConnection, ids: list[int]) -> None:
    await conn.execute("update tickets set status = 'sold' where id = any(%s)", [ids])


async def test_the_second_of_two_batches_in_flight_gets_the_next_seats(
    search: SeatSearch, session: Session, tier: Tier
) -> None:
    with search.batch() as alone:
        best = await choose(alone, session, tier, PAIRS | {"c": 2, "d": 2})
    with search.batch() as one, search.batch() as other:
        assert await choose(one, session, tier) == best[:4]
        assert await choose(other, session, tier) == best[4:]


async def test_seats_that_a_batch_did_not_sell_are_free_after_its_end(
    search: SeatSearch, session: Session, tier: Tier
) -> None:
    with search.batch() as alone:
        best = await choose(alone, session, tier)
    with contextlib.suppress(RuntimeError), search.batch() as failed:
        assert await choose(failed, session, tier) == best
        raise RuntimeError
    with search.batch() as following:
        assert await choose(following, session, tier) == best


async def test_seats_that_a_batch_in_flight_names_are_not_chosen(
    search: SeatSearch, session: Session, tier: Tier
) -> None:
    with search.batch() as alone:
        best = await choose(alone, session, tier)
    with search.batch() as naming, search.batch() as other:
        naming.reserve(best[:1])
        assert best[0] not in await choose(other, session, tier)


async def test_a_slow_read_does_not_offer_the_seats_of_a_batch_that_ended_meanwhile(
    session: Session, tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    search = SeatSearch(clock)
    with search.batch() as alone:
        best = await choose(alone, session, tier, PAIRS | {"c": 2, "d": 2})
    read = search._read
    with search.batch() as slow, contextlib.ExitStack() as first_batch:
        first = first_batch.enter_context(search.batch())
        assert await choose(first, session, tier) == best[:4]

        async def read_slowly(session: Session, tier: Tier, limit: int) -> FreeSeats:
            found = await read(session, tier, limit)
            first_batch.close()
            clock.now += 10 * KEPT_AGE_MAX_S
            with search.batch():
                return found

        monkeypatch.setattr(search, "_read", read_slowly)
        assert await choose(slow, session, tier) == best[4:]


async def test_a_read_from_before_the_end_of_a_batch_does_not_offer_its_seats(
    search: SeatSearch, session: Session, tier: Tier, conn: AsyncConnection
) -> None:
    with search.batch() as alone:
        best = await choose(alone, session, tier, PAIRS | {"c": 2, "d": 2, "e": 2, "f": 2})
    with contextlib.ExitStack() as first_batch, search.batch() as second:
        first = first_batch.enter_context(search.batch())
        await sell(conn, await choose(first, session, tier))
        taken = await choose(second, session, tier)
        await read_ahead(search, first, session, tier)  # It shows the seats of the second batch as free.
        first_batch.close()
        await sell(conn, taken)
    with search.batch() as third:
        assert await choose(third, session, tier) == best[8:]


async def test_a_read_behind_a_commit_offers_the_seats_of_declined_orders(
    search: SeatSearch, session: Session, tier: Tier
) -> None:
    with search.batch() as declined:
        best = await choose(declined, session, tier)
        await read_ahead(search, declined, session, tier)
    with search.batch() as following:
        assert await choose(following, session, tier) == best


async def test_a_later_read_is_not_replaced_by_an_earlier_one(
    search: SeatSearch, session: Session, tier: Tier, conn: AsyncConnection
) -> None:
    with search.batch() as one:
        best = await choose(one, session, tier)
        pipeline = session.pipeline()
        earlier = one.read_ahead(pipeline, tier, [2, 2])
        await pipeline.run()
    assert earlier
    await sell(conn, best)
    with search.batch() as other:
        await read_ahead(search, other, session, tier)
    search.keep(earlier)
    with search.batch() as following:
        assert set(await choose(following, session, tier)).isdisjoint(best)


async def test_a_second_batch_is_booked_while_the_first_one_waits(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(WAITS)

    async def waiting() -> int:
        return await count(conn, "pg_locks where locktype = 'advisory' and not granted")

    async with running_batcher(database_url) as batcher, asyncio.timeout(RESPONSE_TIMEOUT_S):
        await conn.execute("select pg_advisory_lock(1)")
        first = asyncio.create_task(batcher.book(queued("first")))
        await read_until(waiting, lambda found: found == 1)
        assert isinstance(await batcher.book(queued("second")), Booked)
        assert not first.done()
        await conn.execute("select pg_advisory_unlock(1)")
        assert isinstance(await first, Booked)
