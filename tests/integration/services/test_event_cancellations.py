"""A cancelled event ends its sale at once, and every order is refunded once, whatever fails."""

import asyncio

import msgspec
import pytest
from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.services.cancellations import (
    AlreadyCancelled,
    Preview,
    Total,
    TotalsChanged,
    UnknownEvent,
    end_orders,
    preview,
    start,
)
from api.services.health import read_system
from api.services.refunds import request_refunds
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import (
    INLINE,
    OPEN,
    Provider,
    apply_updates,
    book,
    hold,
    order,
    states,
    tickets_by_status,
)
from tests.integration.services.cancelled_events import (
    EVENT,
    FAST,
    GA_MINOR,
    cancel,
    check_sums,
    counts,
    progress,
    run_worker,
    sell_many,
)
from tests.integration.services.paid_orders import VIP_MINOR, paid, refund_states

MANY = 1000


async def pending_references(conn: AsyncConnection) -> list[str]:
    """Return the references of the orders whose payments are pending."""
    cursor = await conn.execute(
        "select reference from orders join payments on orders.id = order_id where payments.status = 'pending'"
    )
    return [reference for (reference,) in await cursor.fetchall()]


@pytest.fixture
def settings() -> Settings:
    return Settings(db_pool_max=8, statement_timeout_ms=60_000)


@pytest.mark.usefixtures("audited")
async def test_every_order_is_refunded_once(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    whole, _ = await paid(pool, provider, 2)
    part, ids = await paid(pool, provider, 3)
    await return_tickets(pool, part.reference, "u", ids[:1], OPEN)
    pending = await hold(pool)
    found = await preview(pool, EVENT)
    assert isinstance(found, Preview)
    assert found.totals == [Total("USD", "paid", 2, 4, 4 * VIP_MINOR), Total("USD", "pending", 1, 1, 0)]
    await start(pool, found, "ill")
    assert await counts(pool) == {"waiting": (3, 4 * VIP_MINOR)}
    await end_orders(pool, FAST)
    assert await counts(pool) == {"requested": (2, 4 * VIP_MINOR), "without_money": (1, 0)}
    assert await states(conn, pending.reference) == ("cancelled", "pending", 0)
    await request_refunds(pool, FAST, provider)
    assert await counts(pool) == {"succeeded": (2, 4 * VIP_MINOR), "without_money": (1, 0)}
    assert await states(conn, whole.reference) == ("cancelled", "refunded", 0)
    assert await refund_states(conn, whole.reference) == [(2 * VIP_MINOR, "succeeded", "event")]
    assert await refund_states(conn, part.reference) == [
        (VIP_MINOR, "succeeded", "buyer"),
        (2 * VIP_MINOR, "succeeded", "event"),
    ]
    assert provider.refunded(part.reference) == 3 * VIP_MINOR
    assert await tickets_by_status(conn) == {"withdrawn": 1300}


@pytest.mark.usefixtures("audited")
async def test_a_payment_that_arrives_later_is_refunded_and_counted(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    early, late = await hold(pool), await hold(pool)
    await cancel(pool)
    await apply_updates(pool, {early.reference: "captured"})
    await end_orders(pool, FAST)
    await end_orders(pool, FAST)
    assert (await progress(pool)).finished_at is None  # The other payment is open.
    await apply_updates(pool, {late.reference: "captured"})
    assert await counts(pool) == {"requested": (2, 2 * GA_MINOR)}
    for held in (early, late):
        provider.charges[held.reference] = "captured"
    await run_worker(pool, conn, provider)
    assert await counts(pool) == {"succeeded": (2, 2 * GA_MINOR)}
    assert (await progress(pool)).finished_at is not None
    assert provider.refunded(late.reference) == GA_MINOR
    assert await refund_states(conn, late.reference) == [(GA_MINOR, "succeeded", "event")]


@pytest.mark.usefixtures("audited")
async def test_a_buyer_may_cancel_before_the_worker_does(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    booked, _ = await paid(pool, provider, 1)
    found = await cancel(pool)
    await cancel_order(pool, booked.reference, "u", OPEN)
    await check_sums(pool, found)
    await run_worker(pool, conn, provider)
    await check_sums(pool, found)
    assert provider.refunded(booked.reference) == VIP_MINOR
    assert await tickets_by_status(conn) == {"withdrawn": 1300}


@pytest.mark.usefixtures("audited")
async def test_inline_payments_and_free_orders_need_no_provider(pool: Pool, conn: AsyncConnection) -> None:
    await book(pool, order(), order("VIP"), settings=INLINE)
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    await book(pool, order(), settings=INLINE)
    found = await cancel(pool)
    assert found.totals == [Total("USD", "free", 1, 1, 0), Total("USD", "paid", 2, 2, VIP_MINOR + GA_MINOR)]
    await end_orders(pool, FAST)
    assert await counts(pool) == {"succeeded": (2, VIP_MINOR + GA_MINOR), "without_money": (1, 0)}
    await end_orders(pool, FAST)
    assert (await progress(pool)).finished_at is not None


@pytest.mark.usefixtures("audited")
async def test_a_changed_event_is_not_cancelled(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    found = await preview(pool, EVENT)
    assert isinstance(found, Preview)
    await hold(pool, "VIP")
    with pytest.raises(TotalsChanged):
        await start(pool, found, "ill")
    with pytest.raises(UnknownEvent):
        await preview(pool, "nothing")
    cursor = await conn.execute("select count(*) from events where cancelled_at is not null")
    assert await cursor.fetchall() == [(0,)]
    assert await tickets_by_status(conn) == {"available": 1298, "held": 2}
    assert await end_orders(pool, FAST) == 0
    assert await states(conn, held.reference) == ("pending", "pending", 1)


@pytest.mark.usefixtures("audited")
async def test_a_cancellation_starts_once(pool: Pool, provider: Provider) -> None:
    await paid(pool, provider, 1)
    found = await preview(pool, EVENT)
    assert isinstance(found, Preview)
    results = await asyncio.gather(*(start(pool, found, "ill") for _ in range(6)), return_exceptions=True)
    assert results.count(None) == 1
    assert {type(result) for result in results if result} == {AlreadyCancelled}
    assert await counts(pool) == {"waiting": (1, VIP_MINOR)}


@pytest.mark.usefixtures("audited")
async def test_workers_share_many_orders_and_the_progress_adds_up(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    await sell_many(conn, provider, MANY)
    found = await cancel(pool)
    assert found.totals == [Total("USD", "paid", MANY, MANY, MANY * GA_MINOR)]
    working = asyncio.gather(*(run_worker(pool, conn, provider) for _ in range(2)))
    while not working.done():
        await check_sums(pool, found)
    await working
    assert await counts(pool) == {"succeeded": (MANY, MANY * GA_MINOR)}
    assert len(provider.refunds) == MANY
    assert set(provider.charges.values()) == {"refunded"}
    assert (await progress(pool)).finished_at is not None


@pytest.mark.usefixtures("audited")
async def test_the_state_of_the_system_has_the_progress_until_its_end(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    async def shown() -> tuple[list[tuple[str, int, float]], str]:
        system = await read_system(pool, FAST)
        counted = [(count.state, count.orders, count.amount) for count in system.cancellations]
        return counted, metrics.render_metrics(system).decode()

    good, _ = await paid(pool, provider, 2)
    await paid(pool, provider, 1)
    await hold(pool)
    assert (await shown())[0] == []
    await cancel(pool)
    counted, text = await shown()
    assert counted == [("waiting", 3, 300.0)]
    assert f'\ncancellation_orders{{currency="USD",event="{EVENT}",state="waiting"}} 3.0\n' in text
    assert f'\ncancellation_amount{{currency="USD",event="{EVENT}",state="waiting"}} 300.0\n' in text
    await end_orders(pool, FAST)
    assert (await shown())[0] == [("requested", 2, 300.0), ("without_money", 1, 0.0)]
    provider.refund_status = "failed"
    await request_refunds(pool, msgspec.structs.replace(FAST, refunds_per_second=1), provider)
    provider.refund_status = "succeeded"
    assert (await shown())[0] == [("failed", 1, 200.0), ("requested", 1, 100.0), ("without_money", 1, 0.0)]
    assert await refund_states(conn, good.reference) == [(2 * VIP_MINOR, "failed", "event")]
    await apply_updates(pool, dict.fromkeys(await pending_references(conn), "declined"))
    await run_worker(pool, conn, provider)
    assert (await progress(pool)).finished_at is not None
    assert (await shown())[0] == []  # The failed refund has a metric of its own.
    assert (await read_system(pool, FAST)).failed_refunds == 1
