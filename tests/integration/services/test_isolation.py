"""A row that fails a job of the worker does not stop the job for the other rows, and is logged once."""

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.logs import order_label
from api.payments.signatures import Webhook
from api.services import isolation
from api.services.order_rows import OrderRow
from api.services.orders import expire_holds
from api.services.payments import reconcile_payments
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, Provider, hold, let_time_pass, states


@pytest.fixture
def settings() -> Settings:
    return ASYNC


@pytest.fixture(autouse=True)
def _unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "_reported", set())


async def hold_two(pool: Pool, conn: AsyncConnection) -> tuple[OrderRow, OrderRow]:
    """Hold two orders; each change of the first one fails."""
    bad, good = await hold(pool), await hold(pool)
    await conn.execute(
        f"alter table orders add constraint bad check (id <> {bad.id} or status = 'pending') not valid".encode()
    )
    return bad, good


def reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "api.services.isolation"]


async def test_other_holds_expire(pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = await hold_two(pool, conn)
    await conn.execute("update orders set created_at = created_at - interval '1 h', expires_at = now()")
    assert await expire_holds(pool, ASYNC) == 1
    assert await states(conn, good.reference) == ("expired", "pending", 0)
    assert await expire_holds(pool, ASYNC) == 0  # The worker pauses.
    assert await states(conn, bad.reference) == ("pending", "pending", 1)
    assert reports(caplog) == [f"order {bad.id} cannot be processed, and the others continue"]
    await conn.execute("alter table orders drop constraint bad")
    assert await expire_holds(pool, ASYNC) == 1


async def test_other_webhooks_settle(pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = await hold_two(pool, conn)
    inbox = Inbox(pool, ASYNC)
    for order in (bad, good):
        await inbox.store(
            Webhook(
                id=order.reference,
                type="charge.captured",
                reference=order.reference,
                amount_minor=order.total_minor,
                currency=order.currency,
            )
        )
    assert await settle_webhooks(pool, ASYNC) == 1
    assert await settle_webhooks(pool, ASYNC) == 0
    assert await states(conn, good.reference) == ("confirmed", "captured", 1)
    assert await states(conn, bad.reference) == ("pending", "pending", 1)
    assert reports(caplog) == [f"webhook {order_label(bad.reference)} cannot be processed, and the others continue"]
    await conn.execute("alter table orders drop constraint bad")
    assert await settle_webhooks(pool, ASYNC) == 1
    assert await states(conn, bad.reference) == ("confirmed", "captured", 1)


async def test_other_payments_are_reconciled(
    pool: Pool, conn: AsyncConnection, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = await hold_two(pool, conn)
    provider.charges = {bad.reference: "captured", good.reference: "captured"}
    for _ in range(2):
        await let_time_pass(conn, 10)
        await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, good.reference) == ("confirmed", "captured", 1)
    assert await states(conn, bad.reference) == ("pending", "pending", 1)
    assert reports(caplog) == [f"payment {order_label(bad.reference)} cannot be processed, and the others continue"]
