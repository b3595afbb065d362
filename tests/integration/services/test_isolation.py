"""A row that fails a job of the worker does not stop the job for the other rows, and is logged once."""

import msgspec
import pytest
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool
from api.logs import order_label
from api.payments.signatures import Webhook
from api.schemas import BUILT_IN_EVENT
from api.services import isolation
from api.services.cancellations import end_orders
from api.services.event_changes import note_event_changes
from api.services.order_rows import OrderRow
from api.services.orders import expire_holds
from api.services.payments import reconcile_payments
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import (
    ASYNC,
    INLINE,
    Provider,
    apply_updates,
    book,
    hold,
    let_time_pass,
    order,
    states,
)
from tests.integration.services.cancelled_events import cancel


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
    for held in (bad, good):
        await inbox.store(
            Webhook(
                id=held.reference,
                type="charge.captured",
                reference=held.reference,
                amount_minor=held.total_minor,
                currency=held.currency,
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


async def test_other_orders_of_a_cancelled_event_end(
    pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = await hold(pool), await hold(pool)
    await apply_updates(pool, {bad.reference: "captured", good.reference: "captured"})
    await conn.execute(f"alter table orders add constraint bad check (id <> {bad.id} or status = 'confirmed')".encode())
    await cancel(pool)
    single = msgspec.structs.replace(ASYNC, refund_batch=1)  # The failed order would fill each batch.
    for _ in range(3):
        await end_orders(pool, single)
    assert (await states(conn, good.reference))[0] == "cancelled"
    assert (await states(conn, bad.reference))[0] == "confirmed"
    assert reports(caplog) == [f"order {bad.id} cannot be processed, and the others continue"]
    await conn.execute("alter table orders drop constraint bad")
    assert await end_orders(pool, single) == 0  # Its pause has not passed.
    pauses = await conn.execute("select next_attempt_at - now() < '10 s' from cancelled_orders where attempts = 1")
    assert await pauses.fetchall() == [(True,)]
    await conn.execute("update cancelled_orders set next_attempt_at = now()")
    assert await end_orders(pool, single) == 1
    assert (await states(conn, bad.reference))[0] == "cancelled"


async def test_other_changes_of_events_are_announced(
    pool: Pool, conn: AsyncConnection, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = msgspec.structs.replace(ASYNC, event_change_delay_s=0)
    seed(database_url, event="other", inventory=parse_inventory("GA=50"))
    for event in (BUILT_IN_EVENT, "other"):
        await book(pool, order(event=event), settings=INLINE)
        await conn.execute("update events set venue = 'Pier 9' where slug = %s", [event])
    await conn.execute("alter table order_events add constraint bad check (detail <> 1) not valid")
    assert [await note_event_changes(pool, prompt) for _ in range(3)] == [1, 1, 0]
    announced = "select detail from order_events where subject = 'event' order by id"
    assert await (await conn.execute(announced)).fetchall() == [(2,)]
    messages = [record.getMessage() for record in caplog.records if record.name == "api.services.event_changes"]
    assert messages == ["Change 1 of an event cannot be announced, and the others continue"]
    await conn.execute("alter table order_events drop constraint bad")
    await conn.execute("update event_changes set next_attempt_at = now()")
    assert await note_event_changes(pool, prompt) == 1
    assert await (await conn.execute(announced)).fetchall() == [(2,), (1,)]
