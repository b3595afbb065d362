"""The payment provider protocol: one charge for each order, independent of any implementation."""

from typing import Annotated, Literal, NamedTuple, Protocol

import msgspec

from api.schemas import CURRENCY_PATTERN, Reference

CONCURRENT_REQUESTS_MAX = 16
"""Requests that one process sends to the provider at the same time."""

ChargeStatus = Literal["processing", "captured", "declined", "refunded"]
"""`processing` until the provider decides; only a captured charge can be refunded."""

AmountMinor = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Currency = Annotated[str, msgspec.Meta(pattern=CURRENCY_PATTERN)]


class ProviderError(Exception):
    """The request failed or its response is not usable. The provider may have processed the request."""


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


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge as the provider stores it; `amount` is in the currency's minor unit."""

    reference: str
    amount: int
    currency: str
    status: ChargeStatus


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

    async def refund(self, reference: str) -> None:
        """Refund a captured charge.

        Raises:
            ProviderError: the provider may have accepted the request, or has no captured charge with this reference.
        """
        ...
