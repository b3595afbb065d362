"""The payment provider over HTTP: bounded time, few attempts, and no request while the provider is unavailable."""

import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec

from api.addresses import is_local_url
from api.config import Settings
from api.logs import hide_reference
from api.payments.bounded_client import RESPONSE_SHOWN_MAX, BoundedClient, describe
from api.payments.circuit_breaker import CircuitBreaker
from api.payments.provider import (
    CONCURRENT_REQUESTS_MAX,
    REFUND_REFUSALS,
    Amount,
    Charge,
    ChargeRequest,
    ChargeStatus,
    ProviderError,
    ProviderPayment,
    ProviderRefund,
    Refund,
    RefundBody,
    RefundRequest,
    RefundResult,
)
from api.tls import tls_for

Listed = TypeVar("Listed", Charge, Refund)


class _Refusal(msgspec.Struct, frozen=True):
    """The part of an error response that the client reads."""

    code: str
    detail: str = ""


class HttpProvider:
    """Sends requests to the provider and repeats them on failure; the provider processes each of them once."""

    def __init__(self, client: httpx.AsyncClient, breaker: CircuitBreaker, settings: Settings) -> None:
        self._client = BoundedClient(client, breaker, settings)

    def is_open(self) -> bool:
        """Return whether the circuit breaker stops requests because the provider failed recently."""
        return self._client.is_open()

    async def charge(self, reference: str, amount: Amount) -> None:
        """Request a charge. The provider decides it later.

        Raises:
            ProviderError: the provider may have accepted the request.
        """
        body = msgspec.json.encode(ChargeRequest(reference=reference, amount=amount.minor, currency=amount.currency))
        response = await self._request("POST", "/charges", reference, body)
        if not response.is_success:
            raise ProviderError(describe(response, reference))

    async def find(self, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Return the status of a charge, or None if the provider has no charge with this reference.

        Raises:
            ProviderError: the status is unknown, or the charge's amount is not the expected one.
        """
        response = await self._request("GET", _path(reference), reference)
        if response.status_code == 404 and _refusal(response).code == "not_found":
            return None
        if not response.is_success:
            raise ProviderError(describe(response, reference))
        try:
            charge = msgspec.json.decode(response.content, type=Charge)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ProviderError(f"The payment provider's response is not a charge: {error}") from None
        if charge.reference != reference:
            raise ProviderError("The payment provider returned the charge of another reference.")
        amount = Amount(charge.amount, charge.currency)
        if expected not in (None, amount):
            raise ProviderError(f"The payment provider's charge is {amount}, not {expected}.")
        return charge.status

    async def refund(self, request: RefundRequest) -> RefundResult:
        """Refund a part of a captured charge, once for each key. A refund that the provider refuses has failed.

        Raises:
            ProviderError: the provider may have accepted the request.
        """
        amount = request.amount
        body = msgspec.json.encode(RefundBody(key=request.key, amount=amount.minor, currency=amount.currency))
        response = await self._request("POST", f"{_path(request.reference)}/refunds", request.reference, body)
        if response.status_code == 409 and (refusal := _refusal(response)).code in REFUND_REFUSALS:
            reason = hide_reference(refusal.detail or refusal.code, request.reference)[:RESPONSE_SHOWN_MAX]
            # The database cannot store some control characters.
            return RefundResult("failed", error="".join(filter(str.isprintable, reason)))
        return _refund_result(response, request)

    async def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, or None if the provider has no refund with this key.

        Raises:
            ProviderError: the state is unknown.
        """
        path = f"{_path(request.reference)}/refunds/{request.key}"
        response = await self._request("GET", path, request.reference)
        if response.status_code == 404 and _refusal(response).code == "not_found":
            return None
        return _refund_result(response, request)

    async def payments_since(self, _: datetime) -> AsyncIterator[ProviderPayment]:
        """Return all captured charges, because charges have no time.

        Raises:
            ProviderError: the list is incomplete.
        """
        for charge in await self._list("/charges", Charge):
            if charge.status in {"captured", "refunded"}:
                yield ProviderPayment(charge.reference, charge.reference, Amount(charge.amount, charge.currency))

    async def refunds_since(self, _: datetime) -> AsyncIterator[ProviderRefund]:
        """Return all refunds, because refunds have no time.

        Raises:
            ProviderError: the list is incomplete.
        """
        for refund in await self._list("/refunds", Refund):
            amount = Amount(refund.amount, refund.currency)
            yield ProviderRefund(refund.id, refund.key, refund.reference, amount, refund.status)

    async def _list(self, path: str, kind: type[Listed]) -> list[Listed]:
        response = await self._request("GET", path, "")
        if not response.is_success:
            raise ProviderError(describe(response, ""))
        try:
            return msgspec.json.decode(response.content, type=list[kind])  # type: ignore[valid-type]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ProviderError(f"The payment provider's response is no list: {error}") from None

    async def _request(self, method: str, path: str, reference: str, body: bytes | None = None) -> httpx.Response:
        headers = {} if body is None else {"Content-Type": "application/json"}
        return await self._client.request(method, path, reference=reference, headers=headers, body=body)


@contextlib.asynccontextmanager
async def open_provider(settings: Settings) -> AsyncIterator[HttpProvider]:
    """Open connections to the provider that the settings name, until the context ends."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # INFO logs one line for each request.
    breaker = CircuitBreaker(
        failures_max=settings.provider_breaker_failures, reset_s=settings.provider_breaker_reset_ms / 1000
    )
    # Further requests wait for a connection within their timeout. A larger pool is slower: the client scans it for
    # each request.
    limits = httpx.Limits(max_connections=CONCURRENT_REQUESTS_MAX, max_keepalive_connections=CONCURRENT_REQUESTS_MAX)
    async with httpx.AsyncClient(
        base_url=settings.provider_base_url,
        # A proxy from the environment does not reach ports of this machine.
        trust_env=not is_local_url(settings.provider_base_url),
        timeout=settings.provider_timeout_ms / 1000,
        limits=limits,
        verify=tls_for(settings.provider_base_url),
    ) as client:
        yield HttpProvider(client, breaker, settings)


def _path(reference: str) -> str:
    # `.` and `..` are valid references, but in a path they name other resources. So dots are encoded, too.
    return f"/charges/{quote(reference, safe='').replace('.', '%2E')}"


def _refusal(response: httpx.Response) -> _Refusal:
    """Return the refusal of a response, with an empty code unless it comes from the provider itself.

    A 404 of a wrong address must not void payments.
    """
    try:
        return msgspec.json.decode(response.content, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Refusal("")


def _refund_result(response: httpx.Response, request: RefundRequest) -> RefundResult:
    """Return the state of a refund from a response.

    Raises:
        ProviderError: the response is an error, or is not the requested refund.
    """
    if not response.is_success:
        raise ProviderError(describe(response, request.reference))
    try:
        refund = msgspec.json.decode(response.content, type=Refund)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProviderError(f"The payment provider's response is not a refund: {error}") from None
    found = (refund.key, refund.reference, Amount(refund.amount, refund.currency))
    if found != (request.key, request.reference, request.amount):
        raise ProviderError("The payment provider returned another refund.")
    return RefundResult(refund.status, refund.id)
