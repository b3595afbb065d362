"""The comparison of the provider's payments and refunds with those of the database, in both directions.

The comparison reads the database in pages within one snapshot, so that no statement takes long. In memory it keeps one
page and every listed object of the provider, which has some hundred bytes.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
from psycopg import IsolationLevel

from api.database import queries
from api.database.pool import Pool
from api.database.queries import Query
from api.database.session import Session, Statement, open_session
from api.payments.provider import Amount, ProviderPayment, ProviderRefund

PAGE_ROWS = 2000
"""Payments or refunds that one statement reads."""
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
    """A row of `reconciliation.list_captured` or `reconciliation.find_payments`; `amount_minor` in minor units."""

    reference: str
    status: str
    amount_minor: int
    currency: str


class _Refund(msgspec.Struct, frozen=True):
    """A row of `reconciliation.list_made` or `reconciliation.find_refunds`; `amount_minor` in minor units."""

    reference: str
    status: str
    amount_minor: int
    currency: str
    key: str
    """The key of the request to the provider."""


_Row = TypeVar("_Row", _Payment, _Refund)
_Item = TypeVar("_Item")


async def compare(
    pool: Pool, listing: Listing, since: datetime, *, hosted: bool, page_rows: int = PAGE_ROWS
) -> list[Difference]:
    """Return the differences of payments and refunds since a time, sorted.

    Args:
        pool: the connections to the database.
        listing: the objects of the provider.
        since: the beginning of the comparison.
        hosted: True to compare the payments on pages of the provider, False to compare the others.
        page_rows: the payments or refunds that one statement reads.

    Raises:
        ProviderError: the provider's list is incomplete.
    """
    # The provider's objects are read first, so that each of them already has its row.
    payments = [payment async for payment in listing.payments_since(since)]
    refunds = [refund async for refund in listing.refunds_since(since)]
    reader = _Reader(since, hosted, page_rows)
    async with open_session(pool) as session, session.transaction(IsolationLevel.REPEATABLE_READ):
        found = {difference async for difference in _compare_payments(session, payments, reader)}
        found |= {difference async for difference in _compare_refunds(session, refunds, reader)}
    return sorted(found)


class _Reader(msgspec.Struct, frozen=True):
    """Reads the database in pages; the fields are those of `compare`."""

    since: datetime
    hosted: bool
    page_rows: int

    async def pages(
        self, session: Session, last: Query, page: Query, row: Callable[..., _Row]
    ) -> AsyncIterator[list[_Row]]:
        """Return the rows of each page; `last` finds the end of the page that `page` lists."""
        after = 0
        while True:
            ((end,),) = await session.run(Statement(last, {"after": after, "limit": self.page_rows}))
            if end is None:
                return
            parameters = {"since": self.since, "hosted": self.hosted, "after": after, "through": end}
            yield await session.run(Statement(page, parameters, row))
            after = end

    def chunks(self, items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
        """Return the items in parts of a page."""
        return (items[first : first + self.page_rows] for first in range(0, len(items), self.page_rows))


async def _compare_payments(
    session: Session, theirs: Sequence[ProviderPayment], reader: _Reader
) -> AsyncIterator[Difference]:
    counts = Counter(payment.reference for payment in theirs)
    for chunk in reader.chunks(theirs):
        references = sorted({payment.reference for payment in chunk if payment.reference})
        query = Statement(queries.reconciliation.find_payments, {"references": references}, _Payment)
        ours = {own.reference: own for own in await session.run(query)}
        for payment in chunk:
            own = ours.get(payment.reference or "")
            for fact in _facts_of_payment(payment, own, counts[payment.reference]):
                yield Difference(payment.reference or payment.id, fact)
    listed = reader.pages(
        session, queries.reconciliation.find_last_payment, queries.reconciliation.list_captured, _Payment
    )
    async for page in listed:
        for own in page:
            if own.reference not in counts:
                fact = f"the payment is {own.status} here, but the provider has not captured it"
                yield Difference(own.reference, fact)


def _facts_of_payment(payment: ProviderPayment, own: _Payment | None, count: int) -> Iterator[str]:
    """Return the differences of a payment of the provider, which has `count` payments of the same order."""
    if own is None:
        yield f"the provider captured {payment.amount} without an order"
        return
    if count > 1:
        yield f"the provider captured {count} payments"
    if own.status not in _CAPTURED:
        yield f"the provider captured the payment, which is {own.status} here"
    if payment.amount != (amount := Amount(own.amount_minor, own.currency)):
        yield f"the provider captured {payment.amount}, not {amount}"


async def _compare_refunds(
    session: Session, theirs: Sequence[ProviderRefund], reader: _Reader
) -> AsyncIterator[Difference]:
    for chunk in reader.chunks(theirs):
        keys = sorted({key for refund in chunk if (key := _key_without_attempt(refund.key))})
        query = Statement(queries.reconciliation.find_refunds, {"keys": keys}, _Refund)
        ours = {own.key: own for own in await session.run(query)}
        for refund in chunk:
            for fact in _facts_of_refund(refund, ours.get(refund.key or "")):
                yield Difference(refund.reference or refund.id, fact)
    known = {refund.key for refund in theirs}
    listed = reader.pages(session, queries.reconciliation.find_last_refund, queries.reconciliation.list_made, _Refund)
    async for page in listed:
        for own in page:
            if own.key not in known:
                yield Difference(own.reference, f"refund {own.key} is {own.status} here, but unknown to the provider")


def _facts_of_refund(refund: ProviderRefund, own: _Refund | None) -> Iterator[str]:
    """Return the differences of a refund of the provider."""
    if own is None:
        if refund.status != "failed":
            yield f"the provider refunded {refund.amount} without a request"
        return
    if refund.status != own.status:
        yield f"refund {own.key} is {refund.status} at the provider and {own.status} here"
    if refund.amount != (amount := Amount(own.amount_minor, own.currency)):
        yield f"refund {own.key} is {refund.amount} at the provider and {amount} here"


def _key_without_attempt(key: str | None) -> str | None:
    """Return the key of a refund without its attempt, or None for a refund of another program."""
    try:
        return str(UUID((key or "").rpartition("_")[0]))
    except ValueError:
        return None
