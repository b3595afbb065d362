"""An open refund is requested less often as it ages, and fails at last if the provider has no charge for it."""

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.payments.provider import Amount, ChargeStatus
from api.services.refunds import NO_CHARGE, request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider
from tests.integration.services.paid_orders import VIP_MINOR, paid, refund_states

OLD_H = ASYNC.refund_give_up_hours


async def request_at_age(pool: Pool, conn: AsyncConnection, provider: Provider, hours: float) -> float:
    """Request the refund at an age; return the seconds until its next check."""
    await conn.execute(
        "update refunds set created_at = now() - make_interval(secs => %s), next_check_at = now()", [hours * 3600]
    )
    assert await request_refunds(pool, ASYNC, provider) == 1
    cursor = await conn.execute("select coalesce(extract(epoch from next_check_at - now())::float8, 0) from refunds")
    ((seconds,),) = await cursor.fetchall()
    return float(seconds)


@pytest.mark.parametrize(("hours", "least", "most"), [(0, 1, 5), (1, 150, 181), (100, 3500, 3600)])
async def test_the_pause_before_the_next_request_grows_with_the_age(
    pool: Pool, conn: AsyncConnection, provider: Provider, hours: float, least: float, most: float
) -> None:
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    provider.unavailable = True
    assert least < await request_at_age(pool, conn, provider, hours) <= most


@pytest.mark.parametrize(
    ("hours", "charge", "status"),
    [(OLD_H - 1, None, "requested"), (OLD_H + 1, None, "failed"), (OLD_H + 1, "processing", "requested")],
)
async def test_only_an_old_refund_without_a_charge_fails(
    pool: Pool, conn: AsyncConnection, provider: Provider, hours: float, charge: ChargeStatus | None, status: str
) -> None:
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    provider.charges.clear()
    provider.amounts.clear()
    if charge:
        await provider.charge(booked.reference, Amount(booked.total_minor, booked.currency))
        provider.charges[booked.reference] = charge
    await request_at_age(pool, conn, provider, hours)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, status, "buyer")]
    cursor = await conn.execute("select last_error from refunds")
    assert await cursor.fetchone() == (NO_CHARGE if status == "failed" else None,)


async def test_an_old_refund_stays_open_while_the_provider_is_away(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    provider.unavailable = True
    await request_at_age(pool, conn, provider, OLD_H + 1)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "requested", "buyer")]
    provider.unavailable = False
    await request_at_age(pool, conn, provider, OLD_H + 1)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]
