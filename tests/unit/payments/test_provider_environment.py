"""The provider's client: the proxy of the environment, and errors without references."""

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from api.addresses import is_local_url
from api.config import Settings
from api.payments.http_provider import HttpProvider, open_provider
from api.payments.provider import Amount, ProviderError, RefundRequest
from tests.listener import Listener, Response, listening

REFERENCE = "bk_0123456789abcdef01234567"
REFUND = RefundRequest(key="r1_1", reference=REFERENCE, amount=Amount(1, "USD"))
CHARGE = {"reference": REFERENCE, "amount": 100, "currency": "USD", "status": "captured"}


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening(lambda _: Response(200, msgspec.json.encode(CHARGE))) as listener:
        yield listener


def settings(provider_url: str) -> Settings:
    return Settings(provider_url=provider_url, provider_attempts_max=1, provider_timeout_ms=60_000)


async def test_a_remote_provider_is_reached_through_the_proxy_of_the_environment(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", listener.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with open_provider(settings("http://provider.example")) as provider:
        assert await provider.find(REFERENCE) == "captured"
    (request,) = listener.requests
    assert httpx.URL(request.path).host == "provider.example"


async def test_a_provider_on_this_machine_is_reached_directly(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with open_provider(settings(listener.url)) as provider:
        assert await provider.find(REFERENCE) == "captured"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        *(
            (url, True)
            for url in ("http://localhost:3002", "http://a.localhost", "http://127.9.9.9", "http://[::1]:1/x")
        ),
        *((url, False) for url in ("https://provider.example", "http://10.0.0.1", "http://localhost.example")),
    ],
)
def test_local_urls(url: str, *, local: bool) -> None:
    assert is_local_url(url) is local


async def _call_all(provider: HttpProvider) -> list[str]:
    errors = []
    for call in (provider.charge(REFERENCE, Amount(1, "USD")), provider.find(REFERENCE), provider.refund(REFUND)):
        with pytest.raises(ProviderError) as raised:
            await call
        errors.append(str(raised.value))
    return errors


@pytest.mark.parametrize("status", [302, 400, 409, 429, 500])
async def test_errors_contain_no_reference(listener: Listener, status: int) -> None:
    listener.respond = lambda _: Response(status, msgspec.json.encode({"code": "no", "reference": REFERENCE}))
    async with open_provider(settings(listener.url)) as provider:
        errors = await _call_all(provider)
    assert all(f"with {status}: " in error and '"code":"no"' in error for error in errors)
    assert not any(REFERENCE in error for error in errors)


@pytest.mark.parametrize("changes", [{"reference": "bk_other"}, {"amount": 1}, {"currency": "EUR"}, {"status": "lost"}])
async def test_errors_about_a_wrong_charge_contain_no_reference(listener: Listener, changes: dict[str, object]) -> None:
    listener.respond = lambda _: Response(200, msgspec.json.encode(CHARGE | changes))
    async with open_provider(settings(listener.url)) as provider:
        with pytest.raises(ProviderError) as raised:
            await provider.find(REFERENCE, Amount(100, "USD"))
    assert REFERENCE not in str(raised.value)
    assert "bk_other" not in str(raised.value)
