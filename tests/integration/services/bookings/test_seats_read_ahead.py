"""A batch reads the free seats for the next batch behind its commit."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import session as database
from api.database.pool import open_pool
from api.services.bookings import seat_search
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy
from tests.integration.asynchronous import INLINE, order
from tests.integration.database.faulty_session import Fault, Faults
from tests.integration.services.bookings.test_batcher import count

SEARCH = "tickets.find_front_seats"
CALL = ["begin", "bookings.book_batch", "commit"]

Book = Callable[[int], Awaitable[list[list[int]]]]


@pytest.fixture
async def book(database_url: str, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Book]:
    """Function that books a batch of pairs of seats on one process, and returns the ids of their tickets."""
    monkeypatch.setattr(seat_search, "AHEAD_AGE_MAX_S", 60.0)
    memory = Memory()

    async def book(pairs: int) -> list[list[int]]:
        requests = [order("VIP", 2) for _ in range(pairs)]
        outcomes: dict[str, object] = {}
        async with database.open_session(pool) as opened:
            await book_batch(opened, requests, BookingPolicy.of(INLINE), memory, outcomes)  # type: ignore[arg-type]
        booked = [outcomes[request.reference] for request in requests]
        return [[line.ticket_id for line in each.bookings] for each in booked if isinstance(each, Booked)]

    async with open_pool(database_url, Settings(db_pool_max=1)) as pool:
        await book(2)  # The process reads the tier and its rows.
        faults.plan()
        yield book


async def test_the_second_of_two_batches_needs_one_round_trip(
    book: Book, faults: Faults, conn: AsyncConnection
) -> None:
    first = await book(3)
    assert faults.sent == [SEARCH, *CALL, SEARCH]
    faults.plan()
    second = await book(3)
    assert faults.sent == [*CALL, SEARCH]
    taken = [ticket_id for ids in first + second for ticket_id in ids]
    assert max(taken) <= 40  # the first two rows
    assert await count(conn, "tickets where status = 'sold'") == 2 * (2 + 3 + 3)


async def test_a_single_request_reads_nothing_ahead(book: Book, faults: Faults) -> None:
    await book(1)
    assert faults.sent == [SEARCH, *CALL]


async def test_old_seats_are_read_again(book: Book, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> None:
    await book(2)
    monkeypatch.setattr(seat_search, "AHEAD_AGE_MAX_S", -1.0)
    faults.plan()
    await book(1)
    assert faults.sent == [SEARCH, *CALL]


async def test_seats_that_another_process_has_taken_cost_only_the_careful_path(
    book: Book, faults: Faults, conn: AsyncConnection
) -> None:
    await book(2)
    await conn.execute("update tickets set status = 'sold' where status = 'available' and id <= 60")
    faults.plan()
    booked = await book(3)
    assert faults.sent[:3] == CALL
    assert "orders.start_batch" in faults.sent
    assert min(ticket_id for ids in booked for ticket_id in ids) > 60
    faults.plan()
    await book(2)
    assert faults.sent == [SEARCH, *CALL]  # During a contention no seats are read ahead.


async def test_a_failed_read_ahead_changes_no_outcome(book: Book, faults: Faults) -> None:
    fault = Fault(SEARCH, 2, "57014 statement timeout")
    faults.plan(fault)
    assert len(await book(2)) == 2
    assert fault.struck
    faults.plan()
    assert len(await book(2)) == 2
    assert faults.sent == [SEARCH, *CALL, SEARCH]
