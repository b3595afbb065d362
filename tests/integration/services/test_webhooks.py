"""The inbox of webhooks settles each stored webhook once."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.logs import order_label
from api.payments.signatures import Webhook
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, hold, states

pytestmark = pytest.mark.usefixtures("audited")


def webhook(webhook_id: str, kind: str, reference: str, amount_minor: int = 1000) -> Webhook:
    return Webhook(id=webhook_id, type=kind, reference=reference, amount_minor=amount_minor, currency="USD")


async def test_repeated_and_reordered_webhooks_are_settled_once(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "GA", 2)
    inbox = Inbox(pool, ASYNC)  # It does not run, as after a crash that follows the commit.
    for webhook_id, kind in (("m2", "captured"), ("m1", "processing"), ("m2", "captured"), ("m3", "captured")):
        await inbox.store(webhook(webhook_id, f"charge.{kind}", held.reference, held.total_minor))
    assert await states(conn, held.reference) == ("pending", "pending", 2)
    done = await asyncio.gather(*(settle_webhooks(pool, ASYNC) for _ in range(3)))
    assert sum(done) + await settle_webhooks(pool, ASYNC) == 3
    assert await settle_webhooks(pool, ASYNC) == 0
    assert await states(conn, held.reference) == ("confirmed", "captured", 2)


async def test_a_webhook_stored_after_the_settling_transaction_began_is_settled(
    pool: Pool, conn: AsyncConnection
) -> None:
    held = await hold(pool)
    await Inbox(pool, ASYNC).store(webhook("m1", "charge.captured", held.reference))
    await conn.execute("update webhooks set received_at = now() + interval '5 seconds'")
    assert await settle_webhooks(pool, ASYNC) == 1
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)


async def test_a_running_inbox_settles_what_it_stores(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    inbox = Inbox(pool, ASYNC)
    async with inbox.running(), asyncio.timeout(20):
        await inbox.store(webhook("m1", "charge.captured", held.reference, held.total_minor))
        while (await states(conn, held.reference))[0] == "pending":  # noqa: ASYNC110 - the status is in the database
            await asyncio.sleep(0.01)
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)


async def test_webhooks_of_unknown_types_or_references_are_processed(pool: Pool, conn: AsyncConnection) -> None:
    inbox = Inbox(pool, ASYNC)
    await inbox.store(webhook("m1", "dispute.opened", "nobody"))
    await inbox.store(webhook("m2", "charge.captured", "nobody"))
    assert await settle_webhooks(pool, ASYNC) == 2
    cursor = await conn.execute("select count(*) from webhooks where processed_at is null")
    assert await cursor.fetchone() == (0,)


async def test_a_capture_of_another_amount_confirms_nothing(
    pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    held = await hold(pool, "GA", 2)
    inbox = Inbox(pool, ASYNC)
    await inbox.store(webhook("m1", "charge.captured", held.reference, held.total_minor - 1))
    assert await settle_webhooks(pool, ASYNC) == 1
    assert await states(conn, held.reference) == ("pending", "pending", 2)
    assert order_label(held.reference) in caplog.text


async def test_an_invalid_stored_webhook_blocks_no_other_and_is_not_logged(
    pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    held = await hold(pool)
    await conn.execute("""insert into webhooks (id, payload) values ('m0', '{"card": "4242"}')""")
    await Inbox(pool, ASYNC).store(webhook("m1", "charge.captured", held.reference, held.total_minor))
    assert await settle_webhooks(pool, ASYNC) == 2
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)
    assert "'m0'" in caplog.text
    assert "4242" not in caplog.text
