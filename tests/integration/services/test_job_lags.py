"""A job that is late with its work degrades the system, and names itself."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.services.cancellations import end_orders
from api.services.health import read_system
from api.services.returns import cancel_order
from api.services.workers import beat
from tests.integration.asynchronous import INLINE, OPEN, apply_updates, book, hold, order
from tests.integration.services.cancelled_events import cancel

SETTINGS = Settings()
LATE = timedelta(seconds=SETTINGS.job_lag_max_s + 100)

Prepare = Callable[[Pool, AsyncConnection], Awaitable[None]]


async def late_payment(pool: Pool, conn: AsyncConnection) -> None:
    await hold(pool)
    await conn.execute("update payments set next_check_at = now() - %s", [LATE])


async def late_page(pool: Pool, conn: AsyncConnection) -> None:
    await hold(pool)
    await conn.execute(
        "insert into checkouts (payment_id, provider_id, url, next_close_at)"
        " select id, 'cs_1', 'u', now() - %s from payments",
        [LATE],
    )


async def late_webhook(_: Pool, conn: AsyncConnection) -> None:
    await conn.execute("insert into webhooks (id, payload, received_at) values ('w', '{}', now() - %s)", [LATE])


async def late_refund(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    await apply_updates(pool, {held.reference: "captured"})
    await cancel_order(pool, held.reference, "u", OPEN)
    await conn.execute("update refunds set next_check_at = now() - %s", [LATE])
    await conn.execute("update refund_rate set used_until = now() - %s", [2 * LATE])


async def late_dispute(_: Pool, conn: AsyncConnection) -> None:
    await conn.execute("insert into disputes (id, next_check_at) values ('du_1', now() - %s)", [LATE])


async def stalled_cancellation(pool: Pool, conn: AsyncConnection) -> None:
    for _ in range(2):
        await book(pool, order(), settings=INLINE)
    await cancel(pool)
    await conn.execute("update cancellations set started_at = now() - %s", [LATE])


async def late_change(_: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update events set venue = 'Pier 9'")
    delay = timedelta(seconds=SETTINGS.event_change_delay_s)
    await conn.execute("update event_changes set created_at = now() - %s", [LATE + delay])


JOBS: dict[str, Prepare] = {
    "close_checkouts": late_page,
    "end_orders": stalled_cancellation,
    "note_event_changes": late_change,
    "reconcile_payments": late_payment,
    "record_disputes": late_dispute,
    "request_refunds": late_refund,
    "settle_webhooks": late_webhook,
}


@pytest.mark.parametrize("job", JOBS)
async def test_a_late_job_is_named(pool: Pool, conn: AsyncConnection, job: str) -> None:
    await beat(pool, SETTINGS)
    system = await read_system(pool, SETTINGS)
    assert (system.status, sorted(row.job for row in system.jobs)) == ("ok", list(JOBS))
    await JOBS[job](pool, conn)
    system = await read_system(pool, SETTINGS)
    lags = {row.job: row.lag_seconds for row in system.jobs}
    assert lags.pop(job) >= SETTINGS.job_lag_max_s + 100
    assert max(lags.values()) < SETTINGS.job_lag_max_s
    (problem,) = [problem for problem in system.problems if "the job" in problem]
    assert problem.startswith(f"the job {job} is 4")
    assert system.status == "degraded"
    assert f'job_lag_seconds{{job="{job}"}} 4' in metrics.render_metrics(system).decode()


async def test_refunds_that_only_wait_for_their_rate_are_not_late(pool: Pool, conn: AsyncConnection) -> None:
    """A cancelled event requests thousands of refunds at once, and their rate is limited."""
    await late_refund(pool, conn)
    await conn.execute("update refund_rate set used_until = now()")
    system = await read_system(pool, SETTINGS)
    assert not [problem for problem in system.problems if "the job" in problem]


async def test_a_cancellation_that_proceeds_is_not_late(pool: Pool, conn: AsyncConnection) -> None:
    await stalled_cancellation(pool, conn)
    await conn.execute("update cancelled_orders set ended_at = now() where order_id = (select min(id) from orders)")
    system = await read_system(pool, SETTINGS)
    assert not [problem for problem in system.problems if "the job" in problem]
    await conn.execute("update cancelled_orders set ended_at = null")
    await end_orders(pool, SETTINGS)
    system = await read_system(pool, SETTINGS)
    assert {row.job: row.lag_seconds for row in system.jobs}["end_orders"] == 0
