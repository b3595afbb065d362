"""The adapter for Stripe against the payment simulator, without a network."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from api.config import Settings
from api.payments.bounded_client import BoundedClient
from api.payments.circuit_breaker import CircuitBreaker
from api.payments.provider import Amount, ProviderError, ProviderPayment, ProviderRefund, RefundRequest
from api.payments.stripe_gateway import StripeGateway
from tests.stripe_shop import AMOUNT, REFERENCE, shop

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def refund(key: str, minor: int = 1250, currency: str = "USD") -> RefundRequest:
    return RefundRequest(key=key, reference=REFERENCE, amount=Amount(minor, currency))


async def test_a_payment_is_found_after_the_buyer_has_paid(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start()
        assert await it.gateway.find(checkout.id, REFERENCE, AMOUNT) == "processing"
        await it.pay(checkout, "declined")
        assert await it.gateway.find(checkout.id, REFERENCE, AMOUNT) == "processing"
        await it.pay(checkout)
        assert await it.gateway.find(checkout.id, REFERENCE, AMOUNT) == "captured"


async def test_a_repeated_start_returns_the_same_page(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        assert await it.start() == await it.start()
        assert await it.start(reference="bk_2") != await it.start()
        with pytest.raises(ProviderError, match="same parameters"):
            await it.start(Amount(99, "USD"))


@pytest.mark.parametrize(
    "amount", [Amount(1250, "USD"), Amount(500, "JPY"), Amount(500, "ISK"), Amount(12_340, "KWD"), Amount(500, "MGA")]
)
async def test_amounts_of_every_exponent_survive(tmp_path: Path, amount: Amount) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start(amount)
        await it.pay(checkout)
        assert await it.gateway.find(checkout.id, REFERENCE, amount) == "captured"
        request = RefundRequest(key="k", reference=REFERENCE, amount=amount)
        assert (await it.gateway.refund(checkout.id, request)).status == "succeeded"
        assert await it.gateway.find(checkout.id, REFERENCE, amount) == "refunded"


async def test_an_amount_that_stripe_cannot_charge_is_an_error(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        with pytest.raises(ProviderError, match="4 decimal places"):
            await it.start(Amount(10_000, "CLF"))


async def test_the_page_of_another_order_or_amount_is_an_error(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start()
        with pytest.raises(ProviderError, match="another order"):
            await it.gateway.find(checkout.id, "bk_2")
        await it.pay(checkout)
        with pytest.raises(ProviderError, match=r"1250 USD, not 99 USD"):
            await it.gateway.find(checkout.id, REFERENCE, Amount(99, "USD"))
        with pytest.raises(ProviderError, match=r"No such checkout\.session"):
            await it.gateway.find("cs_unknown", REFERENCE)


async def test_a_closed_page_cannot_be_paid(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start()
        assert await it.gateway.close(checkout.id, REFERENCE, AMOUNT) is None
        await it.pay(checkout)
        assert await it.gateway.find(checkout.id, REFERENCE, AMOUNT) is None
        assert await it.gateway.close(checkout.id, REFERENCE, AMOUNT) is None


async def test_an_unpaid_page_over_another_amount_has_an_end(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start()
        assert await it.gateway.find(checkout.id, REFERENCE, Amount(99, "USD")) == "processing"
        assert await it.gateway.close(checkout.id, REFERENCE, Amount(99, "USD")) is None


async def test_a_payment_that_is_faster_than_the_close_is_reported(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.paid()
        assert await it.gateway.close(checkout.id, REFERENCE, AMOUNT) == "captured"


@pytest.mark.parametrize(("session_status", "payment_status"), [("complete", "paid"), ("open", "unpaid")])
async def test_a_close_that_fails_for_good_reports_a_payment(
    tmp_path: Path, session_status: str, payment_status: str
) -> None:
    session = {
        "id": "cs_1",
        "object": "checkout.session",
        "client_reference_id": REFERENCE,
        "amount_total": 1250,
        "currency": "usd",
        "status": session_status,
        "payment_status": payment_status,
        "payment_intent": {"latest_charge": {"amount": 1250, "amount_refunded": 0}},
    }

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/expire"):
            return httpx.Response(500, json={"error": {"message": "no"}})
        return httpx.Response(200, json=session)

    async with shop(tmp_path, respond) as it:
        if payment_status == "paid":
            assert await it.gateway.close("cs_1", REFERENCE, AMOUNT) == "captured"
        else:
            with pytest.raises(ProviderError, match="500"):
                await it.gateway.close("cs_1", REFERENCE, AMOUNT)


@pytest.mark.parametrize(
    ("intent_status", "expected"),
    [
        ("processing", "processing"),
        ("requires_action", "processing"),
        ("requires_payment_method", "declined"),
        ("canceled", "declined"),
    ],
)
async def test_a_payment_that_can_still_arrive_is_not_declined(
    tmp_path: Path, intent_status: str, expected: str
) -> None:
    session = {
        "id": "cs_1",
        "object": "checkout.session",
        "client_reference_id": REFERENCE,
        "amount_total": 1250,
        "currency": "usd",
        "status": "complete",
        "payment_status": "unpaid",
        "payment_intent": {"status": intent_status},
    }
    async with shop(tmp_path, lambda _: httpx.Response(200, json=session)) as it:
        assert await it.gateway.find("cs_1", REFERENCE, AMOUNT) == expected


async def test_a_refund_is_made_once_for_each_key(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.paid()
        assert await it.gateway.find_refund(checkout.id, refund("a", 1000)) is None
        first = await it.gateway.refund(checkout.id, refund("a", 1000))
        assert first.status == "succeeded"
        assert await it.gateway.refund(checkout.id, refund("a", 1000)) == first
        assert await it.gateway.find_refund(checkout.id, refund("a", 1000)) == first
        assert await it.gateway.find(checkout.id, REFERENCE, AMOUNT) == "captured"
        over = await it.gateway.refund(checkout.id, refund("b", 251))
        assert (over.status, "greater than unrefunded" in (over.error or "")) == ("failed", True)
        assert (await it.gateway.refund(checkout.id, refund("c", 250))).status == "succeeded"
        assert await it.gateway.find(checkout.id, REFERENCE, AMOUNT) == "refunded"


async def test_a_refund_without_funds_is_pending_until_it_succeeds(tmp_path: Path) -> None:
    async with shop(tmp_path, psp_short_funds_rate=1, psp_delay_ms=50) as it:
        checkout = await it.paid()
        assert (await it.gateway.refund(checkout.id, refund("a"))).status == "pending"
        while (found := await it.gateway.find_refund(checkout.id, refund("a"))) and found.status == "pending":  # noqa: ASYNC110 - the simulator decides
            await asyncio.sleep(0.005)
        assert found
        assert found.status == "succeeded"


async def test_a_failed_refund_states_its_reason(tmp_path: Path) -> None:
    async with shop(tmp_path, psp_refund_failure_rate=1) as it:
        checkout = await it.paid()
        await it.gateway.refund(checkout.id, refund("a"))
        while (found := await it.gateway.find_refund(checkout.id, refund("a"))) and found.status == "pending":  # noqa: ASYNC110 - the simulator decides
            await asyncio.sleep(0.005)
        assert found
        assert (found.status, found.error) == ("failed", "expired_or_canceled_card")


async def test_lists_of_several_pages_are_complete(tmp_path: Path) -> None:
    """Stripe returns at most 100 objects at once."""
    references = {f"bk_{number}" for number in range(101)}
    async with shop(tmp_path) as it:
        for reference in references:
            checkout = await it.start(reference=reference)
            await it.pay(checkout)
            asked = RefundRequest(key=f"key of {reference}", reference=reference, amount=AMOUNT)
            await it.gateway.refund(checkout.id, asked)
        assert {payment.reference async for payment in it.gateway.payments_since(LONG_AGO)} == references
        assert {refund.reference async for refund in it.gateway.refunds_since(LONG_AGO)} == references


async def test_an_unpaid_page_cannot_be_refunded(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start()
        with pytest.raises(ProviderError, match="no payment"):
            await it.gateway.refund(checkout.id, refund("a"))


async def test_requests_above_the_rate_limit_are_repeated(tmp_path: Path) -> None:
    async with shop(tmp_path, psp_limit_rate=0.2) as it:
        it.gateway = StripeGateway(
            BoundedClient(
                it.client,
                CircuitBreaker(failures_max=5, reset_s=5),
                Settings(provider_attempts_max=10, provider_timeout_ms=5000),
                repeated=(409, 429),
            ),
            "sk_test_1",
            "http://127.0.0.1:3002",
        )
        checkouts = [await it.start(reference=f"bk_{number}") for number in range(10)]
        assert len(set(checkouts)) == 10


@pytest.mark.parametrize("status", [409, 429, 500])
async def test_a_provider_that_never_recovers_is_an_error_without_the_reference(tmp_path: Path, status: int) -> None:
    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, json={"error": {"message": "no"}})

    async with shop(tmp_path, respond) as it:
        with pytest.raises(ProviderError, match=str(status)) as error:
            await it.start()
        assert REFERENCE not in str(error.value)
    assert len(requests) == 3
    assert {request.headers["Idempotency-Key"] for request in requests} == {f"checkout/{REFERENCE}"}


async def test_a_dispute_names_its_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.start()
        await it.pay(checkout, "disputed")
        (dispute,) = (await it.client.get("/v1/disputes", headers={"Authorization": "Bearer sk_test_1"})).json()["data"]
        found = await it.gateway.find_dispute(dispute["id"])
        assert found is not None
        assert (found.reference, found.amount, found.status, found.reason) == (
            REFERENCE,
            AMOUNT,
            "needs_response",
            "fraudulent",
        )


async def test_a_dispute_that_stripe_does_not_know_is_none(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        assert await it.gateway.find_dispute("du_unknown") is None


@pytest.mark.parametrize(("word", "stored"), [("", "unknown"), (None, "unknown"), ("x" * 300, "x" * 100)])
async def test_the_words_of_a_dispute_can_be_stored(tmp_path: Path, word: str | None, stored: str) -> None:
    dispute = {"id": "du_1", "object": "dispute", "amount": 1250, "currency": "usd", "status": word, "reason": word}
    async with shop(tmp_path, lambda _: httpx.Response(200, json={**dispute, "payment_intent": None})) as it:
        found = await it.gateway.find_dispute("du_1")
    assert found is not None
    assert (found.status, found.reason) == (stored, stored)


@pytest.mark.parametrize(
    ("status", "kind", "fails"),
    [
        (400, "invalid_request_error", True),
        (400, "idempotency_error", True),
        (402, "card_error", True),
        (401, "invalid_request_error", False),
        (403, "invalid_request_error", False),
        (500, "api_error", False),
    ],
)
async def test_a_refund_fails_only_if_each_repeat_would_fail(
    tmp_path: Path, status: int, kind: str, *, fails: bool
) -> None:
    session = {"id": "cs_1", "object": "checkout.session", "payment_intent": "pi_1"}

    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=session)
        return httpx.Response(status, json={"error": {"type": kind, "message": "no"}})

    async with shop(tmp_path, respond) as it:
        if fails:
            result = await it.gateway.refund("cs_1", refund("k"))
            assert (result.status, result.error) == ("failed", "no")
        else:
            with pytest.raises(ProviderError):
                await it.gateway.refund("cs_1", refund("k"))


async def test_captured_payments_and_refunds_are_listed(tmp_path: Path) -> None:
    async with shop(tmp_path) as it:
        checkout = await it.paid()
        unpaid = await it.start(reference="bk_2")
        await it.pay(unpaid, "declined")
        result = await it.gateway.refund(checkout.id, refund("a", 1000))
        payments = [each async for each in it.gateway.payments_since(LONG_AGO)]
        refunds = [each async for each in it.gateway.refunds_since(LONG_AGO)]
        assert payments == [ProviderPayment(payments[0].id, REFERENCE, AMOUNT)]
        assert refunds == [
            ProviderRefund(result.provider_id or "", "a", REFERENCE, Amount(1000, "USD"), "succeeded"),
        ]
        later = datetime(2100, 1, 1, tzinfo=UTC)
        assert [each async for each in it.gateway.payments_since(later)] == []
