"""The batches of a process share a read of the free seats, and renew it behind a commit."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database import session as database
from api.database.pool import open_pool
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy
from api.services.bookings.seat_search import KEPT_AGE_MAX_S
from tests.clock import Clock
from tests.integration.asynchronous import INLINE, order
from tests.integration.database.faulty_session import Fault, Faults
from tests.integration.services.bookings.test_batcher import count

SEARCH = "tickets.find_front_seats"
CALL = ["begin", "bookings.book_batch", "commit"]

RENEWAL_S = 0.6 * KEPT_AGE_MAX_S
"""The age of a read that the next batch uses and renews."""


class Book(Protocol):
    """Books a batch of pairs of seats on one process, and returns the ids of their tickets."""

    async def __call__(self, pairs: int, *, success_rate: float = 1.0) -> list[list[int]]:
        """Book as many pairs; the payments succeed with this rate."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def book(database_url: str, faults: Faults, clock: Clock) -> AsyncIterator[Book]:
    memory = Memory(clock)

    async def book(pairs: int, *, success_rate: float = 1.0) -> list[list[int]]:
        requests = [order("VIP", 2) for _ in range(pairs)]
        policy = msgspec.structs.replace(BookingPolicy.of(INLINE), payment_success_rate=success_rate)
        outcomes: dict[str, object] = {}
        async with database.open_session(pool) as opened:
            await book_batch(opened, requests, policy, memory, outcomes)  # type: ignore[arg-type]
        booked = [outcomes[request.reference] for request in requests]
        return [[line.ticket_id for line in each.bookings] for each in booked if isinstance(each, Booked)]

    async with open_pool(database_url, Settings(db_pool_max=1)) as pool:
        await book(2)  # The process reads the tier and its rows.
        faults.plan()
        yield book


async def test_batches_share_a_read(book: Book, faults: Faults, conn: AsyncConnection) -> None:
    first = await book(3)
    assert faults.sent == [SEARCH, *CALL]
    faults.plan()
    second = await book(3)
    assert faults.sent == CALL
    taken = [ticket_id for ids in first + second for ticket_id in ids]
    assert max(taken) <= 40  # the first two rows
    assert await count(conn, "tickets where status = 'sold'") == 2 * (2 + 3 + 3)


async def test_a_batch_renews_a_read_behind_its_commit(book: Book, faults: Faults, clock: Clock) -> None:
    await book(2)
    for _ in range(3):
        clock.now += RENEWAL_S
        faults.plan()
        await book(2)
        assert faults.sent == [*CALL, SEARCH]


async def test_a_single_request_shares_no_read(book: Book, faults: Faults) -> None:
    await book(2)
    for _ in range(2):
        faults.plan()
        await book(1)
        assert faults.sent == [SEARCH, *CALL]
    faults.plan()
    assert len(await book(3)) == 3
    assert faults.sent == CALL  # The seats of the single requests are not among the kept ones.


async def test_old_seats_are_read_again(book: Book, faults: Faults, clock: Clock) -> None:
    await book(2)
    clock.now += 2 * KEPT_AGE_MAX_S
    faults.plan()
    await book(2)
    assert faults.sent == [SEARCH, *CALL]


async def test_the_seats_of_declined_orders_are_free_for_the_next_batch(book: Book, faults: Faults) -> None:
    assert await book(2, success_rate=0) == []
    assert faults.sent == [SEARCH, *CALL, SEARCH]
    faults.plan()
    booked = await book(2)
    assert faults.sent == CALL
    assert {ticket_id for ids in booked for ticket_id in ids} < set(range(1, 21))  # the middle of the first row


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
    assert faults.sent == [SEARCH, *CALL]  # The earlier read is forgotten.


async def test_a_failed_read_behind_a_commit_changes_no_outcome(book: Book, faults: Faults, clock: Clock) -> None:
    await book(2)
    clock.now += RENEWAL_S
    fault = Fault(SEARCH, 1, "57014 statement timeout")
    faults.plan(fault)
    assert len(await book(2)) == 2
    assert fault.struck
    clock.now += RENEWAL_S
    faults.plan()
    assert len(await book(2)) == 2
    assert faults.sent == [SEARCH, *CALL]
