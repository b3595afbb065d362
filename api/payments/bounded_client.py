"""Requests to a payment provider: bounded time, few attempts, and none while the provider is unavailable."""

import asyncio
from collections.abc import Collection, Mapping

import httpx
import stamina

from api.config import Settings
from api.logs import hide_reference
from api.payments.circuit_breaker import CircuitBreaker, CircuitOpen
from api.payments.provider import ProviderError
from api.settings.payments import PROVIDER_PAUSE_MAX_MS

RETRY_FIRST_S = 0.05
RETRY_JITTER_S = 0.1
RETRY_MAX_S = PROVIDER_PAUSE_MAX_MS / 1000 - RETRY_JITTER_S
"""Pause before another attempt: exponential backoff up to a limit, plus random jitter."""
RESPONSE_SHOWN_MAX = 200
"""Characters of a response that an error message shows."""


class _ServerFault(ProviderError):
    """The provider did not respond or responded with 5xx. A retry may succeed; the circuit breaker counts it."""


class _Repeatable(ProviderError):
    """The provider refused the request for now, as with 429. A retry may succeed; the breaker does not count it."""


class BoundedClient:
    """Sends requests to a provider and repeats them on failure. Every request must be safe to repeat."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        breaker: CircuitBreaker,
        settings: Settings,
        *,
        repeated: Collection[int] = (429,),
    ) -> None:
        """Wrap a client; `repeated` are the statuses below 500 after which a request is repeated."""
        self._client = client
        self._breaker = breaker
        self._timeout_s = settings.provider_timeout_ms / 1000
        self._repeated = frozenset(repeated)
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=settings.provider_attempts_max,
            timeout=None,  # The number of attempts and the time of each are bounded.
            wait_initial=RETRY_FIRST_S,
            wait_max=RETRY_MAX_S,
            wait_jitter=RETRY_JITTER_S,
        ).on((_ServerFault, _Repeatable))

    def is_open(self) -> bool:
        """Return whether the circuit breaker stops requests because the provider failed recently."""
        return self._breaker.is_open()

    async def request(
        self, method: str, url: str, *, reference: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> httpx.Response:
        """Return the response to a request. `reference` is that of its order, which no error shows.

        Raises:
            ProviderError: no attempt got a usable response. The provider may have accepted the request.
        """
        return await self._retrying(self._attempt, method, url, reference, headers, body)

    async def _attempt(
        self, method: str, url: str, reference: str, headers: Mapping[str, str], body: bytes | None
    ) -> httpx.Response:
        try:
            # The client's own timeout bounds each step of a request; this one bounds the whole request.
            with self._breaker.guard():
                async with asyncio.timeout(self._timeout_s):
                    response = await self._client.request(method, url, content=body, headers=headers)
                if response.status_code >= 500:
                    raise _ServerFault(describe(response, reference))
        except CircuitOpen:
            raise ProviderError("The payment provider is unavailable: it failed several times in a row.") from None
        except TimeoutError:
            raise _ServerFault(f"The payment provider did not respond within {self._timeout_s:g} s.") from None
        except httpx.RequestError as error:
            raise _ServerFault(f"The payment provider cannot be reached: {error or type(error).__name__}") from error
        if response.status_code in self._repeated:
            raise _Repeatable(describe(response, reference))
        return response


def describe(response: httpx.Response, reference: str) -> str:
    """Describe a response for the log, without the reference, which the path and the response may contain."""
    request = response.request
    path, shown = (hide_reference(text, reference) for text in (request.url.path, response.text))
    return (
        f"The payment provider responded to {request.method} {path} with {response.status_code}: "
        f"{shown[:RESPONSE_SHOWN_MAX]}"
    )
