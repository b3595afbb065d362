"""A shop that takes payments through the simulated Stripe, without a network."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import httpx

from api.commands.payment_simulator import create_app
from api.config import Settings
from api.payments.bounded_client import BoundedClient
from api.payments.circuit_breaker import CircuitBreaker
from api.payments.gateway import Checkout
from api.payments.provider import Amount
from api.payments.stripe_gateway import StripeGateway

REFERENCE = "bk_1"
AMOUNT = Amount(12_50, "USD")
RETURN_URL = "https://shop.example/booking/bk_1"


class Shop:
    """A gateway of a shop, and a client with which buyers pay."""

    def __init__(self, gateway: StripeGateway, client: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.client = client

    async def start(self, amount: Amount = AMOUNT, reference: str = REFERENCE) -> Checkout:
        return await self.gateway.start(reference, amount, RETURN_URL)

    async def pay(self, checkout: Checkout, outcome: str = "captured") -> None:
        response = await self.client.post(checkout.url, data={"outcome": outcome})
        assert response.status_code in {200, 303}

    async def paid(self) -> Checkout:
        checkout = await self.start()
        await self.pay(checkout)
        return checkout


@contextlib.asynccontextmanager
async def shop(
    directory: Path, respond: Callable[[httpx.Request], httpx.Response] | None = None, **settings: Any
) -> AsyncIterator[Shop]:
    """Run a shop against the simulator, or against `respond`."""
    app = create_app(Settings(data_dir=directory, psp_loss_rate=1, **({"psp_delay_ms": 0} | settings)))
    transport = httpx.MockTransport(respond) if respond else httpx.ASGITransport(cast("Any", app))
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3002") as client:
        own = Settings(provider_attempts_max=3, provider_timeout_ms=5000)
        breaker = CircuitBreaker(failures_max=5, reset_s=5)
        bounded = BoundedClient(client, breaker, own, repeated=(409, 429))
        yield Shop(StripeGateway(bounded, "sk_test_1", "http://127.0.0.1:3002"), client)
