"""Disputes: part of the state of the system until they are decided, and never without the payment of their order."""

import pytest
from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.payments.gateway import Dispute
from api.payments.provider import Amount, ProviderError
from api.payments.stripe_gateway import StripeGateway
from api.services.disputes import record_disputes
from api.services.health import read_system
from api.services.orders import purge_declined
from tests.integration.asynchronous import ASYNC, apply_updates, hold, let_time_pass
from tests.integration.services.stripe_sale import Sale, deliver


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


@pytest.mark.parametrize(("age_s", "pause_s"), [(0, 5), (7200, 360), (864_000, 3600)])
async def test_a_dispute_that_cannot_be_fetched_is_fetched_less_often(
    sale: Sale, monkeypatch: pytest.MonkeyPatch, age_s: int, pause_s: int
) -> None:
    async def fail(*_: object) -> None:
        raise ProviderError("unavailable")

    monkeypatch.setattr(StripeGateway, "find_dispute", fail)
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": "du_1"})
    await sale.conn.execute("update disputes set created_at = now() - make_interval(secs => %s)", [age_s])
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 1
    assert pause_s / 2 < await seconds_to_next_check(sale) <= pause_s + 1


async def seconds_to_next_check(sale: Sale) -> float:
    cursor = await sale.conn.execute("select extract(epoch from next_check_at - now())::float8 from disputes")
    ((seconds,),) = await cursor.fetchall()
    return float(seconds)


async def test_a_dispute_is_recorded_in_its_present_state(sale: Sale) -> None:
    held, url = await sale.hold()
    await sale.pay(url, "disputed")
    response = await sale.stripe.client.get("/v1/disputes", headers={"Authorization": "Bearer sk_test_1"})
    dispute_id = response.json()["data"][0]["id"]
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": dispute_id})
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 1
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 0
    cursor = await sale.conn.execute(
        """
        select orders.reference, disputes.status, disputes.reason, disputes.amount_minor, disputes.currency
        from disputes join payments on payments.id = payment_id join orders on orders.id = order_id
        """
    )
    assert await cursor.fetchall() == [
        (held.reference, "needs_response", "fraudulent", held.total_minor, held.currency)
    ]


@pytest.mark.parametrize("status", ["won", "lost", "warning_closed", "prevented"])
async def test_an_undecided_dispute_is_fetched_until_it_is_decided(
    sale: Sale, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    """Lose the report of the decision."""
    statuses = ["needs_response", "needs_response", status]

    async def find_dispute(_: str) -> Dispute:
        return Dispute(reference=None, amount=Amount(1000, "USD"), status=statuses.pop(0), reason="fraudulent")

    monkeypatch.setattr(sale.stripe.gateway, "find_dispute", find_dispute)
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": "du_1"})
    for _ in range(2):
        assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 1
        assert 3500 < await seconds_to_next_check(sale) <= 3601
        await sale.conn.execute("update disputes set next_check_at = now()")
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 1
    cursor = await sale.conn.execute("select status, next_check_at from disputes")
    assert await cursor.fetchall() == [(status, None)]
    assert [record.getMessage() for record in caplog.records] == [
        "Dispute du_1 is needs_response: fraudulent",
        f"Dispute du_1 is {status}: fraudulent",
    ]


async def test_a_dispute_that_the_provider_does_not_know_is_decided(sale: Sale) -> None:
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": "du_unknown"})
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 1
    cursor = await sale.conn.execute("select status, reason, next_check_at from disputes")
    assert await cursor.fetchall() == [("unknown", None, None)]
    assert (await read_system(sale.pool, ASYNC)).undecided_disputes == 0


async def test_a_dispute_that_cannot_be_stored_does_not_stop_the_others(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_dispute(dispute_id: str) -> Dispute:
        currency = "no currency" if dispute_id == "du_1" else "USD"
        return Dispute(reference=None, amount=Amount(1000, currency), status="lost", reason="fraudulent")

    monkeypatch.setattr(sale.stripe.gateway, "find_dispute", find_dispute)
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": "du_1"})
    await deliver(sale, "charge.dispute.updated", {"object": "dispute", "id": "du_2"})
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 2
    cursor = await sale.conn.execute("select id, status from disputes order by id")
    assert await cursor.fetchall() == [("du_1", None), ("du_2", "lost")]


async def test_a_dispute_that_changes_while_it_is_fetched_is_fetched_again(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Dispute(reference=None, amount=Amount(1000, "USD"), status=status, reason="fraudulent")
        for status in ("needs_response", "lost")
    ]

    async def find_dispute(dispute_id: str) -> Dispute:
        if len(found) == 2:
            await deliver(sale, "charge.dispute.closed", {"object": "dispute", "id": dispute_id})
        return found.pop(0)

    monkeypatch.setattr(sale.stripe.gateway, "find_dispute", find_dispute)
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": "du_1"})
    recorded = [await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) for _ in range(3)]
    assert recorded == [1, 1, 0]
    cursor = await sale.conn.execute("select status from disputes")
    assert await cursor.fetchall() == [("lost",)]
