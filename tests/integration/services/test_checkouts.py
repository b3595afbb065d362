"""Payments on hosted pages, against the simulated Stripe and a real database.

A crash is a step that does not happen: the test repeats the steps of another process after it.
"""

import asyncio
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.payments.provider import Amount, ChargeStatus, ProviderError, RefundRequest, RefundResult
from api.payments.stripe_gateway import StripeGateway
from api.services import orders
from api.services.bookings.model import Booked
from api.services.order_rows import OrderRow
from api.services.order_views import as_first_booked
from api.services.payments import reconcile_payments
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import ASYNC, OPEN, book, hold, let_time_pass, order, states
from tests.integration.services.stripe_sale import LONG_AGO, Sale, deliver
from tests.stripe_shop import shop

pytestmark = pytest.mark.usefixtures("audited")

PAST_HOLD_S = ASYNC.hold_seconds
PAST_REQUESTS_S = ASYNC.hold_seconds + 60


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
