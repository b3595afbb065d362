"""Payments through Stripe: hosted Checkout by redirect, with an idempotency key of ours for every change.

The adapter trusts only objects that it has fetched. Its caller stores the id of each Checkout Session.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import httpx
import stripe
from stripe.params.checkout import SessionCreateParams

from api.config import Settings
from api.logs import hide_reference
from api.payments.bounded_client import RESPONSE_SHOWN_MAX, BoundedClient
from api.payments.circuit_breaker import CircuitBreaker
from api.payments.gateway import WORD_MAX, Checkout, Dispute
from api.payments.minor_units import UnchargeableAmount, from_stripe, to_stripe
from api.payments.provider import (
    CONCURRENT_REQUESTS_MAX,
    Amount,
    ChargeStatus,
    ProviderError,
    ProviderPayment,
    ProviderRefund,
    RefundRequest,
    RefundResult,
    RefundResultStatus,
)
from api.tls import tls_for

PRODUCT_NAME: Final = "Tickets"
"""The name of the line on Stripe's page. A repeated request must have the same one, so it names no event."""
_REFUND_STATUSES: Final[Mapping[str, RefundResultStatus]] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}
_UNPAID_FOR_GOOD: Final = frozenset(("canceled", "requires_payment_method"))
"""The states of a payment that nobody can pay any more, if its session is complete."""
_INTENT = "payment_intent"
_CHARGE = "payment_intent.latest_charge"


class StripeGateway:
    """Sends requests to Stripe's API. Every method is safe to repeat."""

    def __init__(self, client: BoundedClient, api_key: str, api_url: str) -> None:
        self._client = client
        self._stripe = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_url} if api_url else {},
            http_client=_Transport(client),
            max_network_retries=0,  # The client repeats requests itself.
        )

    def is_open(self) -> bool:
        """Return whether requests are stopped because Stripe failed recently."""
        return self._client.is_open()

    async def start(self, reference: str, amount: Amount, return_url: str) -> Checkout:
        """Create the Checkout Session of an order, or return the one that an earlier request has created.

        The page leads back to `return_url`, with the query `paid=1` after a payment.

        Raises:
            ProviderError: Stripe may have created the session.
        """
        params: SessionCreateParams = {
            "mode": "payment",
            "line_items": [
                {
                    "price_data": {
                        "currency": amount.currency.lower(),
                        "unit_amount": _units(amount),
                        "product_data": {"name": PRODUCT_NAME},
                    },
                    "quantity": 1,
                }
            ],
            "success_url": f"{return_url}?paid=1",
            "cancel_url": return_url,
            "client_reference_id": reference,
            "payment_intent_data": {"metadata": {"reference": reference}},
        }
        with _errors(reference):
            session = await self._stripe.v1.checkout.sessions.create_async(
                params, {"idempotency_key": f"checkout/{reference}"}
            )
        if session.url is None:
            raise ProviderError("Stripe has created a Checkout Session without an address.")
        return Checkout(session.id, session.url)

    async def find(self, checkout_id: str, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Return the status of a Checkout Session's payment, or None if the session has expired unpaid.

        The amount of a session matters only if it is paid.

        Raises:
            ProviderError: the status is unknown, the session is another order's, or it is paid over another amount.
        """
        session = await self._session(checkout_id, reference, [_CHARGE])
        if session.client_reference_id != reference:
            raise ProviderError("Stripe returned the Checkout Session of another order.")
        if session.status == "expired":
            return None
        if session.status != "complete":
            return "processing"
        intent: Any = session.payment_intent
        if session.payment_status != "paid":
            # A bank decides a debit later, and a buyer pays a voucher later, whose payment has "requires_action".
            return "declined" if intent is None or intent.status in _UNPAID_FOR_GOOD else "processing"
        amount = _amount(session.amount_total or 0, session.currency or "")
        if expected not in (None, amount):
            raise ProviderError(f"Stripe's Checkout Session is over {amount}, not {expected}.")
        charge: Any = intent.latest_charge
        return "refunded" if charge.amount_refunded == charge.amount else "captured"

    async def close(self, checkout_id: str, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Expire a Checkout Session, so that nobody can pay it any more; return the status as `find` does.

        Raises:
            ProviderError: the status is unknown.
        """
        try:
            with _errors(reference), contextlib.suppress(stripe.InvalidRequestError):  # The session is no longer open.
                await self._stripe.v1.checkout.sessions.expire_async(
                    checkout_id, None, {"idempotency_key": f"expire/{checkout_id}"}
                )
        except ProviderError:
            # Stripe returns a failure again for a day. The session may have ended meanwhile.
            if (status := await self.find(checkout_id, reference, expected)) == "processing":
                raise
            return status
        return await self.find(checkout_id, reference, expected)

    async def refund(self, checkout_id: str, request: RefundRequest) -> RefundResult:
        """Refund a part of a captured payment, once for each key. A refund that Stripe refuses has failed.

        Raises:
            ProviderError: Stripe may have accepted the request.
        """
        reference = request.reference
        intent = await self._intent_id(checkout_id, reference)
        try:
            with _errors(reference):
                refund = await self._stripe.v1.refunds.create_async(
                    {
                        "payment_intent": intent,
                        "amount": _units(request.amount),
                        "metadata": {"key": request.key, "reference": reference},
                    },
                    {"idempotency_key": f"refund/{request.key}"},
                )
        except _Refused as refused:
            return RefundResult("failed", error=str(refused))
        return _result(refund, request)

    async def find_refund(self, checkout_id: str, request: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, or None if Stripe has no refund with this key.

        Raises:
            ProviderError: the state is unknown.
        """
        intent = await self._intent_id(checkout_id, request.reference)
        with _errors(request.reference):
            page = await self._stripe.v1.refunds.list_async({"payment_intent": intent, "limit": 100})
            async for refund in page.auto_paging_iter():
                if _metadata(refund).get("key") == request.key:
                    return _result(refund, request)
        return None

    async def find_dispute(self, dispute_id: str) -> Dispute | None:
        """Return a dispute in its present state, or None if Stripe has no dispute with this id.

        Raises:
            ProviderError: the state is unknown.
        """
        try:
            with _errors(""):
                dispute = await self._stripe.v1.disputes.retrieve_async(dispute_id, {"expand": [_INTENT]})
        except _Refused as refused:
            if refused.code == "resource_missing":
                return None
            raise
        intent: Any = dispute.payment_intent
        return Dispute(
            reference=None if intent is None else _metadata(intent).get("reference"),
            amount=_amount(dispute.amount, dispute.currency),
            status=_word(dispute.status),
            reason=_word(dispute.reason),
        )

    async def payments_since(self, since: datetime) -> AsyncIterator[ProviderPayment]:
        """Return the captured payments that were created since a time, the newest first.

        Raises:
            ProviderError: the list is incomplete.
        """
        with _errors(""):
            page = await self._stripe.v1.payment_intents.list_async(
                {"created": {"gte": int(since.timestamp())}, "limit": 100}
            )
            async for intent in page.auto_paging_iter():
                if intent.status == "succeeded":
                    amount = _amount(intent.amount_received, intent.currency)
                    yield ProviderPayment(intent.id, _metadata(intent).get("reference"), amount)

    async def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        """Return the refunds that were created since a time, the newest first.

        Raises:
            ProviderError: the list is incomplete.
        """
        with _errors(""):
            page = await self._stripe.v1.refunds.list_async({"created": {"gte": int(since.timestamp())}, "limit": 100})
            async for refund in page.auto_paging_iter():
                metadata = _metadata(refund)
                yield ProviderRefund(
                    refund.id,
                    metadata.get("key"),
                    metadata.get("reference"),
                    _amount(refund.amount, refund.currency),
                    _REFUND_STATUSES.get(refund.status or "", "pending"),
                )

    async def _session(self, checkout_id: str, reference: str, expand: list[str]) -> stripe.checkout.Session:
        with _errors(reference):
            return await self._stripe.v1.checkout.sessions.retrieve_async(checkout_id, {"expand": expand})

    async def _intent_id(self, checkout_id: str, reference: str) -> str:
        """Return the id of a Checkout Session's payment.

        Raises:
            ProviderError: the session is unknown or unpaid.
        """
        session = await self._session(checkout_id, reference, [])
        if not isinstance(session.payment_intent, str):
            raise ProviderError("Stripe's Checkout Session has no payment.")
        return session.payment_intent


class _Refused(ProviderError):
    """Stripe refuses a request, and would refuse each repeat of it; `code` is Stripe's."""

    def __init__(self, message: str, code: str | None) -> None:
        super().__init__(message)
        self.code = code


class _Transport(stripe.HTTPClient):
    """The transport of Stripe's SDK over a bounded client."""

    name = "httpx"

    def __init__(self, client: BoundedClient) -> None:
        super().__init__()
        self._bounded = client

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body = post_data.encode() if isinstance(post_data, str) else post_data
        response = await self._bounded.request(method.upper(), url, reference="", headers=headers, body=body)
        return response.content, response.status_code, response.headers

    async def sleep_async(self, secs: float) -> None:
        await asyncio.sleep(secs)

    async def close_async(self) -> None:
        """Leave the connections open, because `open_gateway` closes them."""


@contextlib.asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[StripeGateway]:
    """Open connections to Stripe until the context ends."""
    for name in ("httpx", "stripe"):
        logging.getLogger(name).setLevel(logging.WARNING)  # INFO logs one line for each request.
    breaker = CircuitBreaker(
        failures_max=settings.provider_breaker_failures, reset_s=settings.provider_breaker_reset_ms / 1000
    )
    limits = httpx.Limits(max_connections=CONCURRENT_REQUESTS_MAX, max_keepalive_connections=CONCURRENT_REQUESTS_MAX)
    async with httpx.AsyncClient(
        # A proxy from the environment does not reach ports of this machine.
        trust_env=not settings.stripe_api_url,
        timeout=settings.provider_timeout_ms / 1000,
        limits=limits,
        verify=tls_for(settings.stripe_api_url),
    ) as client:
        # 409: another request with the same key is running.
        bounded = BoundedClient(client, breaker, settings, repeated=(409, 429))
        yield StripeGateway(bounded, settings.stripe_api_key, settings.stripe_api_url)


@contextlib.contextmanager
def _errors(reference: str) -> Iterator[None]:
    """Raise the errors of the SDK as those of a provider, without the order's reference.

    Raises:
        ProviderError: the request failed.
    """
    try:
        yield
    except (stripe.CardError, stripe.IdempotencyError, stripe.InvalidRequestError) as error:
        raise _Refused(_shown(error, reference), error.code) from None
    except stripe.StripeError as error:
        raise ProviderError(f"Stripe failed: {_shown(error, reference)}") from None


def _shown(error: stripe.StripeError, reference: str) -> str:
    text = hide_reference(error.user_message or error.code or type(error).__name__, reference)
    # The database cannot store some control characters.
    return "".join(filter(str.isprintable, text))[:RESPONSE_SHOWN_MAX]


def _word(word: str | None) -> str:
    """Return a word of Stripe that the database can store."""
    return "".join(filter(str.isprintable, word or ""))[:WORD_MAX] or "unknown"


def _result(refund: stripe.Refund, request: RefundRequest) -> RefundResult:
    """Return the state of a refund.

    Raises:
        ProviderError: the refund is not the requested one.
    """
    if _amount(refund.amount, refund.currency) != request.amount:
        raise ProviderError("Stripe returned another refund.")
    status = _REFUND_STATUSES.get(refund.status or "")
    if status is None:
        raise ProviderError(f"Stripe's refund has the unknown status {refund.status!r}.")
    error = (getattr(refund, "failure_reason", None) or "refused") if status == "failed" else None
    return RefundResult(status, refund.id, error)


def _metadata(of: stripe.StripeObject) -> dict[str, str]:
    """Return the metadata of an object; empty if it has none."""
    metadata = getattr(of, "metadata", None)
    return metadata.to_dict() if metadata else {}


def _units(amount: Amount) -> int:
    try:
        return to_stripe(amount)
    except UnchargeableAmount as error:
        raise ProviderError(str(error)) from None


def _amount(units: int, currency: str) -> Amount:
    try:
        return from_stripe(units, currency)
    except UnchargeableAmount as error:
        raise ProviderError(str(error)) from None
