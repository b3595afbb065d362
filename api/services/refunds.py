"""Refunds: requested in the transaction that ends tickets, sent to the provider by the worker, then settled.

A refund has a key, and a request to the provider has the key and the number of its attempt. After a crash the worker
repeats the request, and the provider recognizes it. The constraint `payments_refunded_check` bounds the refunds of a
payment, whichever transactions request them.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.logs import order_label
from api.payments.provider import (
    CONCURRENT_REQUESTS_MAX,
    Amount,
    PaymentProvider,
    ProviderError,
    RefundRequest,
    RefundResult,
)
from api.services import orders
from api.services.isolation import ROW_ERRORS, run_singly
from api.services.order_rows import LockedOrder, RefundRow

_log = logging.getLogger(__name__)

ERROR_MAX = 500
"""Characters of a provider's error that a refund stores; `refunds_last_error_check` enforces it."""
NO_CHARGE = "the provider has no charge for this order"
"""The reason of a refund that has failed without a response of the provider to its request."""


class RefundExceedsPayment(RuntimeError):
    """The refunds of a payment would exceed its amount. The transaction has failed."""


class NewRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund to request, identified by its key; `amount_minor` in the currency's minor units."""

    payment_id: int
    amount_minor: int
    requested_by: str
    """The cause: `buyer`, `event` for a cancelled event, `late` for a payment after the hold, or an account."""
    reason: str
    is_charged: bool
    """False if the provider has not charged the payment, so that it has nothing to refund."""
    key: UUID = msgspec.field(default_factory=uuid4)


def refund_of(order: LockedOrder, amount_minor: int, *, requested_by: str, reason: str) -> NewRefund:
    """Return a refund of an order's payment; `amount_minor` in minor units."""
    return NewRefund(
        payment_id=order.payment_id,
        amount_minor=amount_minor,
        requested_by=requested_by,
        reason=reason,
        is_charged=order.held,
    )


async def request(session: Session, refunds: Sequence[NewRefund]) -> list[RefundRow]:
    """Request refunds, at most one of each payment; return them in the order of their payments.

    Call it in a read committed transaction that has locked the orders of the payments. The worker sends the refunds to
    the provider after the commit.

    Raises:
        RefundExceedsPayment: the refunds of a payment would exceed its amount.
    """
    parameters = {
        "keys": [str(refund.key) for refund in refunds],
        "payment_ids": [refund.payment_id for refund in refunds],
        "amounts_minor": [refund.amount_minor for refund in refunds],
        "statuses": ["requested" if refund.is_charged else "succeeded" for refund in refunds],
        "reasons": [refund.reason for refund in refunds],
        "requested_by": [refund.requested_by for refund in refunds],
    }
    try:
        return await session.run(Statement(queries.refunds.insert_refunds, parameters, RefundRow, affects=len(refunds)))
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name == "payments_refunded_check":
            raise RefundExceedsPayment from error
        raise


class _OpenRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `refunds.claim_open`: an open refund that is due for a check. Amounts in minor units."""

    id: int
    key: UUID
    attempt: int
    status: Literal["requested", "pending"]
    amount_minor: int
    reference: str
    """The reference of the order, which identifies the charge."""
    charged_minor: int
    currency: str
    is_forgotten: bool
    """True if the provider may soon have forgotten the key of an earlier request, or has done so already."""
    is_old: bool
    """True if the refund was requested longer than `REFUND_GIVE_UP_HOURS` ago."""

    @property
    def charged(self) -> Amount:
        """Return the amount of the charge."""
        return Amount(self.charged_minor, self.currency)

    def request(self) -> RefundRequest:
        """Return the request to the provider, which is the same after a crash."""
        return RefundRequest(
            key=f"{self.key}_{self.attempt}",
            reference=self.reference,
            amount=Amount(self.amount_minor, self.currency),
        )


class _Rate(msgspec.Struct, frozen=True):
    """A row of `refunds.lock_rate`."""

    admitted: int


_Results = Mapping[_OpenRefund, RefundResult]


async def request_refunds(pool: Pool, settings: Settings, provider: PaymentProvider) -> int:
    """Send open refunds that are due to the provider, and settle the results; return the number of refunds.

    All workers together send at most `REFUNDS_PER_SECOND`.
    """
    due = await _claim(pool, settings)
    received = await asyncio.gather(*(_send(refund, provider) for refund in due))
    results = {refund: result for refund, result in zip(due, received, strict=True) if result is not None}
    try:
        await _settle(pool, results)
    except ROW_ERRORS:
        by_id = {refund.id: refund for refund in results}
        await run_singly("refund", list(by_id), lambda key: _settle(pool, {by_id[key]: results[by_id[key]]}))
    return len(due)


async def _claim(pool: Pool, settings: Settings) -> list[_OpenRefund]:
    """Claim due refunds, as many as the rate of all workers admits."""
    rate = {"per_second": settings.refunds_per_second}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        locked = await session.run(Statement(queries.refunds.lock_rate, rate, _Rate))
        if not locked or not locked[0].admitted:
            return []
        parameters = {
            "limit": min(CONCURRENT_REQUESTS_MAX, locked[0].admitted),
            "check_after_ms": settings.payment_check_after_ms,
            "give_up_hours": settings.refund_give_up_hours,
        }
        claimed = await session.run(Statement(queries.refunds.claim_open, parameters, _OpenRefund))
        await session.run(Statement(queries.refunds.use_rate, {**rate, "refunds": len(claimed)}))
    return claimed


async def _send(refund: _OpenRefund, provider: PaymentProvider) -> RefundResult | None:
    """Send the provider the request that an open refund needs; return the result, if there is one."""
    label = order_label(refund.reference)
    try:
        result = await _request(refund, provider)
    except ProviderError as error:
        _log.warning("Refund %s of %s not settled, the worker retries it: %s", refund.key, label, error)
        return None
    except Exception:  # noqa: BLE001 - an unexpected error must not lose the other refunds' results
        _log.exception("Refund %s of %s not settled, the worker retries it", refund.key, label)
        return None
    if result.status == "failed":
        _log.error("Refund %s of %s failed: %s", refund.key, label, result.error)
    return result


async def _request(refund: _OpenRefund, provider: PaymentProvider) -> RefundResult:
    """Find a pending refund, or request a refund; return the provider's result.

    The provider may have made the refund at a request whose response was lost. It forgets keys after a day, and would
    make the refund again. So an earlier request is looked up first.

    A refund has succeeded if the provider has refunded the whole charge, for example through its own pages. An old
    refund has failed if the provider has no charge for it, because a repeated request cannot change that.

    Raises:
        ProviderError: the provider may have accepted the request.
    """
    try:
        is_known = refund.status == "pending" or refund.is_forgotten
        found = await provider.find_refund(refund.request()) if is_known else None
        result = found or await provider.refund(refund.request())
    except ProviderError:
        if refund.is_old and await provider.find(refund.reference, refund.charged) is None:
            return RefundResult("failed", error=NO_CHARGE)
        raise
    if result.status == "failed" and await provider.find(refund.reference, refund.charged) == "refunded":
        return RefundResult("succeeded")
    return result


async def _settle(pool: Pool, results: _Results) -> int:
    if results:
        async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
            locked = await session.run(orders.lock(sorted({refund.reference for refund in results})))
            parameters = {
                "ids": [refund.id for refund in results],
                "attempts": [refund.attempt for refund in results],
                "statuses": [result.status for result in results.values()],
                "provider_ids": [result.provider_id for result in results.values()],
                "errors": [(result.error or "")[:ERROR_MAX] or None for result in results.values()],
            }
            pipeline = session.pipeline()
            pipeline.add(Statement(queries.refunds.settle_refunds, parameters))
            pipeline.add(finish([order.id for order in locked]))
            await pipeline.run()
    return len(results)


async def settle_refunded(session: Session, order_ids: Sequence[int]) -> None:
    """Settle the refunds of locked orders, because the provider has refunded their whole charges."""
    pipeline = session.pipeline()
    pipeline.add(Statement(queries.refunds.settle_open, {"order_ids": order_ids}))
    pipeline.add(finish(order_ids))
    await pipeline.run()


def finish(order_ids: Sequence[int]) -> Statement[tuple[Any, ...]]:
    """Return the statement that ends the payments of locked orders without tickets once all refunds have succeeded."""
    return Statement(queries.payments.finish_refunds, {"order_ids": order_ids})


async def retry_refund(pool: Pool, key: UUID) -> bool:
    """Request a failed refund again, as another request to the provider; return False if no failed refund has the key.

    Raises:
        psycopg.Error: the refund is unchanged.
        CommitUnknownError: the refund may be requested. It is safe to retry it again.
    """
    parameters = {"refund_key": str(key)}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        references = await session.run(Statement(queries.refunds.find_reference, parameters))
        if not references:
            return False
        await session.run(orders.lock([reference for (reference,) in references]))
        return bool(await session.run(Statement(queries.refunds.retry_failed, parameters)))
