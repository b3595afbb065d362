"""The protocol of a provider with hosted pages, on which buyers pay."""

from typing import Protocol

import msgspec

from api.payments.provider import Amount, ChargeStatus, RefundRequest, RefundResult

WORD_MAX = 100
"""The most characters of a provider's word."""


class Checkout(msgspec.Struct, frozen=True):
    """A page of the provider on which a buyer pays an order."""

    id: str
    url: str


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that its buyer's bank disputes; `reference` is that of its order, or None if it has none of ours.

    `status` and `reason` are the provider's words, of 1 to `WORD_MAX` characters.
    """

    reference: str | None
    amount: Amount
    status: str
    reason: str


class Gateway(Protocol):
    """Takes payments on hosted pages, each identified by the provider's id. Every method is safe to repeat."""

    def is_open(self) -> bool:
        """Return whether requests are stopped because the provider failed recently."""
        ...

    async def start(self, reference: str, amount: Amount, return_url: str) -> Checkout:
        """Create the page of an order, or return the one that an earlier request has created.

        The page leads back to `return_url`, with the query `paid=1` after a payment.

        Raises:
            ProviderError: the provider may have created the page.
        """
        ...

    async def find(self, checkout_id: str, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Return the status of a page's payment, or None if the page was closed unpaid.

        Raises:
            ProviderError: the status is unknown, or the page is not that of the order.
        """
        ...

    async def close(self, checkout_id: str, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Close a page, so that nobody can pay on it any more; return the status as `find` does.

        Raises:
            ProviderError: the status is unknown.
        """
        ...

    async def refund(self, checkout_id: str, request: RefundRequest) -> RefundResult:
        """Refund a part of a captured payment, once for each key. A refund that the provider refuses has failed.

        Raises:
            ProviderError: the provider may have accepted the request.
        """
        ...

    async def find_refund(self, checkout_id: str, request: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, or None if the provider has no refund with this key.

        Raises:
            ProviderError: the state is unknown.
        """
        ...

    async def find_dispute(self, dispute_id: str) -> Dispute | None:
        """Return a dispute in its present state, or None if the provider has no dispute with this id.

        Raises:
            ProviderError: the state is unknown.
        """
        ...
