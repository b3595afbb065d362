"""The payment provider protocol: one charge for each order, independent of any implementation."""

from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec

from api.schemas import CURRENCY_PATTERN, Reference

CONCURRENT_REQUESTS_MAX = 16
"""Requests that one process sends to the provider at the same time."""

ChargeStatus = Literal["processing", "captured", "declined", "refunded"]
"""`processing` until the provider decides; only a captured charge can be refunded. `refunded`: entirely."""

RefundResultStatus = Literal["pending", "succeeded", "failed"]
"""`pending` until the provider decides."""

AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
ProviderId = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
RefundKey = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Currency = Annotated[str, msgspec.Meta(pattern=CURRENCY_PATTERN)]


class ProviderError(Exception):
    """The request failed or its response is not usable. The provider may have processed the request."""


REFUND_REFUSALS = frozenset({"not_cancellable", "refund_too_large"})
"""Codes of the provider for a refund that it will never make."""


class Amount(NamedTuple):
    """An amount of money; `minor` is in the currency's minor unit."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.minor} {self.currency}"


class ChargeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to charge an order; `amount` is in the currency's minor unit."""

    reference: Reference
    amount: AmountMinor
    currency: Currency


class Charge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A charge as the provider stores it; amounts are in the currency's minor unit."""

    reference: str
    amount: int
    currency: str
    status: ChargeStatus
    refunded: int = 0
    """The sum of the charge's refunds."""


class RefundBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request to refund a part of a charge; `amount` is in the currency's minor unit."""

    key: RefundKey
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    currency: Currency


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as the provider stores it; `amount` is in the currency's minor unit."""

    id: ProviderId
    key: str
    reference: str
    """The reference of the charge."""
    amount: int
    currency: str
    status: RefundResultStatus


class RefundRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of a part of a charge. A request with the same key is the same refund."""

    key: str
    reference: str
    """The reference of the charge."""
    amount: Amount


class RefundResult(msgspec.Struct, frozen=True):
    """The state of a refund at the provider, with the provider's id. `error` is the reason of a failure."""

    status: RefundResultStatus
    provider_id: str | None = None
    error: str | None = None


class ProviderPayment(msgspec.Struct, frozen=True):
    """A captured payment as the provider lists it; `reference` is None if it belongs to no order."""

    id: str
    reference: str | None
    amount: Amount


class ProviderRefund(msgspec.Struct, frozen=True):
    """A refund as the provider lists it; `key` and `reference` are None if the provider's pages have made it."""

    id: str
    key: str | None
    reference: str | None
    amount: Amount
    status: RefundResultStatus


class PaymentProvider(Protocol):
    """Takes payments: at most one charge for each order reference. Every method is safe to repeat."""

    def is_open(self) -> bool:
        """Return whether the circuit breaker is open: the provider is unavailable, so no booking should start."""
        ...

    async def charge(self, reference: str, amount: Amount) -> None:
        """Request a charge. The provider decides it later.

        Raises:
            ProviderError: the provider may have accepted the request.
        """
        ...

    async def find(self, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Return the status of a charge, or None if the provider has no charge with this reference.

        Raises:
            ProviderError: the status is unknown, or the charge's amount is not the expected one.
        """
        ...

    async def refund(self, request: RefundRequest) -> RefundResult:
        """Refund a part of a captured charge, once for each key. A refund that the provider refuses has failed.

        Raises:
            ProviderError: the provider may have accepted the request.
        """
        ...

    async def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, or None if the provider has no refund with this key.

        Raises:
            ProviderError: the state is unknown.
        """
        ...
