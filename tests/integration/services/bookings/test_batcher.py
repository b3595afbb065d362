"""The booking batcher: every request gets a response, and no failure of a batch stops the batcher."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection

from api import schemas
from api.config import Settings
from api.database.pool import open_pool
from api.errors import ApiError, Busy, InternalError, KeyReused, SoldOut
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked, Declined, Item, NewOrder, Refused
from api.services.order_rows import OrderRow
from tests.integration.asynchronous import response

RESPONSE_TIMEOUT_S = 60.0
# Requests wait on a busy machine instead of failing.
DEFAULTS = {
    "payment_success_rate": 1,
    "bookings_per_minute": 0,
    "booking_wait_ms": 20_000,
    "statement_timeout_ms": 20_000,
}
CUTS = 100
"""Number of times that all connections are cut, one right after the other."""


@contextlib.asynccontextmanager
async def running_batcher(database_url: str, **settings: Any) -> AsyncIterator[BookingBatcher]:
    chosen = Settings(**{**DEFAULTS, **settings})
    async with open_pool(database_url, chosen) as pool:
        batcher = BookingBatcher(pool, chosen, on_commit=lambda _: None)
        async with batcher.running():
            yield batcher


def order(
    reference: str, quantity: int = 1, *, tier: str | None = "GA", ticket_ids: tuple[int, ...] = (), **changes: Any
) -> NewOrder:
    item = Item(tier=tier, quantity=quantity, ticket_ids=ticket_ids)
    values = {"event": schemas.BUILT_IN_EVENT, "user_id": "u", "items": (item,)}
    return NewOrder(**{**values, "reference": reference, **changes})


async def responses(batcher: BookingBatcher, *requests: NewOrder) -> list[OrderRow | ApiError]:
    """Book all requests at once; return their orders and errors."""

    async def book(request: NewOrder) -> OrderRow | ApiError:
        try:
            return response(await batcher.book(request))
        except ApiError as error:
            return error

    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        return await asyncio.gather(*(book(request) for request in requests))


async def count(conn: AsyncConnection, what: str) -> int:
    cursor = await conn.execute(f"select count(*) from {what}")  # noqa: S608 - the tests' own text
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_waiting_requests_share_a_transaction(database_url: str, conn: AsyncConnection) -> None:
    async with running_batcher(database_url) as batcher:
        assert all(isinstance(a, OrderRow) for a in await responses(batcher, *(order(f"r{n}") for n in range(80))))
    # The idle batcher books the first request alone; the others wait for the next transaction.
    assert await count(conn, "(select distinct xmin::text from orders) as transactions") <= 3


async def test_a_request_that_breaks_its_batch_fails_alone(database_url: str, conn: AsyncConnection) -> None:
    poison = order("poison", user_id="x" * 500)  # The database refuses this name; the API refuses it before.
    async with running_batcher(database_url) as batcher:
        good = [order(f"good{n}") for n in range(10)]
        first, *rest, last = await responses(batcher, order("first"), *good[:5], poison, *good[5:], order("last"))
        assert isinstance(first, OrderRow)
        assert isinstance(last, OrderRow)
        assert [type(a) for a in rest] == [OrderRow] * 5 + [InternalError] + [OrderRow] * 5
        assert isinstance((await responses(batcher, order("afterwards")))[0], OrderRow)
    assert await count(conn, "orders") == 13
    assert await count(conn, "orders where reference = 'poison'") == 0


async def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(
    database_url: str, conn: AsyncConnection
) -> None:
    requests = [order(f"r{n}", 2) for n in range(150)]

    async def cut() -> None:
        for _ in range(CUTS):
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
            first = await responses(batcher, *requests[:75])
        finally:
            cutter.cancel()
            await asyncio.gather(cutter, return_exceptions=True)
        # Each request is repeated under its reference, because its outcome may be unknown.
        assert {type(a) for a in first} <= {OrderRow, Busy}
        assert {type(a) for a in await responses(batcher, *requests)} == {OrderRow}
    assert await count(conn, "orders") == 150
    assert await count(conn, "bookings") == await count(conn, "tickets where status = 'sold'") == 300


async def test_a_full_queue_refuses_at_once(database_url: str) -> None:
    async with running_batcher(database_url, booking_queue_max=10, booking_batch_max=2) as batcher:
        received = await responses(batcher, *(order(f"r{n}") for n in range(60)))
    assert {type(a) for a in received} == {OrderRow, Busy}
    assert all(a.retry_after_s for a in received if isinstance(a, Busy))


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_two_batchers_that_want_the_same_seats_both_go_on(
    database_url: str, conn: AsyncConnection, isolation: str
) -> None:
    requests = [[order(f"{batcher}-{n}", 2, tier="VIP") for n in range(25)] for batcher in "ab"]
    async with (
        running_batcher(database_url, booking_isolation=isolation) as one,
        running_batcher(database_url, booking_isolation=isolation) as other,
    ):
        received = await asyncio.gather(responses(one, *requests[0]), responses(other, *requests[1]))
    assert [type(a) for both in received for a in both] == [OrderRow] * 50
    assert await count(conn, "tickets where status = 'sold'") == 100


@pytest.mark.parametrize("path", ["direct", "careful"])
async def test_losers_of_a_ticket_are_sold_out_however_often_they_found_it_locked(
    database_url: str, conn: AsyncConnection, path: str
) -> None:
    def locked_out() -> float:
        return REGISTRY.get_sample_value("booking_retries_total", {"cause": "locked_tickets"}) or 0

    await conn.execute("delete from tickets where tier_id = (select id from tiers where name = 'GA') and position > 1")
    before = locked_out()
    async with running_batcher(database_url, booking_attempts_max=1, booking_path=path) as batcher:
        async with conn.transaction():
            await conn.execute(
                "update tickets set status = 'sold' where tier_id = (select id from tiers where name = 'GA')"
            )
            losers = asyncio.create_task(responses(batcher, *(order(f"r{n}") for n in range(15))))
            async with asyncio.timeout(RESPONSE_TIMEOUT_S):
                while locked_out() < before + 45 and not losers.done():  # noqa: ASYNC110 - a metric has no event
                    await asyncio.sleep(0.005)
        assert {type(a) for a in await losers} == {SoldOut}


async def test_requests_that_wait_at_the_end_get_a_response(database_url: str) -> None:
    async with running_batcher(database_url) as batcher:
        waiting = [asyncio.create_task(batcher.book(order(f"r{n}"))) for n in range(5)]
        await asyncio.sleep(0)
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        received = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(a, Booked | Declined | Refused | Busy) for a in received)


SLOW = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(%s); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""


async def test_a_repeat_waits_for_a_slow_first_request(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "0.8")
    async with running_batcher(database_url, booking_wait_ms=500) as batcher:
        first = asyncio.create_task(batcher.book(order("slow")))
        await asyncio.sleep(0.05)
        repeats = [asyncio.create_task(batcher.book(order("slow"))) for _ in range(3)]
        received = await asyncio.gather(first, *repeats)
    assert [isinstance(decision, Booked) and decision.replayed for decision in received] == [False, True, True, True]
    assert await count(conn, "orders") == 1


async def test_a_request_that_may_be_booked_is_unknown(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "15")
    async with running_batcher(database_url, booking_wait_ms=100, statement_timeout_ms=20_000) as batcher:
        (received,) = await responses(batcher, order("unknown"))
        await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and wait_event = 'PgSleep'"
        )
        assert isinstance(received, Busy)
        assert "not known" in received.message
        assert received.details == {"reference": "unknown", "unknown": True}


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
        (received,) = await responses(batcher, order("in-doubt"))
        assert isinstance(received, Busy)
        assert "not known" in received.message
        assert received.details["unknown"] is True
        await conn.execute("drop trigger die on orders")
        assert isinstance((await responses(batcher, order("in-doubt")))[0], OrderRow)
    assert await count(conn, "orders") == 1


async def test_a_statement_timeout_is_not_reported_as_unknown(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "0.5")
    async with running_batcher(database_url, statement_timeout_ms=100, booking_attempts_max=2) as batcher:
        (received,) = await responses(batcher, order("late"))
    assert isinstance(received, Busy)
    assert "booked nothing" in received.message
    assert "unknown" not in received.details
    assert await count(conn, "orders") == 0


async def test_a_database_that_becomes_read_only_is_busy_and_not_an_internal_error(
    database_url: str, conn: AsyncConnection
) -> None:
    database = (await (await conn.execute("select current_database()")).fetchone() or ("",))[0]
    async with running_batcher(database_url) as batcher:
        assert isinstance((await responses(batcher, order("before")))[0], OrderRow)
        await conn.execute(f"alter database {database} set default_transaction_read_only = on")
        await conn.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert isinstance((await responses(batcher, order("meanwhile")))[0], Busy)
        await conn.execute("set default_transaction_read_only = off")
        await conn.execute(f"alter database {database} reset default_transaction_read_only")
        # The pool replaces the read-only connections one by one.
        received = [(await responses(batcher, order("after")))[0] for _ in range(10)]
        assert isinstance(received[-1], OrderRow)
    assert await count(conn, "orders") == 2


async def test_every_request_gets_a_response_when_the_batcher_ends(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute(SLOW % "1")
    async with running_batcher(database_url) as batcher:
        waiting = [asyncio.create_task(batcher.book(order(f"r{n % 2}"))) for n in range(6)]
        await asyncio.sleep(0.1)
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        received = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in received} == {Busy}
        assert isinstance((await responses(batcher, order("too late")))[0], Busy)


async def test_another_body_waits_for_every_repeat_of_the_first_one(database_url: str) -> None:
    async with running_batcher(database_url) as batcher:

        async def book_twice() -> None:
            for _ in range(2):  # The repeat joins the queue before the other body runs again.
                assert isinstance(await batcher.book(order("shared")), Booked)

        first = asyncio.create_task(book_twice())
        await asyncio.sleep(0)
        decision = await batcher.book(order("shared", 2))
        assert isinstance(response(decision), KeyReused)
        await first


async def test_a_refusal_names_the_item_of_each_repeat(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute("update tickets set status = 'sold' where tier_id = (select id from tiers where name = 'VIP')")
    items = (Item(tier="GA", quantity=2, ticket_ids=()), Item(tier="VIP", quantity=1, ticket_ids=()))
    repeats = [order("basket", items=each, itemized=True) for each in (items, items[::-1])]
    assert repeats[0].digest == repeats[1].digest
    async with running_batcher(database_url) as batcher:
        received = await responses(batcher, *repeats)
    assert [error.details["item"] for error in received if isinstance(error, SoldOut)] == [1, 0]
