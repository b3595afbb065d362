"""A synchronous standby takes over: no response before the failover is false after it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import msgspec
import psycopg
import pytest
from psycopg import sql

from api.commands.audit import audit
from api.config import Settings
from api.database import queries
from api.database.connection import Connection
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.database.session import Session, Statement, open_session
from api.database.timeline import Timelines
from api.errors import ApiError, Busy, NotFound
from api.payments.signatures import Webhook
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked
from api.services.health import read_system
from api.services.order_views import get_order, list_orders
from api.services.webhooks import Inbox
from tests.faults.replication import Pair, replicated_pair
from tests.faults.target import until
from tests.integration.asynchronous import OPEN
from tests.integration.services.bookings.test_batcher import order
from tests.stack import POLL_S, READY_TIMEOUT_S, TEMPLATE
from tests.waiting import read_until

SETTINGS = Settings(
    payment_success_rate=1,
    bookings_per_minute=0,
    booking_wait_ms=500,
    statement_timeout_ms=300,
    db_round_trip_max_ms=600,
    db_commits_waiting_max=3,
)
"""Limits that end each wait for the standby soon."""
PATIENT = msgspec.structs.replace(
    SETTINGS, booking_wait_ms=30_000, statement_timeout_ms=20_000, db_round_trip_max_ms=25_000
)
"""Limits that a slow machine does not reach, for bookings that succeed."""
CANCEL_WAITS = sql.SQL("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
REFERENCES = sql.SQL("select reference from orders order by 1")
WAITING = sql.SQL("select count(*)::int from pg_stat_activity where wait_event = 'SyncRep'")
WEBHOOKS = sql.SQL("select id from webhooks")
WEBHOOK = Webhook(id="1", type="charge.captured", reference="none", amount_minor=1, currency="USD")


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with replicated_pair() as pair:
        yield pair


@contextlib.asynccontextmanager
async def api_process(pair: Pair, settings: Settings = SETTINGS) -> AsyncIterator[tuple[Pool, BookingBatcher]]:
    """Run the parts of an API process that book, as soon as it is connected; they stop as on SIGTERM."""
    settings = msgspec.structs.replace(settings, data_dir=pair.primary.cluster.parent / "data")
    async with open_pool(pair.url, settings) as pool:
        await pool.wait(READY_TIMEOUT_S)
        batcher = BookingBatcher(pool, settings, on_commit=lambda _: None)
        async with batcher.running():
            yield pool, batcher


async def book(batcher: BookingBatcher, reference: str) -> Booked | ApiError:
    try:
        decision = await batcher.book(order(reference))
    except ApiError as error:
        return error
    assert isinstance(decision, Booked)
    return decision


async def stop_during_a_commit(pair: Pair, reference: str) -> None:
    """Book while the standby is cut off, and stop the process while its commit waits."""
    async with api_process(pair, PATIENT) as (_, batcher):
        booking = asyncio.create_task(book(batcher, reference))
        await until(lambda: pair.primary.rows(WAITING) != [(0,)], "a commit waits for the standby")
    response = await booking
    assert isinstance(response, Busy)
    assert response.details["unknown"] is True


async def test_no_response_claims_an_order_that_a_failover_loses(pair: Pair) -> None:
    async with api_process(pair, PATIENT) as (_, batcher):
        assert isinstance(await book(batcher, "durable"), Booked)
    pair.link.freeze()
    await stop_during_a_commit(pair, "doubtful")
    assert pair.primary.rows(REFERENCES) == [("durable",)]  # The commit still waits.
    async with api_process(pair) as (pool, batcher):
        response = await book(batcher, "doubtful")
        assert isinstance(response, Busy)
        assert response.details["unknown"] is True

        pair.primary.rows(CANCEL_WAITS)
        await until(lambda: len(pair.primary.rows(REFERENCES)) == 2, "the order is visible on the primary")
        response = await book(batcher, "doubtful")
        assert isinstance(response, Busy)
        assert response.details["unknown"] is True
        for read in (get_order(pool, "doubtful", OPEN), list_orders(pool, "u", OPEN, limit=5, cursor=None)):
            with pytest.raises(psycopg.OperationalError):
                await read
        with pytest.raises(CommitUnknownError):
            await Inbox(pool, SETTINGS).store(WEBHOOK)
    pair.fail_over()
    async with api_process(pair, PATIENT) as (pool, batcher):
        found, _ = await get_order(pool, "durable", OPEN)
        assert found.status == "confirmed"
        with pytest.raises(NotFound):
            await get_order(pool, "doubtful", OPEN)
        booked = await book(batcher, "doubtful")
        assert isinstance(booked, Booked)
        assert not booked.replayed
    assert audit(pair.standby.url(TEMPLATE)) == []


async def test_after_a_crash_in_place_no_response_claims_an_order_that_the_standby_lacks(pair: Pair) -> None:
    pair.link.freeze()
    await stop_during_a_commit(pair, "doubtful")
    async with api_process(pair) as (pool, _):
        with pytest.raises(CommitUnknownError):
            await Inbox(pool, SETTINGS).store(WEBHOOK)
    await asyncio.to_thread(pair.primary.stop)
    await asyncio.to_thread(pair.primary.start)
    # The recovery makes the order and the webhook visible.
    assert pair.primary.rows(REFERENCES) == [("doubtful",)]
    assert pair.primary.rows(WEBHOOKS) == [(WEBHOOK.id,)]
    async with api_process(pair) as (pool, batcher):
        response = await book(batcher, "doubtful")
        assert isinstance(response, Busy)
        assert response.details["unknown"] is True
        with pytest.raises(psycopg.OperationalError):
            await get_order(pool, "doubtful", OPEN)
        with pytest.raises(CommitUnknownError):
            await Inbox(pool, SETTINGS).store(WEBHOOK)
        pair.link.mend()
        booked = await book_until_booked(batcher, "doubtful")
        assert isinstance(booked, Booked)
        assert booked.replayed
        await Inbox(pool, SETTINGS).store(WEBHOOK)


async def test_the_standby_is_listed_with_its_lag(pair: Pair) -> None:
    async with api_process(pair) as (pool, batcher):
        assert isinstance(await book_until_booked(batcher, "durable"), Booked)
        system = await read_until(
            lambda: read_system(pool, SETTINGS), lambda system: [each.lag_bytes for each in system.standbys] == [0]
        )
        (standby,) = system.standbys
        assert (standby.name, standby.state, standby.sync_state) == ("walreceiver", "streaming", "sync")
        pair.link.freeze()
        assert isinstance(await book(batcher, "doubtful"), Busy)
        (behind,) = (await read_system(pool, SETTINGS)).standbys
        assert standby.lag_bytes is not None
        assert behind.lag_bytes is not None
        assert behind.lag_bytes > standby.lag_bytes


async def test_a_commit_whose_wait_an_operator_cancels_has_an_unknown_outcome(pair: Pair) -> None:
    pair.link.freeze()
    async with api_process(pair) as (_, batcher):
        booking = asyncio.create_task(book(batcher, "doubtful"))
        await until(lambda: pair.primary.rows(WAITING) != [(0,)], "a commit waits for the standby")
        pair.primary.rows(CANCEL_WAITS)
        response = await booking
    assert isinstance(response, Busy)
    assert response.details["unknown"] is True


async def test_without_these_rules_a_failover_loses_an_acknowledged_order(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: psycopg's cancellation of a COMMIT, and reads that do not wait for the standby."""
    monkeypatch.delattr(Connection, "wait")
    monkeypatch.setattr(Connection, "_note", lambda *_: None)
    pair.link.freeze()
    await stop_during_a_commit(pair, "doubtful")
    assert pair.primary.rows(REFERENCES) == [("doubtful",)]

    async def run(session: Session, statement: Statement[object], _: object = None) -> list[object]:
        return await session.run(statement)

    monkeypatch.setattr("api.services.orders.run_replicated", run)
    async with api_process(pair, PATIENT) as (_, batcher):
        assert isinstance(await book(batcher, "doubtful"), Booked)
    pair.fail_over()
    assert pair.standby.rows(REFERENCES) == []


async def test_abandoned_commits_stop_new_ones_at_the_limit_and_reads_continue(pair: Pair) -> None:
    limit = SETTINGS.db_commits_waiting_max
    async with api_process(pair) as (pool, batcher):
        assert isinstance(await book_until_booked(batcher, "durable"), Booked)
        pair.link.freeze()
        doubtful = 0
        while doubtful < 2 * limit or pair.primary.rows(WAITING) != [(limit,)]:
            assert isinstance(await book(batcher, f"doubtful-{doubtful}"), Busy)
            assert pair.primary.count_waiting() <= limit
            doubtful += 1
        response = await book(batcher, "refused")
        assert isinstance(response, Busy)
        assert "unknown" not in response.details
        async with open_session(pool) as session:
            assert await session.run(Statement(queries.migrations.list_applied, {}))
        pair.link.mend()
        await until(lambda: pair.primary.rows(WAITING) == [(0,)], "no commit waits")
        assert isinstance(await book_until_booked(batcher, "refused"), Booked)
        assert isinstance(await book_until_booked(batcher, "doubtful-0"), Booked)
    assert audit(pair.primary.url(TEMPLATE)) == []


async def bring_former_primary_back(pair: Pair) -> None:
    """Fail over, book on the new primary, and restart the former one, which accepts writes."""
    async with api_process(pair) as (_, batcher):
        assert isinstance(await book_until_booked(batcher, "before"), Booked)
        pair.fail_over()
        assert isinstance(await book_until_booked(batcher, "after"), Booked)
    await asyncio.to_thread(pair.primary.start)
    pair.primary.replicate_synchronously("")
    assert pair.primary.rows(REFERENCES) == [("before",)]


async def book_until_booked(batcher: BookingBatcher, reference: str) -> Booked | ApiError:
    """Repeat a request, as clients do, until it is booked."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while isinstance(response := await book(batcher, reference), ApiError) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)
    return response


async def test_a_former_primary_that_comes_back_is_refused(pair: Pair) -> None:
    await bring_former_primary_back(pair)
    async with api_process(pair) as (pool, batcher):  # The former primary is the first host of the URL.
        assert isinstance(await book_until_booked(batcher, "later"), Booked)
        found, _ = await get_order(pool, "after", OPEN)
        assert found.status == "confirmed"
    assert pair.primary.rows(REFERENCES) == [("before",)]
    assert pair.standby.rows(REFERENCES) == [("after",), ("before",), ("later",)]


async def test_without_the_fence_a_former_primary_splits_the_database(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the fence."""
    await bring_former_primary_back(pair)
    monkeypatch.setattr(Timelines, "admit", lambda *_: None)
    monkeypatch.setattr(Timelines, "is_current", lambda *_: True)
    async with api_process(pair) as (pool, batcher):
        assert isinstance(await book_until_booked(batcher, "later"), Booked)
        with pytest.raises(NotFound):
            await get_order(pool, "after", OPEN)
    assert pair.primary.rows(REFERENCES) == [("before",), ("later",)]
