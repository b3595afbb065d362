"""Payments: started with a booking, and settled by the provider's updates.

In `inline` mode the simulator decides within the booking transaction, since it makes no network call. In `async` mode
the booking holds its tickets, and after its commit this module requests the charge, outside of any transaction. The
provider's webhooks settle the order. The worker queries the provider about every charge that stays open.

Every captured payment has tickets or is refunded: a late payment reclaims the same tickets, or `settle` requests its
refund.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Literal

import msgspec
import psycopg
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.logs import order_label
from api.payments.provider import CONCURRENT_REQUESTS_MAX, Amount, ChargeStatus, PaymentProvider, ProviderError
from api.services import orders, refunds
from api.services.event_rules import takes_place
from api.services.isolation import ROW_ERRORS, run_singly
from api.services.order_rows import EVENT_CANCELLED, LockedOrder, OrderRow, PaymentStatus, Status
from api.services.orders import Change
from api.services.refunds import NewRefund, refund_of

_log = logging.getLogger(__name__)

CHARGES_QUEUED_MAX = 10_000
"""Charges that one process queues; the worker requests further ones."""

ChargeUpdate = ChargeStatus | Literal["unknown"]
"""A charge's reported status; `unknown`: the provider has no charge, and no process will request one."""


class _Wanted(msgspec.Struct, frozen=True):
    """A row of `payments.find_wanted`."""

    wanted: bool


class Charges:
    """Requests charges for the orders that this process has held, in the background.

    After a crash or with a full queue the worker requests the charges instead.
    """

    def __init__(self, pool: Pool, provider: PaymentProvider) -> None:
        self._pool = pool
        self._provider = provider
        self._queue: asyncio.Queue[OrderRow] = asyncio.Queue(CHARGES_QUEUED_MAX)

    def request(self, held: Collection[OrderRow]) -> None:
        """Queue orders for their charges."""
        for order in held:
            with contextlib.suppress(asyncio.QueueFull):
                self._queue.put_nowait(order)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Request the queued charges until the context ends."""
        tasks = [asyncio.create_task(self._send(), name=f"charges-{n}") for n in range(CONCURRENT_REQUESTS_MAX)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            order = await self._queue.get()
            try:
                if await self._is_wanted(order.reference):
                    await self._provider.charge(order.reference, Amount(order.total_minor, order.currency))
            except (ProviderError, psycopg.OperationalError) as error:
                _log.warning("Charge of %s failed, the worker retries it: %s", order_label(order.reference), error)
            except Exception:  # noqa: BLE001 - an unexpected error must not stop the next charges
                _log.exception("Charge of %s failed, the worker retries it", order_label(order.reference))

    async def _is_wanted(self, reference: str) -> bool:
        """Return whether an order holds tickets of an event that takes place.

        Both may have changed while the order was queued.
        """
        async with open_session(self._pool) as session:
            rows = await session.run(Statement(queries.payments.find_wanted, {"reference": reference}, _Wanted))
        return any(row.wanted for row in rows)


async def settle(
    session: Session, updates: Mapping[str, ChargeUpdate], amounts: Mapping[str, Amount] | None = None
) -> None:
    """Apply charge updates, by reference, to orders. Ignore updates that change nothing.

    Call it in a read committed transaction. `amounts` are the charges' amounts, by reference. An update whose amount
    is not the order's total is logged and ignored.
    """
    locked = await session.run(orders.lock(sorted(updates)))
    valid = [order for order in locked if _has_total(order, (amounts or {}).get(order.reference))]
    late = [order.id for order in valid if _is_late_capture(order, updates[order.reference])]
    reclaimed = await orders.reclaim(session, late) if late else set()
    made = [(order, _change(order, updates[order.reference], reclaimed=order.id in reclaimed)) for order in valid]
    changes = [change for _, change in made if change is not None]
    await orders.change(session, changes)
    returned = [order for order, change in made if change is not None and change.payment == "refunding"]
    await _refund(session, returned)
    refunded = [order.id for order in valid if updates[order.reference] == "refunded" and order.payment == "refunding"]
    if refunded:
        await refunds.settle_refunded(session, refunded)


async def hasten(session: Session, references: Collection[str], *, others: Collection[str] = ()) -> None:
    """Make the payments, refunds and pages of orders due for a check, because the provider has reported a change.

    Call it in a read committed transaction. `others` are the references of orders that the transaction also changes.
    """
    if not references:
        return
    await session.run(orders.lock(sorted({*references, *others})))
    parameters = {"references": list(references)}
    pipeline = session.pipeline()
    pipeline.add(Statement(queries.payments.hasten_payments, parameters))
    pipeline.add(Statement(queries.refunds.hasten_refunds, parameters))
    pipeline.add(Statement(queries.checkouts.hasten_closed, parameters))
    await pipeline.run()


def _has_total(order: LockedOrder, amount: Amount | None) -> bool:
    """Return whether a charge's amount is the order's total; None: the caller has checked the amount."""
    total = Amount(order.total_minor, order.currency)
    if amount in (None, total):
        return True
    label = order_label(order.reference)
    _log.error("Charge of %s ignored: its amount is %s, the order's total is %s", label, amount, total)
    return False


_CHANGES: dict[tuple[ChargeUpdate, str, str], tuple[Status | None, PaymentStatus, str | None]] = {
    ("captured", "pending", "pending"): ("confirmed", "captured", "paid"),
    ("captured", "expired", "pending"): (None, "refunding", None),
    ("captured", "expired", "void"): (None, "refunding", None),
    ("captured", "expired", "declined"): (None, "refunding", None),
    ("captured", "cancelled", "pending"): (None, "refunding", None),
    ("captured", "cancelled", "void"): (None, "refunding", None),
    ("captured", "cancelled", "declined"): (None, "refunding", None),
    ("captured", "declined", "declined"): (None, "refunding", None),
    ("declined", "pending", "pending"): ("declined", "declined", "the payment was declined"),
    ("declined", "expired", "pending"): (None, "declined", None),
    ("declined", "cancelled", "pending"): (None, "declined", None),
    ("unknown", "expired", "pending"): (None, "void", None),
    ("unknown", "cancelled", "pending"): (None, "void", None),
    ("refunded", "expired", "pending"): (None, "void", None),
    ("refunded", "cancelled", "pending"): (None, "void", None),
}
"""The transitions, by the update and the statuses of the order and its payment.

Each gives the order's next status (None: unchanged), the payment's next status and the reason. Any other update changes
nothing. `test_settlements.py` has the outcome of every combination.
"""


async def _refund(session: Session, returned: Sequence[LockedOrder]) -> None:
    """Request the refunds of captured payments whose orders have no tickets."""
    if new := [_new_refund(order) for order in returned if order.total_minor]:
        await refunds.request(session, new)
    if free := [order.id for order in returned if not order.total_minor]:  # The provider has no charge of 0.
        await session.run(refunds.finish(free))


def _new_refund(order: LockedOrder) -> NewRefund:
    if not takes_place(order):
        return refund_of(order, order.total_minor, requested_by="event", reason=EVENT_CANCELLED)
    if order.status == "cancelled":
        return refund_of(order, order.total_minor, requested_by="buyer", reason="paid after the cancellation")
    if order.payment == "declined":
        return refund_of(order, order.total_minor, requested_by="late", reason="paid after the payment was declined")
    return refund_of(order, order.total_minor, requested_by="late", reason="paid too late, the tickets were gone")


def _is_late_capture(order: LockedOrder, update: ChargeUpdate) -> bool:
    """Return True if an order was paid after its hold and the event takes place. Its tickets can then be reclaimed."""
    late = update == "captured" and order.status == "expired" and order.payment in {"pending", "void"}
    return late and takes_place(order)


def _change(order: LockedOrder, update: ChargeUpdate, *, reclaimed: bool) -> Change | None:
    """Return the change that an update makes to an order, or None."""
    if reclaimed:
        return Change(order.id, "confirmed", "captured", "paid late, and its tickets were still free")
    if update == "captured" and order.status == order.payment == "pending" and not takes_place(order):
        return Change(order.id, "cancelled", "refunding", EVENT_CANCELLED)
    if update == "refunded" and order.status == "confirmed" and order.refunded_minor < order.total_minor:
        _log.error(
            "Charge of %s was refunded, but the order is confirmed. Cancel the order.", order_label(order.reference)
        )
    if update == "captured" and not order.held and order.payment == "declined":
        _log.error("Charge of %s was captured, but the API has requested none.", order_label(order.reference))
        return None
    change = _CHANGES.get((update, order.status, order.payment))
    return Change(order.id, *change) if change else None


class _OpenPayment(msgspec.Struct, frozen=True):
    """A row of `payments.claim_open`: a pending payment that is due for a check.

    `wanted`: the order still holds its tickets, and its event takes place. `abandoned`: the hold ended longer ago than
    a request can last, so no request for a charge is in flight.
    """

    reference: str
    amount_minor: int
    currency: str
    wanted: bool
    abandoned: bool


async def reconcile_payments(pool: Pool, settings: Settings, provider: PaymentProvider) -> int:
    """Query or charge pending payments that are due, and settle the results; return the number of payments."""
    parameters = {
        "limit": CONCURRENT_REQUESTS_MAX,
        "check_after_ms": settings.payment_check_after_ms,
        "request_max_s": settings.provider_request_max_s,
    }
    async with open_session(pool) as session:
        statement = Statement(queries.payments.claim_open, parameters, _OpenPayment)
        due = await session.run(statement)
    results = await asyncio.gather(*(_reconcile(payment, provider) for payment in due))
    updates = {payment.reference: update for payment, update in zip(due, results, strict=True) if update is not None}
    try:
        await _settle(pool, updates)
    except ROW_ERRORS:
        await run_singly("payment", list(updates), lambda reference: _settle(pool, {reference: updates[reference]}))
    return len(due)


async def _settle(pool: Pool, updates: Mapping[str, ChargeUpdate]) -> int:
    if updates:
        async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
            await settle(session, updates)
    return len(updates)


async def _reconcile(payment: _OpenPayment, provider: PaymentProvider) -> ChargeUpdate | None:
    """Send the provider the request that a pending payment needs; return the charge's update, if there is one."""
    amount = Amount(payment.amount_minor, payment.currency)
    if payment.amount_minor == 0:  # The provider has no charge of 0.
        return "captured"
    try:
        if status := await provider.find(payment.reference, amount):
            return status
        if payment.abandoned:
            return "unknown"
        if payment.wanted:
            await provider.charge(payment.reference, amount)
    except ProviderError as error:
        _log.warning("Payment of %s not reconciled, the worker retries it: %s", order_label(payment.reference), error)
    except Exception:  # noqa: BLE001 - an unexpected error must not lose the other payments' updates
        _log.exception("Payment of %s not reconciled, the worker retries it", order_label(payment.reference))
    return None
