"""Disputes: part of the state of the system until they are decided, and never without the payment of their order."""

import pytest
from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.services.health import read_system
from api.services.orders import purge_declined
from tests.integration.asynchronous import ASYNC, apply_updates, hold, let_time_pass


@pytest.mark.parametrize(
    ("status", "undecided", "lost"),
    [
        (None, 1, 0),
        ("needs_response", 1, 0),
        ("under_review", 1, 0),
        ("warning_needs_response", 1, 0),
        ("a_new_state", 1, 0),
        ("lost", 0, 1),
        ("won", 0, 0),
        ("warning_closed", 0, 0),
    ],
)
async def test_an_undecided_dispute_degrades_the_system(
    pool: Pool, conn: AsyncConnection, status: str | None, undecided: int, lost: int
) -> None:
    await conn.execute("insert into disputes (id, status) values ('du_1', %s)", (status,))
    system = await read_system(pool, Settings())
    assert (system.undecided_disputes, system.lost_disputes) == (undecided, lost)
    assert ("undecided disputes: 1" in system.problems) is bool(undecided)
    text = metrics.render_metrics(system).decode()
    assert f"\nundecided_disputes {undecided}.0\n" in text
    assert f"\nlost_disputes {lost}.0\n" in text


async def test_the_purge_keeps_a_declined_order_with_a_dispute(pool: Pool, conn: AsyncConnection) -> None:
    disputed, plain = [await hold(pool) for _ in range(2)]
    await apply_updates(pool, {disputed.reference: "declined", plain.reference: "declined"})
    await conn.execute(
        "insert into disputes (id, payment_id) select 'du_1', id from payments where order_id = %s", (disputed.id,)
    )
    await let_time_pass(conn, 31 * 24 * 3600)
    assert await purge_declined(pool, ASYNC) == 1
    cursor = await conn.execute("select reference from orders")
    assert await cursor.fetchall() == [(disputed.reference,)]
