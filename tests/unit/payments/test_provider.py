"""The payment provider protocol: every implementation fulfils it, the tests' own one included."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from api.commands.payment_simulator import create_app
from api.config import Settings
from api.payments.circuit_breaker import CircuitBreaker
from api.payments.http_provider import HttpProvider
from api.payments.provider import Amount, PaymentProvider, ProviderError, RefundRequest
from tests.integration.asynchronous import Provider

REFERENCE = "bk_1"
AMOUNT = Amount(12_50, "USD")


def refund(key: str, amount: Amount = AMOUNT) -> RefundRequest:
    return RefundRequest(key=key, reference=REFERENCE, amount=amount)


Running = tuple[PaymentProvider, Callable[[str], Awaitable[None]]]
"""A provider, and a function that waits until the provider has captured a charge."""
Implementation = Callable[[Path], AbstractAsyncContextManager[Running]]


@contextlib.asynccontextmanager
async def http_provider(directory: Path) -> AsyncIterator[Running]:
    """Run the HTTP client against the payment simulator."""
    settings = Settings(data_dir=directory, payment_success_rate=1, psp_delay_ms=0, psp_loss_rate=1)
    simulator = create_app(settings)
    breaker = CircuitBreaker(failures_max=5, reset_s=5)
    async with (
        simulator.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(cast("Any", simulator)), base_url="http://127.0.0.1") as client,
    ):
        provider = HttpProvider(client, breaker, settings)

        async def captured(reference: str) -> None:
            while await provider.find(reference) != "captured":  # noqa: ASYNC110 - only the provider has the status
                await asyncio.sleep(0.001)

        yield provider, captured


@contextlib.asynccontextmanager
async def in_process_provider(_: Path) -> AsyncIterator[Running]:
    """Run the provider of the integration tests."""
    provider = Provider()

    async def captured(reference: str) -> None:
        provider.charges[reference] = "captured"

    yield provider, captured


every_implementation = pytest.mark.parametrize("implementation", [http_provider, in_process_provider])


@every_implementation
async def test_a_charge_is_created_once_and_found_until_it_is_refunded(
    implementation: Implementation, tmp_path: Path
) -> None:
    async with implementation(tmp_path) as (provider, captured):
        assert not provider.is_open()
        assert await provider.find(REFERENCE) is None
        for _ in range(2):
            await provider.charge(REFERENCE, AMOUNT)
        assert await provider.find(REFERENCE, AMOUNT) in {"processing", "captured"}
        await captured(REFERENCE)
        assert await provider.find(REFERENCE, AMOUNT) == "captured"
        for _ in range(2):
            assert (await provider.refund(refund("r1"))).status == "succeeded"
            assert await provider.find(REFERENCE, AMOUNT) == "refunded"
        assert not provider.is_open()


@every_implementation
async def test_refunds_of_a_charge_are_made_once_for_each_key_and_never_exceed_it(
    implementation: Implementation, tmp_path: Path
) -> None:
    async with implementation(tmp_path) as (provider, captured):
        await provider.charge(REFERENCE, AMOUNT)
        await captured(REFERENCE)
        assert await provider.find_refund(refund("r1")) is None
        part, rest = Amount(10_00, "USD"), Amount(2_50, "USD")
        first = await provider.refund(refund("r1", part))
        assert first.status == "succeeded"
        assert await provider.refund(refund("r1", part)) == first == await provider.find_refund(refund("r1", part))
        assert await provider.find(REFERENCE, AMOUNT) == "captured"
        with pytest.raises(ProviderError):
            await provider.refund(refund("r1", rest))
        too_much = await provider.refund(refund("r2", Amount(2_51, "USD")))
        assert (too_much.status, bool(too_much.error)) == ("failed", True)
        second = await provider.refund(refund("r3", rest))
        assert (second.status, second.provider_id == first.provider_id) == ("succeeded", False)
        assert await provider.find(REFERENCE, AMOUNT) == "refunded"
        assert (await provider.refund(refund("r4", Amount(1, "USD")))).status == "failed"


@every_implementation
@pytest.mark.parametrize("other", [Amount(12_51, "USD"), Amount(12_50, "EUR")])
async def test_another_amount_is_an_error(implementation: Implementation, tmp_path: Path, other: Amount) -> None:
    async with implementation(tmp_path) as (provider, captured):
        await provider.charge(REFERENCE, AMOUNT)
        with pytest.raises(ProviderError):
            await provider.charge(REFERENCE, other)
        with pytest.raises(ProviderError):
            await provider.find(REFERENCE, other)
        await captured(REFERENCE)
        assert await provider.find(REFERENCE, AMOUNT) == "captured"


@every_implementation
async def test_a_charge_that_was_not_captured_cannot_be_refunded(
    implementation: Implementation, tmp_path: Path
) -> None:
    async with implementation(tmp_path) as (provider, _):
        with pytest.raises(ProviderError):
            await provider.refund(refund("r1"))
        assert await provider.find(REFERENCE) is None
