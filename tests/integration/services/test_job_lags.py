"""A job that is late with its work degrades the system, and names itself."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.services.accounts.passkeys import begin_sign_in
from api.services.accounts.sign_in import send_link
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


async def late_purge_of_messages(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute(
        "insert into messages (kind, recipient, locale, message_id, status, sent_at, created_at)"
        " values ('links', 'ann@example.org', 'en', '<1@example.org>', 'sent', now(), now() - %s)",
        [LATE + timedelta(days=SETTINGS.messages_kept_days)],
    )


async def late_purge_of_webhooks(pool: Pool, conn: AsyncConnection) -> None:
    age = LATE + timedelta(days=SETTINGS.webhooks_kept_days)
    await conn.execute(
        "insert into webhooks (id, payload, received_at, processed_at) values ('w', '{}', now() - %s, now() - %s)",
        [age, age],
    )


async def late_purge_of_orders(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    await apply_updates(pool, {held.reference: "declined"})
    await conn.execute(
        "update orders set created_at = now() - %s", [LATE + timedelta(days=SETTINGS.declined_kept_days)]
    )


async def late_purge_of_sessions(pool: Pool, conn: AsyncConnection) -> None:
    age = LATE + timedelta(days=1)
    await conn.execute("insert into accounts (email, verified_at) values ('ann@example.org', now())")
    await conn.execute(
        "insert into account_sessions (id, account_id, token_digest, created_at, rotated_at, expires_at)"
        " select gen_random_uuid(), id, sha256('x'), now() - %s, now() - %s, now() - %s from accounts",
        [2 * age, 2 * age, age],
    )


async def late_purge_of_links(pool: Pool, conn: AsyncConnection) -> None:
    await send_link(pool, SETTINGS, "ann@example.org", "en")
    await conn.execute("update messages set next_attempt_at = now() + interval '1 hour'")
    await conn.execute("update sign_in_links set expires_at = now() - %s", [LATE + timedelta(days=1)])


async def late_purge_of_challenges(pool: Pool, conn: AsyncConnection) -> None:
    await begin_sign_in(pool, SETTINGS)
    await conn.execute("update passkey_challenges set expires_at = now() - %s", [LATE])


JOBS: dict[str, Prepare] = {
    "close_checkouts": late_page,
    "end_orders": stalled_cancellation,
    "note_event_changes": late_change,
    "purge_declined": late_purge_of_orders,
    "purge_messages": late_purge_of_messages,
    "purge_passkey_challenges": late_purge_of_challenges,
    "purge_sessions": late_purge_of_sessions,
    "purge_sign_in_links": late_purge_of_links,
    "purge_webhooks": late_purge_of_webhooks,
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
    assert {row.due for row in system.jobs} == {0}
    await JOBS[job](pool, conn)
    system = await read_system(pool, SETTINGS)
    due = {row.job: row.due for row in system.jobs}
    assert due.pop(job) == (2 if job == "end_orders" else 1)
    assert max(due.values()) == 0
    lags = {row.job: row.lag_seconds for row in system.jobs}
    assert lags.pop(job) >= SETTINGS.job_lag_max_s + 100
    assert max(lags.values()) < SETTINGS.job_lag_max_s
    (problem,) = [problem for problem in system.problems if "the job" in problem]
    assert problem.startswith(f"the job {job} is 4")
    assert system.status == "degraded"
    text = metrics.render_metrics(system).decode()
    assert f'job_lag_seconds{{job="{job}"}} 4' in text
    assert f'job_due_items{{job="{job}"}} {2.0 if job == "end_orders" else 1.0}' in text


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
