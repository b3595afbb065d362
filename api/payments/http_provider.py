"""The payment provider, asked over HTTP: in bounded time, in few tries, and not at all while it is away."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

import httpx
import msgspec
import stamina
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OPENED, OpenedState
from purgatory.service._async.circuitbreaker import AsyncCircuitBreaker

from api.config import PROVIDER_PAUSE_MAX_MS, Settings
from api.errors import ProviderError
from api.schemas import Reference

CONNECTIONS_MAX = 16
"""Connections of one process to the provider; further requests wait for one, within their time.

The client's pool looks at each of them for each request: with many it is slower.
"""
RETRY_FIRST_S = 0.05
RETRY_JITTER_S = 0.1
RETRY_MAX_S = PROVIDER_PAUSE_MAX_MS / 1000 - RETRY_JITTER_S
"""Before a request is tried again: a pause that doubles each time up to a limit, and a random part on top."""
FAULT_SHOWN_MAX = 200
"""Characters of a faulty answer that an error shows."""

ChargeStatus = Literal["processing", "captured", "declined", "refunded"]
"""`processing` until the provider has decided; only what is captured can be refunded."""

AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Currency = Annotated[str, msgspec.Meta(pattern=r"^(?![\s\S]*[^A-Z])[A-Z]{3}$")]

# Its counter and its log lines do not say what was tried; the error of the last try does.
stamina.instrumentation.set_on_retry_hooks([])


class _FaultError(ProviderError):
    """It did not answer, or said that it is broken: trying again may help, and the breaker counts it."""


class _TooManyError(ProviderError):
    """It is there, but wants fewer requests: trying again may help."""


class ChargeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /charges`; `amount` in the currency's minor unit."""

    reference: Reference
    amount: AmountMinor
    currency: Currency


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as the provider has it; `amount` in the currency's minor unit."""

    reference: str
    amount: int
    currency: str
    status: ChargeStatus


class _Refusal(msgspec.Struct, frozen=True):
    """What the provider answers instead of a charge, as far as it is read."""

    code: str


class HttpProvider:
    """Asks the provider; each of its requests may be repeated, since the provider takes it once."""

    def __init__(self, client: httpx.AsyncClient, breaker: AsyncCircuitBreaker, settings: Settings) -> None:
        self._client = client
        self._breaker = breaker
        self._timeout_s = settings.provider_timeout_ms / 1000
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=settings.provider_attempts_max,
            timeout=None,  # the tries and their time are bounded
            wait_initial=RETRY_FIRST_S,
            wait_max=RETRY_MAX_S,
            wait_jitter=RETRY_JITTER_S,
        ).on((_FaultError, _TooManyError))

    def is_open(self) -> bool:
        """Whether the circuit is open: the provider has failed of late, and it is too early to try it again."""
        circuit = self._breaker.context
        opened_at = circuit.opened_at if circuit.state == OPENED else None
        return opened_at is not None and time.time() <= opened_at + circuit.ttl

    async def charge(self, reference: str, amount_minor: int, currency: str) -> None:
        """Ask for a payment, which the provider decides later.

        Raises:
            ProviderError: it may have taken the request all the same.
        """
        body = msgspec.json.encode(ChargeRequest(reference=reference, amount=amount_minor, currency=currency))
        answer = await self._ask("POST", "/charges", body)
        if not answer.is_success:
            raise _refused(answer)

    async def find(self, reference: str, total: tuple[int, str] | None = None) -> ChargeStatus | None:
        """Return how a payment stands; None: the provider does not know it.

        Raises:
            ProviderError: it is not known how the payment stands, or it is not of `total`, in minor units with the
                currency.
        """
        answer = await self._ask("GET", _path(reference))
        if answer.status_code == 404 and _is_unknown_charge(answer.content):
            return None
        if not answer.is_success:
            raise _refused(answer)
        try:
            charge = msgspec.json.decode(answer.content, type=Charge)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ProviderError(f"The payment provider answered what is no charge: {error}") from None
        if charge.reference != reference:
            raise ProviderError(f"The payment provider answered with {charge.reference!r} for {reference!r}.")
        if total not in (None, (charge.amount, charge.currency)):
            raise ProviderError(f"The payment provider has {reference} as {charge.amount} {charge.currency}.")
        return charge.status

    async def refund(self, reference: str) -> None:
        """Give a captured payment back.

        Raises:
            ProviderError: it may have taken the request all the same; or it knows of no captured payment.
        """
        answer = await self._ask("POST", f"{_path(reference)}/refund")
        if not answer.is_success:
            raise _refused(answer)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        return await self._retrying(self._try, method, path, body)

    async def _try(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        """Send a request once, past the breaker."""
        away = ProviderError("The payment provider is not asked at the moment: it has failed too often of late.")
        if self.is_open():
            raise away
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            # The client's own timeout bounds each step of a request, this one all of it.
            async with self._breaker, asyncio.timeout(self._timeout_s):
                answer = await self._client.request(method, path, content=body, headers=headers)
                if answer.status_code >= 500:
                    raise _FaultError(_said(answer))
        except OpenedState:
            raise away from None
        except TimeoutError:
            raise _FaultError(f"The payment provider did not answer in {self._timeout_s:g} s.") from None
        except httpx.RequestError as error:
            raise _FaultError(f"The payment provider cannot be reached: {error or type(error).__name__}") from error
        if answer.status_code == 429:
            raise _TooManyError(_said(answer))
        return answer


@contextlib.asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[HttpProvider]:
    """Give the provider of the settings, with connections and a breaker of its own, until the context ends."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request says nothing
    breaker = await AsyncCircuitBreakerFactory().get_breaker(
        "payment provider",
        threshold=settings.provider_breaker_failures,
        ttl=settings.provider_breaker_reset_ms / 1000,
    )
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    # Without the environment's proxies, which know nothing of this machine's ports.
    async with httpx.AsyncClient(
        base_url=settings.provider_base_url,
        trust_env=False,
        timeout=settings.provider_timeout_ms / 1000,
        limits=limits,
    ) as client:
        yield HttpProvider(client, breaker, settings)


def _path(reference: str) -> str:
    # Dots as well: `.` and `..` are references, but in a path they would mean another place.
    return f"/charges/{quote(reference, safe='').replace('.', '%2E')}"


def _is_unknown_charge(body: bytes) -> bool:
    """Whether a 404 is the provider's own: anything else at a wrong address would have every payment given up."""
    try:
        return msgspec.json.decode(body, type=_Refusal).code == "not_found"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _refused(answer: httpx.Response) -> ProviderError:
    return ProviderError(_said(answer))


def _said(answer: httpx.Response) -> str:
    request: Any = answer.request
    said = answer.text[:FAULT_SHOWN_MAX]
    return f"The payment provider answered {request.method} {request.url.path} with {answer.status_code}: {said}"
