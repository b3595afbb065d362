"""The worker charges open payments, and finds the outcome of charges without a webhook."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.services.orders import expire_holds
from api.services.payments import reconcile_payments
from api.services.refunds import request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider, hold, let_time_pass, states

pytestmark = pytest.mark.usefixtures("audited")


async def test_the_worker_charges_no_pending_order_of_a_cancelled_event(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    await hold(pool)
    await conn.execute("update events set cancelled_at = now()")
    await conn.execute("update payments set next_check_at = now()")
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert provider.charges == {}


async def test_the_worker_requests_a_charge_that_was_never_requested(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2)
    assert await reconcile_payments(pool, ASYNC, provider) == 0  # It is not due yet.
    await let_time_pass(conn, 10)
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert provider.charges == {held.reference: "processing"}
    assert provider.amounts == {held.reference: (held.total_minor, held.currency)}


async def test_the_worker_finds_a_payment_whose_webhook_was_lost(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    paid, declined = await hold(pool), await hold(pool)
    provider.charges = {paid.reference: "captured", declined.reference: "declined"}
    await let_time_pass(conn, 10)
    assert sum(await asyncio.gather(*(reconcile_payments(pool, ASYNC, provider) for _ in range(3)))) == 2
    assert await states(conn, paid.reference) == ("confirmed", "captured", 1)
    assert await states(conn, declined.reference) == ("declined", "declined", 0)


async def test_a_hold_that_ended_before_its_charge_is_never_charged(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool)
    await let_time_pass(conn, ASYNC.hold_seconds + 60)
    await expire_holds(pool, ASYNC)
    await reconcile_payments(pool, ASYNC, provider)
    assert provider.charges == {}
    assert await states(conn, held.reference) == ("expired", "void", 0)


async def test_a_charge_in_flight_at_the_end_of_its_hold_is_found_without_webhook(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held, taken = await hold(pool), await hold(pool)
    await cancel_order(pool, taken.reference, "u", OPEN)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    assert await reconcile_payments(pool, ASYNC, provider) == 2  # The provider has no charge for them yet.
    provider.charges = dict.fromkeys((held.reference, taken.reference), "captured")
    await let_time_pass(conn, 60)
    await reconcile_payments(pool, ASYNC, provider)
    await request_refunds(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)
    assert await states(conn, taken.reference) == ("cancelled", "refunded", 0)
    assert provider.charges == {held.reference: "captured", taken.reference: "refunded"}
    assert await reconcile_payments(pool, ASYNC, provider) == 0
    assert await request_refunds(pool, ASYNC, provider) == 0


@pytest.mark.parametrize(
    ("age_s", "pause_s"),
    [(10, 5), (ASYNC.hold_seconds + 60, 5), (ASYNC.hold_seconds + 7200, 360), (ASYNC.hold_seconds + 864_000, 3600)],
)
async def test_a_payment_that_stays_undecided_is_checked_less_often(
    pool: Pool, conn: AsyncConnection, provider: Provider, age_s: int, pause_s: int
) -> None:
    """A bank may take weeks to decide a debit, and a provider limits the rate of requests."""
    held = await hold(pool)
    provider.charges[held.reference] = "processing"
    await let_time_pass(conn, age_s)
    await expire_holds(pool, ASYNC)
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    cursor = await conn.execute("select extract(epoch from next_check_at - now())::float8 from payments")
    ((seconds,),) = await cursor.fetchall()
    assert pause_s / 2 < seconds <= pause_s + 1


async def test_payments_stay_open_while_the_provider_is_unavailable(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool)
    provider.unavailable = True
    await let_time_pass(conn, 10)
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert await states(conn, held.reference) == ("pending", "pending", 1)
    provider.unavailable = False
    provider.charges[held.reference] = "captured"
    await let_time_pass(conn, 10)
    await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)
