"""Cancellations of events reach their end despite concurrent bookings, refusals of the provider and faults."""

import asyncio
import contextlib
import itertools
from collections import Counter

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from api.commands.audit import audit
from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.payments.provider import RefundResult
from api.services.bookings.model import Booked
from api.services.cancellations import Preview, TotalsChanged, end_orders
from api.services.refunds import request_refunds, retry_refund
from tests.integration.asynchronous import ASYNC, Provider, book, let_time_pass, order, states, tickets_by_status
from tests.integration.database.faulty_session import Fault, Faults
from tests.integration.database.test_statement_faults import WORKERS_KINDS
from tests.integration.services.cancelled_events import FAST, GA_MINOR, cancel, counts, progress, sell_many
from tests.integration.services.paid_orders import VIP_MINOR, paid, refund_states

SENT = 60
"""Refunds of the test of the rate."""
PER_SECOND = 100
WORKERS = 4


@pytest.fixture
def settings() -> Settings:
    return Settings(db_pool_max=8, statement_timeout_ms=60_000)


async def until_waiting(conn: AsyncConnection, starting: asyncio.Task[Preview]) -> None:
    """Return once the start of a cancellation waits for a lock, or has ended."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    while not starting.done():
        cursor = await conn.execute(waiting)
        if await cursor.fetchone() != (0,):
            return


@pytest.mark.usefixtures("audited")
async def test_a_booking_during_the_start_is_seen_and_none_commits_later(
    pool: Pool, conn: AsyncConnection, database_url: str
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as other:
        await other.execute("select from tickets where id = (select min(id) from tickets) for update")
        starting = asyncio.create_task(cancel(pool))
        await until_waiting(conn, starting)
        (booked,) = await book(pool, order())
        assert isinstance(booked, Booked)
    with pytest.raises(TotalsChanged):
        await starting
    assert await tickets_by_status(conn) == {"available": 1299, "held": 1}
    await cancel(pool)
    (refused,) = await book(pool, order())
    assert not isinstance(refused, Booked)
    await end_orders(pool, FAST)
    assert await states(conn, booked.order.reference) == ("cancelled", "pending", 0)
    assert await tickets_by_status(conn) == {"withdrawn": 1300}


@pytest.mark.usefixtures("audited")
async def test_refunds_wait_for_a_provider_without_capacity_or_funds(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, _ = await paid(pool, provider, 1)
    await cancel(pool)
    await end_orders(pool, FAST)
    provider.unavailable = True  # The provider responds with 429.
    assert await request_refunds(pool, FAST, provider) == 1
    assert await counts(pool) == {"requested": (1, VIP_MINOR)}
    provider.unavailable = False
    provider.refund_status = "pending"  # The account lacks funds.
    await let_time_pass(conn, 3600)
    await request_refunds(pool, FAST, provider)
    await end_orders(pool, FAST)
    assert await counts(pool) == {"requested": (1, VIP_MINOR)}
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "pending", "event")]
    assert (await progress(pool)).finished_at is None
    ((key, (request, _)),) = provider.refunds.items()
    provider.refunds[key] = (request, RefundResult("failed", error="insufficient funds"))
    provider.charges[booked.reference] = "captured"
    await let_time_pass(conn, 3600)
    await request_refunds(pool, FAST, provider)
    assert await counts(pool) == {"failed": (1, VIP_MINOR)}
    provider.refund_status = "succeeded"
    (failed,) = (await progress(pool)).failed
    assert await retry_refund(pool, failed.key)
    await request_refunds(pool, FAST, provider)
    await end_orders(pool, FAST)
    assert await counts(pool) == {"succeeded": (1, VIP_MINOR)}
    assert provider.refunded(booked.reference) == VIP_MINOR
    assert (await progress(pool)).finished_at is not None


@pytest.mark.usefixtures("audited")
async def test_all_workers_together_keep_the_rate(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    await sell_many(conn, provider, SENT)
    await cancel(pool)
    await end_orders(pool, FAST)
    limited = msgspec.structs.replace(ASYNC, refunds_per_second=PER_SECOND)
    cursor = await conn.execute("update refund_rate set used_until = clock_timestamp() returning used_until")
    ((begin,),) = await cursor.fetchall()
    while len(provider.refunds) < SENT:
        await asyncio.gather(*(request_refunds(pool, limited, provider) for _ in range(WORKERS)))
        cursor = await conn.execute(
            """
            select used_until <= clock_timestamp(), used_until >= %s + make_interval(secs => %s::float8 / %s)
            from refund_rate
            """,
            [begin, len(provider.refunds), PER_SECOND],
        )
        assert await cursor.fetchall() == [(True, True)]
    assert await counts(pool) == {"succeeded": (SENT, SENT * GA_MINOR)}


RESET = """
    delete from cancelled_orders;
    delete from cancellations;
    update events set cancelled_at = null;
    update tickets set status = 'available' where status = 'withdrawn'
"""
"""Takes back the cancellation of an event, whose orders have ended."""


async def test_a_fault_at_any_statement_refunds_an_order_once(
    database_url: str, conn: AsyncConnection, provider: Provider, faults: Faults
) -> None:
    async def take(pool: Pool) -> None:
        await conn.execute("update refunds set next_check_at = now() where next_check_at is not null")
        await end_orders(pool, FAST)
        await request_refunds(pool, FAST, provider)
        await end_orders(pool, FAST)

    settings = msgspec.structs.replace(FAST, db_pool_max=1, statement_timeout_ms=60_000)
    async with open_pool(database_url, settings) as pool:
        booked, _ = await paid(pool, provider, 1)
        await cancel(pool)
        faults.plan()
        await take(pool)
        used = Counter(faults.sent)
        assert (await progress(pool)).finished_at is not None
        for statement, uses in used.items():
            for use, kind in itertools.product(range(1, uses + 1), WORKERS_KINDS):
                await conn.execute(RESET)
                booked, _ = await paid(pool, provider, 1)
                await cancel(pool)
                fault = Fault(statement, use, kind)
                faults.plan(fault)
                with contextlib.suppress(psycopg.Error, CommitUnknownError):
                    await take(pool)
                assert fault.struck, fault
                faults.plan()
                found = await states(conn, booked.reference)
                assert found in (
                    ("confirmed", "captured", 1),
                    ("cancelled", "refunding", 0),
                    ("cancelled", "refunded", 0),
                ), fault
                await take(pool)
                assert await states(conn, booked.reference) == ("cancelled", "refunded", 0), fault
                assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "event")], fault
                assert provider.refunded(booked.reference) == VIP_MINOR, fault
                assert (await progress(pool)).finished_at is not None, fault
    assert await asyncio.to_thread(audit, database_url) == []
