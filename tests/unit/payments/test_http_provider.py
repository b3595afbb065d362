"""The HTTP client of the provider: bounded retries, and no requests while the provider is unavailable."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import stamina

from api.config import Settings
from api.payments import circuit_breaker
from api.payments.bounded_client import RESPONSE_SHOWN_MAX
from api.payments.http_provider import HttpProvider, open_provider
from api.payments.provider import (
    CONCURRENT_REQUESTS_MAX,
    Amount,
    ChargeStatus,
    ProviderError,
    RefundRequest,
    RefundResult,
)
from tests.listener import Listener, Response, listening
from tests.stack import free_port

ATTEMPTS = 3
UNKNOWN = Response(404, b'{"code": "not_found"}')
FAILURES = 4
RESET_S = 5
TIMEOUT_MS = 60_000
SHORT_TIMEOUT_MS = 50

CHARGE = {"reference": "bk_1", "amount": 100, "currency": "USD", "status": "captured"}
CAPTURED = Response(200, msgspec.json.encode(CHARGE))
FAULT = Response(500)
REFUND = RefundRequest(key="r1_1", reference="bk_1", amount=Amount(40, "USD"))
REFUNDED = {"id": "re_1", "key": "r1_1", "reference": "bk_1", "amount": 40, "currency": "USD", "status": "succeeded"}


class Clock:
    """A clock that only the test advances."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(circuit_breaker, "monotonic", clock)
    return clock


@pytest.fixture(autouse=True)
def _no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening(lambda _: CAPTURED) as listener:
        yield listener


@contextlib.asynccontextmanager
async def provider_at(url: str, **changes: Any) -> AsyncIterator[HttpProvider]:
    values: dict[str, Any] = {
        "provider_attempts_max": ATTEMPTS,
        "provider_breaker_failures": FAILURES,
        "provider_breaker_reset_ms": RESET_S * 1000,
        "provider_timeout_ms": TIMEOUT_MS,
    }
    async with open_provider(Settings(provider_url=url, **(values | changes))) as provider:
        yield provider


async def fail(provider: HttpProvider, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ProviderError):
            await provider.find("bk_1")


async def test_a_charge_contains_reference_amount_and_currency(listener: Listener) -> None:
    listener.respond = lambda _: Response(202, b"{}")
    async with provider_at(f"{listener.url}/v1/") as provider:
        await provider.charge("bk_1", Amount(12_50, "USD"))
    (request,) = listener.requests
    assert (request.method, request.path) == ("POST", "/v1/charges")
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body) == {"reference": "bk_1", "amount": 12_50, "currency": "USD"}


@pytest.mark.parametrize("status", ["processing", "captured", "declined", "refunded"])
async def test_the_status_of_a_charge_is_found(listener: Listener, status: ChargeStatus) -> None:
    listener.respond = lambda _: Response(200, msgspec.json.encode({**CHARGE, "status": status, "more": 1}))
    async with provider_at(listener.url) as provider:
        assert await provider.find("bk_1") == status


async def test_a_charge_of_another_amount_is_an_error(listener: Listener) -> None:
    listener.respond = lambda _: CAPTURED
    async with provider_at(listener.url) as provider:
        assert await provider.find("bk_1", Amount(100, "USD")) == "captured"
        for expected in (Amount(101, "USD"), Amount(100, "EUR")):
            with pytest.raises(ProviderError, match="100 USD"):
                await provider.find("bk_1", expected)


async def test_an_unknown_charge_has_no_status(listener: Listener) -> None:
    listener.respond = lambda _: UNKNOWN
    async with provider_at(listener.url) as provider:
        assert await provider.find("bk_1") is None
    assert len(listener.requests) == 1


@pytest.mark.parametrize(
    ("reference", "path"),
    [("bk_1", "bk_1"), ("..", "%2E%2E"), ("a.b", "a%2Eb"), ("a:b~c+d=e@f-g", "a%3Ab~c%2Bd%3De%40f-g")],
)
async def test_every_reference_has_a_path_of_its_own(listener: Listener, reference: str, path: str) -> None:
    request = msgspec.structs.replace(REFUND, reference=reference)
    async with provider_at(listener.url) as provider:
        listener.respond = lambda _: Response(200, msgspec.json.encode({**CHARGE, "reference": reference}))
        await provider.find(reference)
        listener.respond = lambda _: Response(200, msgspec.json.encode({**REFUNDED, "reference": reference}))
        await provider.refund(request)
        await provider.find_refund(request)
    assert [(sent.method, sent.path) for sent in listener.requests] == [
        ("GET", f"/charges/{path}"),
        ("POST", f"/charges/{path}/refunds"),
        ("GET", f"/charges/{path}/refunds/r1_1"),
    ]


async def test_a_refund_contains_key_amount_and_currency(listener: Listener) -> None:
    listener.respond = lambda _: Response(200, msgspec.json.encode(REFUNDED))
    async with provider_at(listener.url) as provider:
        assert await provider.refund(REFUND) == RefundResult("succeeded", "re_1")
    (request,) = listener.requests
    assert msgspec.json.decode(request.body) == {"key": "r1_1", "amount": 40, "currency": "USD"}


async def test_an_unknown_refund_has_no_state(listener: Listener) -> None:
    listener.respond = lambda _: UNKNOWN
    async with provider_at(listener.url) as provider:
        assert await provider.find_refund(REFUND) is None


@pytest.mark.parametrize("code", ["not_cancellable", "refund_too_large"])
async def test_a_refund_that_the_provider_refuses_has_failed(listener: Listener, code: str) -> None:
    body = msgspec.json.encode({"code": code, "detail": "nothing is left"})
    async with provider_at(listener.url) as provider:
        listener.respond = lambda _: Response(409, body)
        assert await provider.refund(REFUND) == RefundResult("failed", error="nothing is left")
        others = [Response(409), Response(409, b'{"code": "busy"}'), Response(404, body)]
        listener.respond = lambda _: others.pop()
        while others:
            with pytest.raises(ProviderError):
                await provider.refund(REFUND)


@pytest.mark.parametrize(
    "changes",
    [{"key": "r2"}, {"reference": "bk_2"}, {"amount": 41}, {"currency": "EUR"}, {"status": "lost"}, {"id": 1}],
)
async def test_the_response_of_another_refund_is_an_error(listener: Listener, changes: dict[str, Any]) -> None:
    listener.respond = lambda _: Response(200, msgspec.json.encode(REFUNDED | changes))
    async with provider_at(listener.url) as provider:
        for call in (provider.refund(REFUND), provider.find_refund(REFUND)):
            with pytest.raises(ProviderError):
                await call


@pytest.mark.parametrize("failure", [FAULT, Response(503), Response(429), Response(cut=True)], ids=str)
@pytest.mark.parametrize("failures", [1, ATTEMPTS - 1])
async def test_a_temporary_failure_is_retried(listener: Listener, failure: Response, failures: int) -> None:
    responses = iter([failure] * failures + [CAPTURED])
    listener.respond = lambda _: next(responses)
    async with provider_at(listener.url) as provider:
        assert await provider.find("bk_1") == "captured"
        assert not provider.is_open()
    assert len(listener.requests) == failures + 1


@pytest.mark.parametrize("failure", [FAULT, Response(429), Response(cut=True)], ids=str)
async def test_attempts_are_bounded(listener: Listener, failure: Response) -> None:
    listener.respond = lambda _: failure
    async with provider_at(listener.url) as provider:
        await fail(provider)
    assert len(listener.requests) == ATTEMPTS


@pytest.mark.parametrize("status", [302, 400, 401, 404, 409, 422])
async def test_a_refusal_is_reported_and_not_retried(listener: Listener, status: int) -> None:
    listener.respond = lambda _: Response(status, b"because" + b"." * RESPONSE_SHOWN_MAX * 2)
    async with provider_at(listener.url) as provider:
        for call in (provider.charge("bk_1", Amount(1, "USD")), provider.find("bk_1"), provider.refund(REFUND)):
            with pytest.raises(ProviderError, match=f"with {status}: because") as refusal:
                await call
            assert len(str(refusal.value)) < RESPONSE_SHOWN_MAX + 100
    assert len(listener.requests) == 3


@pytest.mark.parametrize("changes", [{"status": "lost"}, {"reference": "bk_2"}, {"status": None}])
async def test_an_invalid_charge_is_an_error(listener: Listener, changes: dict[str, Any]) -> None:
    listener.respond = lambda _: Response(200, msgspec.json.encode(CHARGE | changes))
    async with provider_at(listener.url) as provider:
        await fail(provider)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]"])
async def test_a_body_that_is_no_charge_is_an_error(listener: Listener, body: bytes) -> None:
    listener.respond = lambda _: Response(200, body)
    async with provider_at(listener.url) as provider:
        await fail(provider)


async def test_a_request_without_response_times_out(listener: Listener) -> None:
    listener.respond = lambda _: Response(stalls=True)
    async with provider_at(listener.url, provider_timeout_ms=SHORT_TIMEOUT_MS) as provider:
        with pytest.raises(ProviderError, match="did not respond within 0"):
            await provider.find("bk_1")
        await fail(provider)
        assert provider.is_open()


async def test_cancelled_requests_release_their_connections(listener: Listener) -> None:
    listener.respond = lambda _: Response(stalls=True)
    async with provider_at(listener.url, provider_breaker_failures=1000) as provider:
        requests = [asyncio.create_task(provider.find("bk_1")) for _ in range(2 * CONCURRENT_REQUESTS_MAX)]
        await listener.until(lambda: len(listener.requests) == CONCURRENT_REQUESTS_MAX)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        listener.respond = lambda _: CAPTURED
        assert await asyncio.gather(*(provider.find("bk_1") for _ in requests)) == ["captured"] * len(requests)


async def test_an_unavailable_provider_gets_no_requests_for_a_while(listener: Listener, clock: Clock) -> None:
    listener.respond = lambda _: FAULT
    async with provider_at(listener.url, provider_attempts_max=1) as provider:
        await fail(provider, FAILURES - 1)
        assert not provider.is_open()
        await fail(provider)
        assert provider.is_open()
        for call in (provider.charge("bk_1", Amount(1, "USD")), provider.find("bk_1"), provider.refund(REFUND)):
            with pytest.raises(ProviderError, match="is unavailable"):
                await call
        clock.now += RESET_S
        assert provider.is_open()
        assert len(listener.requests) == FAILURES


async def test_one_failed_request_keeps_a_provider_unavailable(listener: Listener, clock: Clock) -> None:
    listener.respond = lambda _: FAULT
    async with provider_at(listener.url) as provider:
        await fail(provider, FAILURES)
        clock.now += RESET_S + 1
        assert not provider.is_open()
        sent = len(listener.requests)
        await fail(provider)
        assert provider.is_open()
        assert len(listener.requests) == sent + 1  # without a retry


async def test_one_successful_request_makes_a_provider_available(listener: Listener, clock: Clock) -> None:
    listener.respond = lambda _: FAULT
    async with provider_at(listener.url, provider_attempts_max=1) as provider:
        await fail(provider, FAILURES)
        clock.now += RESET_S + 1
        listener.respond = lambda _: CAPTURED
        assert await provider.find("bk_1") == "captured"
        listener.respond = lambda _: FAULT
        await fail(provider, FAILURES - 1)
        assert not provider.is_open()


@pytest.mark.parametrize("response", [CAPTURED, UNKNOWN, Response(409), Response(429)], ids=str)
async def test_only_consecutive_failures_count(listener: Listener, response: Response) -> None:
    async with provider_at(listener.url, provider_attempts_max=1) as provider:
        for _ in range(3):
            listener.respond = lambda _: FAULT
            await fail(provider, FAILURES - 1)
            listener.respond = lambda _: response
            with contextlib.suppress(ProviderError):
                await provider.find("bk_1")
        assert not provider.is_open()


async def test_a_refused_connection_counts_as_a_failure() -> None:
    async with provider_at(f"http://127.0.0.1:{free_port()}") as provider:
        with pytest.raises(ProviderError, match="cannot be reached"):
            await provider.find("bk_1")
        await fail(provider)
        assert provider.is_open()


async def test_proxies_of_the_environment_are_ignored(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with provider_at(listener.url) as provider:
        assert await provider.find("bk_1") == "captured"


async def test_texts_of_the_provider_that_the_database_cannot_store(listener: Listener) -> None:
    refusal = {"code": "not_cancellable", "detail": "The account\0 is closed."}
    async with provider_at(listener.url) as provider:
        listener.respond = lambda _: Response(409, msgspec.json.encode(refusal))
        assert await provider.refund(REFUND) == RefundResult("failed", error="The account is closed.")
        bodies = [msgspec.json.encode({**REFUNDED, "id": each}) for each in ("", "re\0", "r" * 256)]
        listener.respond = lambda _: Response(200, bodies.pop())
        while bodies:
            with pytest.raises(ProviderError, match="is not a refund"):
                await provider.refund(REFUND)
