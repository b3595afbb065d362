"""Payments on hosted pages, against the simulated Stripe and a real database.

A crash is a step that does not happen: the test repeats the steps of another process after it.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.payments.gateway import Checkout, Dispute
from api.payments.provider import Amount, ChargeStatus, ProviderError, RefundRequest, RefundResult
from api.payments.stripe_gateway import StripeGateway
from api.payments.stripe_simulator.signatures import sign
from api.payments.stripe_webhooks import verify
from api.services import orders
from api.services.bookings.model import Booked
from api.services.checkouts import Checkouts
from api.services.disputes import record_disputes
from api.services.order_rows import OrderRow
from api.services.order_views import as_first_booked, get_order
from api.services.payments import reconcile_payments
from api.services.refunds import request_refunds
from api.services.returns import cancel_order, return_tickets
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, OPEN, book, hold, let_time_pass, order, states
from tests.stripe_shop import Shop, shop

pytestmark = pytest.mark.usefixtures("audited")

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PAST_HOLD_S = ASYNC.hold_seconds
PAST_REQUESTS_S = ASYNC.hold_seconds + 60
SECRET = f"whsec_{'a' * 24}"


class Sale:
    """A shop whose orders are in the test's database."""

    def __init__(self, pool: Pool, conn: AsyncConnection, stripe: Shop) -> None:
        self.pool, self.conn, self.stripe = pool, conn, stripe
        self.provider = Checkouts(pool, stripe.gateway, ASYNC)

    async def hold(self, quantity: int = 1) -> tuple[OrderRow, str]:
        """Hold tickets and create the page; return the order and the address of the page."""
        held = await hold(self.pool, "GA", quantity)
        await self.provider.charge(held.reference, Amount(held.total_minor, held.currency))
        url = await self.url(held)
        assert url
        return held, url

    async def url(self, order: OrderRow) -> str | None:
        body, _ = await get_order(self.pool, order.reference, OPEN)
        return body.payment_url or None

    async def pay(self, url: str, outcome: str = "captured") -> None:
        await self.stripe.pay(Checkout("", url), outcome)

    async def work(self) -> None:
        """Run the jobs of the worker once, in the order of a hold's end."""
        await self.provider.close_ended(self.pool, ASYNC)
        await orders.expire_holds(self.pool, ASYNC)
        await reconcile_payments(self.pool, ASYNC, self.provider)
        await request_refunds(self.pool, ASYNC, self.provider)

    async def make_due(self) -> None:
        await self.conn.execute("update payments set next_check_at = now() where status = 'pending'")

    async def captured(self) -> int:
        """Return the number of payments that Stripe has captured."""
        return len([payment async for payment in self.stripe.gateway.payments_since(LONG_AGO)])

    async def refunded(self) -> list[int]:
        """Return the amounts that Stripe has refunded, in minor units."""
        return [refund.amount.minor async for refund in self.stripe.gateway.refunds_since(LONG_AGO)]


@pytest.fixture
async def sale(pool: Pool, conn: AsyncConnection, tmp_path: Path) -> AsyncIterator[Sale]:
    opened, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def run() -> None:  # pytest ends a fixture in another task than it began, which the simulator refuses
        async with shop(tmp_path) as stripe:
            opened.set_result(stripe)
            await stop.wait()

    task = asyncio.create_task(run())
    yield Sale(pool, conn, await opened)
    stop.set()
    await task


async def deliver(sale: Sale, event_type: str, about: dict[str, object]) -> None:
    """Store a signed webhook as the route does, and settle it."""
    body = msgspec.json.encode({"id": f"evt_{event_type}", "type": event_type, "data": {"object": about}})
    await Inbox(sale.pool, ASYNC).store(verify((SECRET,), body, sign(SECRET, body, datetime.now(UTC))))
    assert await settle_webhooks(sale.pool, ASYNC) == 1


async def test_a_buyer_pays_on_the_page_and_the_webhook_hastens_the_check(sale: Sale) -> None:
    held, url = await sale.hold(2)
    await sale.pay(url)
    assert await reconcile_payments(sale.pool, ASYNC, sale.provider) == 0
    await deliver(sale, "checkout.session.completed", {"id": "cs_1", "client_reference_id": held.reference})
    assert await states(sale.conn, held.reference) == ("pending", "pending", 2)
    assert await reconcile_payments(sale.pool, ASYNC, sale.provider) == 1
    assert await states(sale.conn, held.reference) == ("confirmed", "captured", 2)
    assert await sale.url(held) is None


async def test_a_webhook_that_lies_settles_nothing(sale: Sale) -> None:
    held, _ = await sale.hold()
    await deliver(sale, "checkout.session.completed", {"client_reference_id": held.reference, "payment_status": "paid"})
    await reconcile_payments(sale.pool, ASYNC, sale.provider)
    assert await states(sale.conn, held.reference) == ("pending", "pending", 1)


async def test_a_declined_card_keeps_the_hold_and_the_page(sale: Sale) -> None:
    held, url = await sale.hold()
    await sale.pay(url, "declined")
    await sale.make_due()
    await sale.work()
    assert await states(sale.conn, held.reference) == ("pending", "pending", 1)
    await sale.pay(await sale.url(held) or "")
    await sale.make_due()
    await sale.work()
    assert await states(sale.conn, held.reference) == ("confirmed", "captured", 1)
    assert await sale.captured() == 1


async def test_a_crash_between_start_and_store_creates_one_page(sale: Sale) -> None:
    held = await hold(sale.pool)
    amount = Amount(held.total_minor, held.currency)
    lost = await sale.stripe.gateway.start(held.reference, amount, f"{ASYNC.web_url}/booking/{held.reference}")
    assert await sale.url(held) is None
    await sale.make_due()
    await sale.work()
    assert await sale.url(held) == lost.url


async def test_a_repeated_booking_gets_the_first_response_although_its_page_exists(sale: Sale) -> None:
    request = order("GA", 2)
    (first,) = await book(sale.pool, request)
    assert isinstance(first, Booked)
    await sale.provider.charge(request.reference, Amount(first.order.total_minor, first.order.currency))
    (again,) = await book(sale.pool, request)
    assert isinstance(again, Booked)
    assert again.order.payment_url
    assert as_first_booked(again.order) == first.order


async def test_two_processes_that_create_a_page_store_the_same(sale: Sale) -> None:
    held = await hold(sale.pool)
    amount = Amount(held.total_minor, held.currency)
    await asyncio.gather(*(sale.provider.charge(held.reference, amount) for _ in range(5)))
    cursor = await sale.conn.execute("select count(*) from checkouts")
    assert await cursor.fetchone() == (1,)


async def test_the_page_is_closed_before_its_tickets_are_released(sale: Sale) -> None:
    held, url = await sale.hold()
    await let_time_pass(sale.conn, PAST_HOLD_S)
    assert await orders.expire_holds(sale.pool, ASYNC) == 0
    await sale.work()
    assert await states(sale.conn, held.reference) == ("expired", "pending", 0)
    await sale.pay(url)
    assert await sale.captured() == 0
    await let_time_pass(sale.conn, PAST_REQUESTS_S)
    await sale.work()
    assert await states(sale.conn, held.reference) == ("expired", "void", 0)


@pytest.mark.parametrize("closes_first", [True, False])
async def test_closing_first_prevents_late_payments(sale: Sale, *, closes_first: bool) -> None:
    """Without the close, a buyer who pays at the end of the hold pays for tickets that were released."""
    held, url = await sale.hold()
    await let_time_pass(sale.conn, PAST_HOLD_S + 1)
    if closes_first:
        await sale.provider.close_ended(sale.pool, ASYNC)
    await orders.expire_holds(sale.pool, ASYNC)
    await sale.pay(url)
    assert await sale.captured() == (0 if closes_first else 1)
    assert (await states(sale.conn, held.reference))[0] == "expired"


async def test_a_payment_that_is_faster_than_the_close_gets_its_tickets(sale: Sale) -> None:
    held, url = await sale.hold()
    await sale.pay(url)
    await let_time_pass(sale.conn, PAST_HOLD_S)
    await sale.work()
    assert await states(sale.conn, held.reference) == ("confirmed", "captured", 1)


async def test_tickets_are_released_although_the_provider_is_away(sale: Sale, monkeypatch: pytest.MonkeyPatch) -> None:
    held, url = await sale.hold()

    async def fail(*_: object) -> ChargeStatus | None:
        raise ProviderError("away")

    with monkeypatch.context() as away:
        away.setattr(StripeGateway, "close", fail)
        await let_time_pass(sale.conn, PAST_HOLD_S)
        await sale.provider.close_ended(sale.pool, ASYNC)
        assert await orders.expire_holds(sale.pool, ASYNC) == 0
        await let_time_pass(sale.conn, 1)
        assert await orders.expire_holds(sale.pool, ASYNC) == 1
    await sale.pay(url)
    await let_time_pass(sale.conn, 60)
    await sale.work()
    assert await states(sale.conn, held.reference) == ("confirmed", "captured", 1)  # the tickets were still free


async def test_a_cancelled_order_closes_its_page_at_once(sale: Sale) -> None:
    held, url = await sale.hold()
    await cancel_order(sale.pool, held.reference, "u", OPEN)
    assert await sale.url(held) is None
    assert await sale.provider.close_ended(sale.pool, ASYNC) == 1
    await sale.pay(url)
    assert await sale.captured() == 0


async def test_a_payment_during_the_cancellation_is_refunded_once(sale: Sale) -> None:
    held, url = await sale.hold()
    await sale.pay(url)
    await cancel_order(sale.pool, held.reference, "u", OPEN)
    for _ in range(3):
        await sale.work()
    assert await states(sale.conn, held.reference) == ("cancelled", "refunded", 0)
    assert await sale.refunded() == [held.total_minor]


async def test_a_capture_after_a_declined_payment_is_refunded(sale: Sale, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank may take the money of a debit that the provider has reported as declined."""
    held, url = await sale.hold()
    await sale.pay(url)

    async def decline(*_: object) -> ChargeStatus:
        return "declined"

    with monkeypatch.context() as declining:
        declining.setattr(StripeGateway, "find", decline)
        await sale.make_due()
        for _ in range(2):
            await sale.work()
    assert await states(sale.conn, held.reference) == ("declined", "declined", 0)
    assert await sale.provider.close_ended(sale.pool, ASYNC) == 0
    await deliver(sale, "checkout.session.async_payment_succeeded", {"client_reference_id": held.reference})
    await sale.work()
    assert await states(sale.conn, held.reference) == ("declined", "refunded", 0)
    assert await sale.refunded() == [held.total_minor]


async def test_a_page_that_changes_while_it_is_closed_is_closed_again(
    sale: Sale, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, url = await sale.hold()
    await sale.pay(url)
    await cancel_order(sale.pool, held.reference, "u", OPEN)
    await sale.conn.execute("update payments set status = 'void', next_check_at = null")

    async def report(*_: object) -> ChargeStatus | None:
        await deliver(sale, "checkout.session.completed", {"client_reference_id": held.reference})
        return None

    with monkeypatch.context() as reporting:
        reporting.setattr(StripeGateway, "close", report)
        assert await sale.provider.close_ended(sale.pool, ASYNC) == 1
    await sale.work()
    assert await states(sale.conn, held.reference) == ("cancelled", "refunded", 0)


@pytest.mark.parametrize(("age_s", "pause_s"), [(60, 5), (7200, 360), (864_000, 3600)])
async def test_a_page_that_stays_undecided_is_closed_less_often(
    sale: Sale, monkeypatch: pytest.MonkeyPatch, age_s: int, pause_s: int
) -> None:
    await sale.hold()

    async def wait(*_: object) -> ChargeStatus:
        return "processing"

    monkeypatch.setattr(StripeGateway, "close", wait)
    await let_time_pass(sale.conn, ASYNC.hold_seconds + age_s)
    assert await sale.provider.close_ended(sale.pool, ASYNC) == 1
    cursor = await sale.conn.execute("select extract(epoch from next_close_at - now())::float8 from checkouts")
    ((seconds,),) = await cursor.fetchall()
    assert pause_s / 2 < seconds <= pause_s + 1
    await orders.expire_holds(sale.pool, ASYNC)


@pytest.mark.parametrize(("age_s", "pause_s"), [(0, 5), (7200, 360), (864_000, 3600)])
async def test_a_dispute_that_the_provider_does_not_know_is_fetched_less_often(
    sale: Sale, age_s: int, pause_s: int
) -> None:
    await deliver(sale, "charge.dispute.created", {"object": "dispute", "id": "du_unknown"})
    await sale.conn.execute("update disputes set created_at = now() - make_interval(secs => %s)", [age_s])
    assert await record_disputes(sale.pool, ASYNC, sale.stripe.gateway) == 1
    cursor = await sale.conn.execute("select extract(epoch from next_check_at - now())::float8 from disputes")
    ((seconds,),) = await cursor.fetchall()
    assert pause_s / 2 < seconds <= pause_s + 1


async def confirmed(sale: Sale, quantity: int) -> OrderRow:
    held, url = await sale.hold(quantity)
    await sale.pay(url)
    await sale.make_due()
    await sale.work()
    return held


async def test_single_tickets_and_the_rest_are_refunded(sale: Sale) -> None:
    held = await confirmed(sale, 2)
    cursor = await sale.conn.execute("select min(id) from bookings")
    row = await cursor.fetchone()
    assert row
    await return_tickets(sale.pool, held.reference, "u", [row[0]], OPEN)
    await sale.work()
    assert await sale.refunded() == [held.total_minor // 2]
    await cancel_order(sale.pool, held.reference, "u", OPEN)
    await sale.work()
    assert await sale.refunded() == [held.total_minor // 2] * 2
    assert await states(sale.conn, held.reference) == ("cancelled", "refunded", 0)


async def test_a_crash_between_refund_and_settlement_refunds_once(sale: Sale, monkeypatch: pytest.MonkeyPatch) -> None:
    held = await confirmed(sale, 1)
    await cancel_order(sale.pool, held.reference, "u", OPEN)
    refund = StripeGateway.refund

    async def crash(self: StripeGateway, checkout_id: str, request: RefundRequest) -> RefundResult:
        await refund(self, checkout_id, request)
        raise ProviderError("the process ended")

    with monkeypatch.context() as ending:
        ending.setattr(StripeGateway, "refund", crash)
        await sale.work()
    assert await states(sale.conn, held.reference) == ("cancelled", "refunding", 0)
    await sale.conn.execute("update refunds set next_check_at = now()")
    await sale.work()
    assert await states(sale.conn, held.reference) == ("cancelled", "refunded", 0)
    assert await sale.refunded() == [held.total_minor]


async def test_a_webhook_hastens_a_pending_refund(pool: Pool, conn: AsyncConnection, tmp_path: Path) -> None:
    async with shop(tmp_path, psp_short_funds_rate=1, psp_delay_ms=20) as stripe:
        sale = Sale(pool, conn, stripe)
        held = await confirmed(sale, 1)
        await cancel_order(pool, held.reference, "u", OPEN)
        await sale.work()
        cursor = await conn.execute("select status from refunds")
        assert await cursor.fetchone() == ("pending",)
        while "pending" in [each.status async for each in stripe.gateway.refunds_since(LONG_AGO)]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await deliver(sale, "refund.updated", {"object": "refund", "metadata": {"reference": held.reference}})
        await sale.work()
        assert await states(conn, held.reference) == ("cancelled", "refunded", 0)


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


async def test_an_order_without_a_page_cannot_be_refunded_here(sale: Sale) -> None:
    held = await hold(sale.pool)
    request = RefundRequest(key="k", reference=held.reference, amount=Amount(held.total_minor, held.currency))
    with pytest.raises(ProviderError, match="another provider"):
        await sale.provider.refund(request)
    assert await sale.provider.find_refund(request) is None
    assert await sale.provider.find(held.reference) is None


async def test_a_page_that_fails_does_not_stop_the_others(sale: Sale, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = await sale.hold()
    second, _ = await sale.hold()
    close = StripeGateway.close

    async def fail_first(
        self: StripeGateway, checkout_id: str, reference: str, expected: Amount | None = None
    ) -> ChargeStatus | None:
        if reference == first.reference:
            raise RuntimeError
        return await close(self, checkout_id, reference, expected)

    monkeypatch.setattr(StripeGateway, "close", fail_first)
    await let_time_pass(sale.conn, PAST_HOLD_S)
    assert await sale.provider.close_ended(sale.pool, ASYNC) == 2
    await orders.expire_holds(sale.pool, ASYNC)
    assert (await states(sale.conn, first.reference))[0] == "pending"
    assert (await states(sale.conn, second.reference))[0] == "expired"
