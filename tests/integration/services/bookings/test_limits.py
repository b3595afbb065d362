"""The limit of bookings per buyer: exact in any minute, and refused only by committed bookings."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool, open_pool
from api.errors import PaymentDeclined, RateLimited, SoldOut
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.limits import purge_limits
from api.services.bookings.model import Booked, Outcome, Retry
from api.services.order_rows import OrderRow
from tests.integration.asynchronous import book, let_time_pass, order, response

LIMIT = 10
LIMITED = Settings(payment_success_rate=1, bookings_per_minute=LIMIT)


def kinds(outcomes: list[Outcome]) -> list[type]:
    return [Retry if isinstance(outcome, Retry) else type(response(outcome)) for outcome in outcomes]


async def test_the_eleventh_booking_of_a_minute_is_refused_with_the_time_to_wait(
    pool: Pool, conn: AsyncConnection
) -> None:
    for _ in range(LIMIT):
        assert kinds(await book(pool, order(), settings=LIMITED)) == [OrderRow]
    await let_time_pass(conn, 20)
    (outcome,) = await book(pool, order(), settings=LIMITED)
    refusal = response(outcome)
    assert isinstance(refusal, RateLimited)
    assert 30 < (refusal.retry_after_s or 0) <= 40
    assert refusal.headers() == {
        "Retry-After": str(refusal.retry_after_s),
        "RateLimit-Policy": '"bookings";q=10;w=60',
        "RateLimit": f'"bookings";r=0;t={refusal.retry_after_s}',
    }
    assert kinds(await book(pool, order(user_id="somebody-else"), settings=LIMITED)) == [OrderRow]
    await let_time_pass(conn, 41)
    assert kinds(await book(pool, order(), settings=LIMITED)) == [OrderRow]


async def test_only_committed_bookings_refuse_a_request_of_the_batch(pool: Pool) -> None:
    requests = [order() for _ in range(LIMIT + 2)]
    outcomes = await book(pool, *requests, settings=LIMITED)
    assert kinds(outcomes) == [OrderRow] * LIMIT + [Retry] * 2
    assert kinds(await book(pool, *requests[LIMIT:], settings=LIMITED)) == [RateLimited] * 2


async def test_a_declined_payment_counts_and_a_refusal_does_not(pool: Pool, database_url: str) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory("GA=1"))
    for _ in range(LIMIT + 1):
        assert kinds(await book(pool, order("GA", 2, event="tiny"), settings=LIMITED)) == [SoldOut]
    declining = Settings(payment_success_rate=0, bookings_per_minute=LIMIT)
    for _ in range(LIMIT):
        assert kinds(await book(pool, order(), settings=declining)) == [PaymentDeclined]
    assert kinds(await book(pool, order(), settings=LIMITED)) == [RateLimited]


async def test_a_repeat_gets_its_response_though_the_limit_is_exhausted(pool: Pool) -> None:
    requests = [order() for _ in range(LIMIT)]
    await book(pool, *requests, settings=LIMITED)
    (again,) = await book(pool, requests[0], settings=LIMITED)
    assert isinstance(again, Booked)
    assert again.replayed


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_two_processes_together_admit_exactly_the_limit(
    database_url: str, conn: AsyncConnection, isolation: str
) -> None:
    settings = Settings(
        payment_success_rate=1,
        bookings_per_minute=LIMIT,
        booking_isolation=isolation,  # type: ignore[arg-type]
        booking_batch_max=2,
        booking_wait_ms=20_000,
        booking_attempts_max=100,
    )
    async with open_pool(database_url, settings) as one, open_pool(database_url, settings) as other:
        batchers = [BookingBatcher(pool, settings, lambda _: None) for pool in (one, other)]
        async with batchers[0].running(), batchers[1].running():
            decided = await asyncio.gather(
                *(batchers[n % 2].book(order(user_id=f"user-{n % 3}")) for n in range(3 * 2 * LIMIT))
            )
    responses = [type(response(each)) for each in decided]
    assert responses.count(OrderRow) == 3 * LIMIT
    assert responses.count(RateLimited) == 3 * LIMIT
    cursor = await conn.execute("select user_id, count(*) from orders group by user_id order by user_id")
    assert await cursor.fetchall() == [(f"user-{n}", LIMIT) for n in range(3)]


async def test_without_a_limit_no_booking_is_counted(pool: Pool, conn: AsyncConnection) -> None:
    unlimited = Settings(payment_success_rate=1, bookings_per_minute=0)
    outcomes = await book(pool, *(order() for _ in range(30)), settings=unlimited)
    assert kinds(outcomes) == [OrderRow] * 30
    cursor = await conn.execute("select count(*) from booking_limits")
    assert await cursor.fetchone() == (0,)


async def test_buyers_without_a_recent_booking_are_purged(pool: Pool, conn: AsyncConnection) -> None:
    await book(pool, order(user_id="long-ago"), settings=LIMITED)
    await let_time_pass(conn, 121)
    await book(pool, order(user_id="just-now"), settings=LIMITED)
    assert await purge_limits(pool, LIMITED) == 1
    cursor = await conn.execute("select user_id from booking_limits")
    assert await cursor.fetchall() == [("just-now",)]
