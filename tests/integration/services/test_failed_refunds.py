"""A refund that the provider refuses or does not accept is part of the state of the system until its cause ends."""

from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.services.health import read_system
from api.services.refunds import request_refunds, retry_refund
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider, let_time_pass
from tests.integration.services.paid_orders import paid

PROBLEM = "failed refunds: 1"


async def test_a_failed_refund_degrades_the_system(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    system = await read_system(pool, Settings())
    assert (system.failed_refunds, PROBLEM in system.problems) == (0, False)
    provider.refund_status = "failed"
    await request_refunds(pool, ASYNC, provider)
    system = await read_system(pool, Settings())
    assert (system.status, system.failed_refunds, PROBLEM in system.problems) == ("degraded", 1, True)
    assert "\nfailed_refunds 1.0\n" in metrics.render_metrics(system).decode()
    cursor = await conn.execute("select key from refunds")
    ((key,),) = await cursor.fetchall()
    assert await retry_refund(pool, key)
    assert (await read_system(pool, Settings())).failed_refunds == 0


async def test_a_refund_that_stays_requested_degrades_the_system(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    """The provider refuses each request, for example because the key of its API is wrong."""
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    provider.unavailable = True
    problem = f"refunds requested for more than {ASYNC.refund_requested_max_hours} h: 1"
    for hours, is_problem in [(ASYNC.refund_requested_max_hours - 1, False), (2, True)]:
        await let_time_pass(conn, hours * 3600)
        assert await request_refunds(pool, ASYNC, provider) == 1
        system = await read_system(pool, ASYNC)
        assert (problem in system.problems, system.failed_refunds) == (is_problem, 0)
    provider.unavailable = False
    await let_time_pass(conn, 3600)
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert problem not in (await read_system(pool, ASYNC)).problems
