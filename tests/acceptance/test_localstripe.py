"""The adapter for Stripe gets the same results from the payment simulator and from localstripe.

localstripe imitates Stripe independently of this project. It has no Checkout Sessions, no idempotency and no limit of
refunds, so the test compares refunds of payments that each side makes in its own way. It runs as a process of its own.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from api.config import Settings
from api.payments.bounded_client import BoundedClient
from api.payments.circuit_breaker import CircuitBreaker
from api.payments.provider import Amount, ProviderError, RefundRequest
from api.payments.stripe_gateway import StripeGateway
from tests.stack import PLAIN_HTTP, free_port
from tests.stripe_shop import shop
from tests.waiting import read_until

# localstripe would keep its objects in a file that all processes share.
SERVE = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
KEY = {"Authorization": "Bearer sk_test_1"}
AMOUNT = Amount(12_50, "USD")


class IntentGateway(StripeGateway):
    """The adapter with the ids of payments in place of those of Checkout Sessions."""

    async def _intent_id(self, checkout_id: str, reference: str) -> str:  # noqa: ARG002 - the adapter's own parameters
        return checkout_id


Pay = Callable[[], Awaitable[str]]
"""Makes a payment; returns its id."""
Opened = AbstractAsyncContextManager[tuple[IntentGateway, Pay]]


def gateway_of(client: httpx.AsyncClient, url: str) -> IntentGateway:
    settings = Settings(provider_timeout_ms=10_000)
    bounded = BoundedClient(client, CircuitBreaker(failures_max=5, reset_s=5), settings, repeated=(409, 429))
    return IntentGateway(bounded, "sk_test_1", url)


@contextlib.asynccontextmanager
async def simulator(directory: Path) -> AsyncIterator[tuple[IntentGateway, Pay]]:
    async with shop(directory) as it:

        async def pay() -> str:
            checkout = await it.start()
            await it.pay(checkout)
            session = await it.client.get(f"/v1/checkout/sessions/{checkout.id}", headers=KEY)
            intent: str = session.json()["payment_intent"]
            return intent

        yield gateway_of(it.client, "http://127.0.0.1:3002"), pay


@contextlib.asynccontextmanager
async def localstripe(directory: Path) -> AsyncIterator[tuple[IntentGateway, Pay]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, str(port), stdout=log, stderr=log)
    try:
        await read_until(lambda: accepts(port), bool)
        async with httpx.AsyncClient(base_url=url, verify=PLAIN_HTTP, trust_env=False, timeout=10) as client:

            async def pay() -> str:
                method = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12"}
                method |= {"card[exp_year]": "2099", "card[cvc]": "123"}
                made = (await client.post("/v1/payment_methods", data=method, headers=KEY)).raise_for_status()
                body = {"amount": str(AMOUNT.minor), "currency": "usd", "payment_method": made.json()["id"]}
                paid = await client.post("/v1/payment_intents", data=body | {"confirm": "true"}, headers=KEY)
                intent = paid.raise_for_status().json()
                assert intent["status"] == "succeeded"
                intent_id: str = intent["id"]
                return intent_id

            yield gateway_of(client, url), pay
    finally:
        process.terminate()
        await process.wait()


async def accepts(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def refund(key: str, minor: int) -> RefundRequest:
    return RefundRequest(key=key, reference="bk_1", amount=Amount(minor, "USD"))


@pytest.mark.parametrize("opened", [simulator, localstripe])
async def test_refunds_are_made_and_found(tmp_path: Path, opened: Callable[[Path], Opened]) -> None:
    async with opened(tmp_path) as (gateway, pay):
        intent = await pay()
        assert await gateway.find_refund(intent, refund("a", 1000)) is None
        first = await gateway.refund(intent, refund("a", 1000))
        second = await gateway.refund(intent, refund("b", 250))
        assert (first.status, first.error, second.status) == ("succeeded", None, "succeeded")
        assert len({first.provider_id, second.provider_id, None}) == 3
        assert await gateway.find_refund(intent, refund("a", 1000)) == first
        assert await gateway.find_refund(intent, refund("b", 250)) == second
        with pytest.raises(ProviderError, match="another refund"):
            await gateway.find_refund(intent, refund("b", 251))


@pytest.mark.parametrize("opened", [simulator, localstripe])
async def test_an_unknown_payment_is_refused(tmp_path: Path, opened: Callable[[Path], Opened]) -> None:
    async with opened(tmp_path) as (gateway, _):
        refused = await gateway.refund("pi_unknown", refund("a", 1000))
        assert refused.status == "failed"
        with pytest.raises(ProviderError):
            await gateway.find_refund("pi_unknown", refund("a", 1000))
