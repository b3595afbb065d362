"""The payment provider's client: every request has a time-out and bounded retries, behind a circuit breaker."""

import contextlib
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import purgatory
import stamina
from purgatory.domain.model import OpenedState
from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

from api.config import Settings
from api.errors import ProviderError
from api.services.payments import ChargeStatus

stamina.instrumentation.set_on_retry_hooks([])  # What comes of it in the end is logged where it is known.

_CONNECTIONS_MAX = 100
_RETRY_FIRST_S = 0.05
_RETRY_MAX_S = 0.5
_RETRY_JITTER_S = 0.1
_RETRY_STATUSES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, *(s for s in HTTPStatus if s >= 500)})


class _Charge(msgspec.Struct, frozen=True):
    """What the provider answers of a charge, as far as it is read here."""

    status: ChargeStatus


class _AwayError(ProviderError):
    """The provider could not be asked: trying again may help, and its circuit breaker counts it."""


class HttpProvider:
    """A provider over HTTP; charges are told by the orders' references, so each call may be repeated."""

    def __init__(self, http: httpx.AsyncClient, breaker: AsyncCircuitBreaker, settings: Settings) -> None:
        self._http = http
        self._breaker = breaker
        self._attempts_max = settings.provider_attempts_max
        self._reset_s = settings.provider_breaker_reset_ms / 1000

    def is_open(self) -> bool:
        """Whether the circuit breaker is open; when its time is over it is not, so that a request can try."""
        context = self._breaker.context
        if context.state != OpenedState.name or context.opened_at is None:
            return False
        return time.time() < context.opened_at + self._reset_s

    async def charge(self, reference: str, amount_minor: int, currency: str) -> None:
        """Ask for a payment; a webhook tells what becomes of it."""
        body = {"reference": reference, "amount": amount_minor, "currency": currency}
        _expect_success(await self._send("POST", "/charges", json=body))

    async def find(self, reference: str) -> ChargeStatus | None:
        """Return the state of a charge; None: the provider has none."""
        response = await self._send("GET", f"/charges/{quote(reference, safe='')}")
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        _expect_success(response)
        try:
            return msgspec.json.decode(response.content, type=_Charge).status
        except msgspec.DecodeError as error:
            raise ProviderError(f"the provider's answer is not understood: {error}") from error

    async def refund(self, reference: str) -> None:
        """Give a captured charge back."""
        _expect_success(await self._send("POST", f"/charges/{quote(reference, safe='')}/refund"))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        if self.is_open():  # Asked before the first attempt, for then there is no need to wait for a second.
            raise ProviderError("the provider is away, as its last requests have shown")
        try:
            async for attempt in stamina.retry_context(
                on=_AwayError,
                attempts=self._attempts_max,
                timeout=None,
                wait_initial=_RETRY_FIRST_S,
                wait_max=_RETRY_MAX_S,
                wait_jitter=_RETRY_JITTER_S,
            ):
                with attempt:
                    async with self._breaker:
                        return await self._try(method, path, **options)
        except OpenedState as error:
            raise ProviderError("the provider is away, as its last requests have shown") from error
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    async def _try(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise _AwayError(f"{method} {path}: {error!r}") from error
        if response.status_code in _RETRY_STATUSES:
            raise _AwayError(f"{method} {path}: {response.status_code}")
        return response


def _expect_success(response: httpx.Response) -> None:
    if not response.is_success:
        raise ProviderError(f"{response.request.method} {response.request.url.path}: {response.status_code}")


@contextlib.asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[HttpProvider]:
    """Open the client of the settings' provider; it asks nothing before it is used."""
    breakers = purgatory.AsyncCircuitBreakerFactory(
        default_threshold=settings.provider_breaker_failures, default_ttl=settings.provider_breaker_reset_ms / 1000
    )
    breaker = await breakers.get_breaker("provider")
    async with httpx.AsyncClient(
        base_url=settings.provider_address,
        timeout=settings.provider_timeout_ms / 1000,
        limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
        trust_env=False,  # A proxy of the environment is for the outside.
    ) as http:
        yield HttpProvider(http, breaker, settings)
