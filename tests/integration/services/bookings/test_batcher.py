"""The booking batcher: whatever happens to a batch, each request is answered, and the batcher goes on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from api import schemas
from api.config import Settings
from api.database.pool import open_pool
from api.errors import ApiError, Busy, InternalError
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked, Declined, NewOrder, Refused
from api.services.order_rows import OrderRow
from tests.integration.asynchronous import response

ANSWER_TIMEOUT_S = 20.0


@contextlib.asynccontextmanager
async def running_batcher(database_url: str, **settings: Any) -> AsyncIterator[BookingBatcher]:
    chosen = Settings(payment_success_rate=1, bookings_per_minute=0, **settings)
    async with open_pool(database_url, chosen) as pool:
        batcher = BookingBatcher(pool, chosen, on_commit=lambda _: None)
        async with batcher.running():
            yield batcher


def order(reference: str, quantity: int = 1, **changes: Any) -> NewOrder:
    values = {"event": schemas.BUILT_IN_EVENT, "tier": "GA", "user_id": "u"}
    return NewOrder(**{**values, "reference": reference, "quantity": quantity, **changes})


async def answers(batcher: BookingBatcher, *news: NewOrder) -> list[OrderRow | ApiError]:
    """Book all at once; an error counts as an answer."""

    async def answer(new: NewOrder) -> OrderRow | ApiError:
        try:
            return response(await batcher.book(new))
        except ApiError as error:
            return error

    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        return await asyncio.gather(*(answer(new) for new in news))


async def count(conn: AsyncConnection, what: str) -> int:
    cursor = await conn.execute(f"select count(*) from {what}")  # noqa: S608 - the tests' own words
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_what_waits_is_booked_in_one_transaction(database_url: str, conn: AsyncConnection) -> None:
    async with running_batcher(database_url) as batcher:
        assert all(isinstance(a, OrderRow) for a in await answers(batcher, *(order(f"r{n}") for n in range(80))))
    # The first finds the batcher idle and goes alone; the others waited for it together.
    assert await count(conn, "(select distinct xmin::text from orders) as transactions") <= 3


async def test_a_request_that_breaks_its_batch_fails_alone(database_url: str, conn: AsyncConnection) -> None:
    poison = order("poison", user_id="x" * 500)  # the database refuses it; the API never lets it through
    async with running_batcher(database_url) as batcher:
        good = [order(f"good{n}") for n in range(10)]
        first, *rest, last = await answers(batcher, order("first"), *good[:5], poison, *good[5:], order("last"))
        assert isinstance(first, OrderRow)
        assert isinstance(last, OrderRow)
        assert [type(a) for a in rest] == [OrderRow] * 5 + [InternalError] + [OrderRow] * 5
        assert isinstance((await answers(batcher, order("afterwards")))[0], OrderRow)
    assert await count(conn, "orders") == 13
    assert await count(conn, "orders where reference = 'poison'") == 0


async def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(
    database_url: str, conn: AsyncConnection
) -> None:
    news = [order(f"r{n}", 2) for n in range(150)]

    async def cut() -> None:
        while True:
            await conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.01)

    async with running_batcher(
        database_url, booking_batch_max=5, booking_wait_ms=10_000, booking_attempts_max=100
    ) as batcher:
        cutter = asyncio.create_task(cut())
        try:
            first = await answers(batcher, *news[:75])
        finally:
            cutter.cancel()
            await asyncio.gather(cutter, return_exceptions=True)
        # Whoever was told that it is unknown asks again under the same reference.
        assert {type(a) for a in first} <= {OrderRow, Busy}
        assert {type(a) for a in await answers(batcher, *news)} == {OrderRow}
    assert await count(conn, "orders") == 150
    assert await count(conn, "bookings") == await count(conn, "tickets where status = 'sold'") == 300


async def test_a_full_queue_refuses_at_once(database_url: str) -> None:
    async with running_batcher(database_url, booking_queue_max=10, booking_batch_max=2) as batcher:
        given = await answers(batcher, *(order(f"r{n}") for n in range(60)))
    assert {type(a) for a in given} == {OrderRow, Busy}
    assert all(a.retry_after_s for a in given if isinstance(a, Busy))


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_two_batchers_that_want_the_same_seats_both_go_on(
    database_url: str, conn: AsyncConnection, isolation: str
) -> None:
    wishes = [[order(f"{batcher}-{n}", 2, tier="VIP") for n in range(25)] for batcher in "ab"]
    async with (
        running_batcher(database_url, booking_isolation=isolation) as one,
        running_batcher(database_url, booking_isolation=isolation) as other,
    ):
        given = await asyncio.gather(answers(one, *wishes[0]), answers(other, *wishes[1]))
    assert [type(a) for both in given for a in both] == [OrderRow] * 50
    assert await count(conn, "tickets where status = 'sold'") == 100


async def test_requests_that_wait_at_the_end_are_answered(database_url: str) -> None:
    async with running_batcher(database_url) as batcher:
        waiting = [asyncio.create_task(batcher.book(order(f"r{n}"))) for n in range(5)]
        await asyncio.sleep(0)
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        given = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(a, Booked | Declined | Refused | Busy) for a in given)


SLOW = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(%s); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""


async def test_a_repeat_waits_for_its_first_however_long_that_runs(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "1.2")
    async with running_batcher(database_url, booking_wait_ms=500) as batcher:
        first = asyncio.create_task(batcher.book(order("slow")))
        await asyncio.sleep(0.05)
        repeats = [asyncio.create_task(batcher.book(order("slow"))) for _ in range(3)]
        given = await asyncio.gather(first, *repeats)
    assert [isinstance(decision, Booked) and decision.replayed for decision in given] == [False, True, True, True]
    assert await count(conn, "orders") == 1


async def test_what_may_have_been_booked_is_not_called_unbooked(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "1.9")
    async with running_batcher(database_url, booking_wait_ms=100) as batcher:
        (given,) = await answers(batcher, order("unknown"))
        assert isinstance(given, Busy)
        assert "not known" in given.message
        assert given.details == {"reference": "unknown", "unknown": True}


DIES_AT_COMMIT = """
    create function die() returns trigger language plpgsql as $$
        begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
    create constraint trigger die after insert on orders deferrable initially deferred
        for each row execute function die();
"""


async def test_a_connection_that_dies_during_commit_leaves_the_outcome_open(
    database_url: str, conn: AsyncConnection
) -> None:
    await conn.execute(DIES_AT_COMMIT)
    async with running_batcher(database_url) as batcher:
        (given,) = await answers(batcher, order("in-doubt"))
        assert isinstance(given, Busy)
        assert "not known" in given.message
        assert given.details["unknown"] is True
        await conn.execute("drop trigger die on orders")
        assert isinstance((await answers(batcher, order("in-doubt")))[0], OrderRow)
    assert await count(conn, "orders") == 1


async def test_a_statement_that_takes_too_long_is_not_called_unknown(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "0.5")
    async with running_batcher(database_url, statement_timeout_ms=100, booking_attempts_max=2) as batcher:
        (given,) = await answers(batcher, order("late"))
    assert isinstance(given, Busy)
    assert "booked nothing" in given.message
    assert "unknown" not in given.details
    assert await count(conn, "orders") == 0


async def test_a_database_that_became_read_only_is_busy_and_not_a_fault(
    database_url: str, conn: AsyncConnection
) -> None:
    database = (await (await conn.execute("select current_database()")).fetchone() or ("",))[0]
    async with running_batcher(database_url) as batcher:
        assert isinstance((await answers(batcher, order("before")))[0], OrderRow)
        await conn.execute(f"alter database {database} set default_transaction_read_only = on")
        await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert isinstance((await answers(batcher, order("meanwhile")))[0], Busy)
        await conn.execute("set default_transaction_read_only = off")
        await conn.execute(f"alter database {database} reset default_transaction_read_only")
        # The connections that still refuse are found out one by one.
        given = [(await answers(batcher, order("after")))[0] for _ in range(10)]
        assert isinstance(given[-1], OrderRow)
    assert await count(conn, "orders") == 2


async def test_every_request_gets_a_response_when_the_batcher_ends(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "1")
    async with running_batcher(database_url) as batcher:
        waiting = [asyncio.create_task(batcher.book(order(f"r{n % 2}"))) for n in range(6)]
        await asyncio.sleep(0.1)
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        given = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(answer) for answer in given} == {Busy}
        assert isinstance((await answers(batcher, order("too late")))[0], Busy)
