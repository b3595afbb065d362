"""The comparison of the provider's payments and refunds with those of the database, in both directions."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.payments.provider import Amount, ProviderPayment, ProviderRefund

_CAPTURED = frozenset({"captured", "refunding", "refunded"})
"""The states of a payment that the provider has captured."""


class Listing(Protocol):
    """Lists the captured payments and the refunds of a provider."""

    def payments_since(self, since: datetime) -> AsyncIterator[ProviderPayment]:
        """Return the captured payments that were created since a time.

        Raises:
            ProviderError: the list is incomplete.
        """
        ...

    def refunds_since(self, since: datetime) -> AsyncIterator[ProviderRefund]:
        """Return the refunds that were created since a time.

        Raises:
            ProviderError: the list is incomplete.
        """
        ...


class Difference(msgspec.Struct, frozen=True, order=True):
    """A payment or a refund that differs between the provider and the database."""

    subject: str
    """The reference of the order, or the provider's id of an object without an order."""
    fact: str


class _Payment(msgspec.Struct, frozen=True):
    """A row of `reconciliation.find_payments`; `amount_minor` in minor units."""

    reference: str
    status: str
    amount_minor: int
    currency: str
    is_recent: bool
    """True if the payment was made since the beginning of the comparison."""


class _Refund(msgspec.Struct, frozen=True):
    """A row of `reconciliation.find_refunds`; `amount_minor` in minor units."""

    reference: str
    status: str
    amount_minor: int
    currency: str
    key: str
    """The key of the request to the provider."""
    is_recent: bool
    """True if the refund was requested since the beginning of the comparison."""


async def compare(pool: Pool, listing: Listing, since: datetime, *, hosted: bool) -> list[Difference]:
    """Return the differences of payments and refunds since a time, sorted.

    Args:
        pool: the connections to the database.
        listing: the objects of the provider.
        since: the beginning of the comparison.
        hosted: True to compare the payments on pages of the provider, False to compare the others.

    Raises:
        ProviderError: the provider's list is incomplete.
    """
    # The provider's objects are read first, so that each of them already has its row.
    payments = [payment async for payment in listing.payments_since(since)]
    refunds = [refund async for refund in listing.refunds_since(since)]
    parameters = {
        "since": since,
        "hosted": hosted,
        "known": sorted({payment.reference for payment in payments if payment.reference}),
        "keys": sorted({refund.key for refund in refunds if refund.key}),
    }
    async with open_session(pool) as session:
        pipeline = session.pipeline()
        own_payments = pipeline.add(Statement(queries.reconciliation.find_payments, parameters, _Payment))
        own_refunds = pipeline.add(Statement(queries.reconciliation.find_refunds, parameters, _Refund))
        await pipeline.run()
    by_reference = {payment.reference: payment for payment in own_payments.rows}
    by_key = {refund.key: refund for refund in own_refunds.rows}
    return sorted({*_compare_payments(payments, by_reference), *_compare_refunds(refunds, by_key)})


def _compare_payments(theirs: Sequence[ProviderPayment], ours: Mapping[str, _Payment]) -> Iterator[Difference]:
    counts = Counter(payment.reference for payment in theirs)
    for payment in theirs:
        own = ours.get(payment.reference or "")
        if own is None:
            yield Difference(
                payment.reference or payment.id, f"the provider captured {payment.amount} without an order"
            )
            continue
        if counts[own.reference] > 1:
            yield Difference(own.reference, f"the provider captured {counts[own.reference]} payments")
        if own.status not in _CAPTURED:
            yield Difference(own.reference, f"the provider captured the payment, which is {own.status} here")
        if payment.amount != Amount(own.amount_minor, own.currency):
            own_amount = Amount(own.amount_minor, own.currency)
            yield Difference(own.reference, f"the provider captured {payment.amount}, not {own_amount}")
    for own in ours.values():
        if own.is_recent and own.status in _CAPTURED and own.reference not in counts:
            yield Difference(own.reference, f"the payment is {own.status} here, but the provider has not captured it")


def _compare_refunds(theirs: Sequence[ProviderRefund], ours: Mapping[str, _Refund]) -> Iterator[Difference]:
    for refund in theirs:
        own = ours.get(refund.key or "")
        subject = refund.reference or refund.id
        if own is None:
            if refund.status != "failed":
                yield Difference(subject, f"the provider refunded {refund.amount} without a request")
            continue
        if refund.status != own.status:
            yield Difference(subject, f"refund {own.key} is {refund.status} at the provider and {own.status} here")
        if refund.amount != Amount(own.amount_minor, own.currency):
            own_amount = Amount(own.amount_minor, own.currency)
            yield Difference(subject, f"refund {own.key} is {refund.amount} at the provider and {own_amount} here")
    known = {refund.key for refund in theirs}
    for own in ours.values():
        if own.is_recent and own.status in {"pending", "succeeded"} and own.key not in known:
            yield Difference(own.reference, f"refund {own.key} is {own.status} here, but unknown to the provider")
