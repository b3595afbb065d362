"""Payments through the simulated Stripe with real processes, which crash while its webhooks are lost or repeated."""

import asyncio
import functools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from api.commands.audit import audit
from api.commands.reconcile import reconcile
from api.config import Settings
from api.payments.stripe_gateway import open_gateway
from tests.conftest import StartStack
from tests.stack import HTTP_TIMEOUT_S, PLAIN_HTTP, Stack
from tests.waiting import order_with_status, read_until

STRIPE = {
    "PAYMENT_PROVIDER": "stripe",
    "STRIPE_API_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": f"whsec_{'a' * 24}",
    "PAYMENT_CHECK_AFTER_MS": "500",
    "PROVIDER_ATTEMPTS_MAX": "6",
    "PSP_DELAY_MS": "100",
    "PSP_DUPLICATE_RATE": "0.5",
    "PSP_REORDER_RATE": "0.5",
    "PSP_LOSS_RATE": "0.5",
    "PSP_LIMIT_RATE": "0.1",
    "PSP_SHORT_FUNDS_RATE": "0.5",
}
ORDERS, UNPAID, CANCELLED = 10, 2, 4


async def test_crashes_and_lost_webhooks_neither_charge_nor_refund_twice(start_stack: StartStack) -> None:
    stack = await start_stack(env=STRIPE)
    await stack.start_payment_simulator()
    async with httpx.AsyncClient(
        base_url=stack.api_url, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP, trust_env=False
    ) as client:
        references = await asyncio.gather(*(book(client, number) for number in range(ORDERS)))
        await stack.stop_api(kill=True)  # Some pages are not created, and some are not stored.
        await stack.start_api()
        await stack.start_worker()
        pages = {reference: await page_of(client, reference) for reference in references}
        paid = references[UNPAID:]
        for number, reference in enumerate(paid):
            if number == len(paid) // 2:
                await stack.stop_worker(kill=True)
            assert await pay(client, pages[reference]) == 303
        await stack.start_worker()
        for reference in paid:
            assert "paymentUrl" not in await order_with_status(client, reference, "confirmed")

        for reference in references[: UNPAID + CANCELLED]:
            response = await client.post(f"/api/bookings/{reference}/cancel", json={"userId": "user-123"})
            assert response.json()["status"] == "cancelled"
        await stack.stop_worker(kill=True)
        await stack.start_worker()
        for reference in references[:UNPAID]:
            await read_until(functools.partial(client.get, pages[reference]), is_closed)
            assert await pay(client, pages[reference]) == 200
        for reference in references[UNPAID : UNPAID + CANCELLED]:
            await read_until(functools.partial(client.get, f"/api/bookings/{reference}"), is_refunded)
    assert audit(stack.database_url) == []
    assert await differences(stack) == []
    charged, refunded = await totals(stack)
    assert sorted(charged) == sorted(paid)
    assert sorted(refunded) == sorted(references[UNPAID : UNPAID + CANCELLED])

    await refund_by_hand(stack, paid[-1])
    assert await differences(stack) == ["the provider refunded 1 USD without a request"]


async def book(client: httpx.AsyncClient, number: int) -> str:
    body = {"tier": "GA", "quantity": 1, "userId": "user-123", "bookingReference": f"order-{number}"}
    assert (await client.post("/api/bookings", json=body)).status_code == 202
    return f"order-{number}"


async def page_of(client: httpx.AsyncClient, reference: str) -> str:
    """Wait until an order has a page; return its address."""
    response = await read_until(
        lambda: client.get(f"/api/bookings/{reference}"), lambda response: "paymentUrl" in response.json()
    )
    url: str = response.json()["paymentUrl"]
    return url


async def pay(client: httpx.AsyncClient, page: str) -> int:
    return (await client.post(page, data={"outcome": "captured"})).status_code


def is_closed(page: httpx.Response) -> bool:
    return "no longer" in page.text


def is_refunded(response: httpx.Response) -> bool:
    refunds: list[dict[str, Any]] = response.json().get("refunds", [])
    return [refund["status"] for refund in refunds] == ["succeeded"]


def settings_of(stack: Stack) -> Settings:
    return Settings.from_env(stack.environment | {"PROVIDER_TIMEOUT_MS": "10000", "PROVIDER_ATTEMPTS_MAX": "10"})


async def differences(stack: Stack) -> list[str]:
    """Return the differences that `make reconcile` reports."""
    since = datetime.now(UTC) - timedelta(hours=1)
    found = await reconcile(stack.environment["DATABASE_URL"], settings_of(stack), since)
    return [difference.fact for difference in found]


async def totals(stack: Stack) -> tuple[list[str], list[str]]:
    """Return the references of the payments that Stripe has captured, and of its refunds."""
    since = datetime.now(UTC) - timedelta(hours=1)
    async with open_gateway(settings_of(stack)) as gateway:
        charged = [payment.reference or "" async for payment in gateway.payments_since(since)]
        return charged, [refund.reference or "" async for refund in gateway.refunds_since(since)]


async def refund_by_hand(stack: Stack, reference: str) -> None:
    """Refund a cent in Stripe's dashboard, without a request of the system."""
    since = datetime.now(UTC) - timedelta(hours=1)
    async with open_gateway(settings_of(stack)) as gateway:
        (intent,) = [each.id async for each in gateway.payments_since(since) if each.reference == reference]
    async with httpx.AsyncClient(base_url=stack.simulator_url, verify=PLAIN_HTTP, trust_env=False) as client:
        headers = {"Authorization": "Bearer sk_test_1"}
        body = {"payment_intent": intent, "amount": "1"}

        async def post() -> httpx.Response:
            return await client.post("/v1/refunds", data=body, headers=headers)

        await read_until(post, lambda response: response.status_code == 200)
