"""Cancellations of events: the sale ends at once, and the worker ends and refunds the orders in batches.

`start` ends the sale and lists the orders with tickets in one transaction. It withdraws the available tickets, which
waits for the bookings that have claimed some. So no booking of the event commits after it. The worker then cancels
the listed orders with one refund each. All state is in the database, so that a killed worker loses nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.errors import is_retryable
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.services import orders
from api.services.isolation import RETRY_PAUSE_MAX_S, RETRY_PAUSE_S, ROW_ERRORS, run_singly
from api.services.order_rows import EVENT_CANCELLED, LIVE
from api.services.returns import cancel_orders

Kind = Literal["paid", "pending", "free"]
"""`paid`: the order has money to refund. `pending`: it holds tickets. `free`: nothing is left to refund."""
State = Literal["waiting", "requested", "succeeded", "failed", "without_money"]
"""The state of a listed order: `waiting` for the worker, or the state of its refund, if it has any money."""

FAILED_SHOWN_MAX = 20
"""Failed refunds that `find_failed` returns."""
_START_ATTEMPTS = 20
"""Attempts to start a cancellation while bookings and settlements hold locks."""


class CancellationError(Exception):
    """The cancellation of an event did not start, and changed nothing."""


class UnknownEvent(CancellationError):
    """No event has this slug."""


class AlreadyCancelled(CancellationError):
    """The cancellation of the event has started before."""


class TotalsChanged(CancellationError):
    """The event's orders are no longer those that the operator has seen."""


class Total(msgspec.Struct, frozen=True):
    """A row of `cancellations.summarize_orders`; `amount_minor` in the currency's minor units."""

    currency: str
    kind: Kind
    orders: int
    tickets: int
    amount_minor: int
    """The amount that the buyers have paid and not got back."""


class Preview(msgspec.Struct, frozen=True):
    """The orders of an event that its cancellation would end, from one snapshot."""

    event: str
    """The event's slug."""
    name: str
    totals: Sequence[Total]

    @property
    def orders(self) -> int:
        """Return the number of orders."""
        return sum(total.orders for total in self.totals)


class Count(msgspec.Struct, frozen=True):
    """A row of `cancellations.count_progress`; `amount_minor` in the currency's minor units."""

    event: str
    currency: str
    state: State
    orders: int
    amount_minor: int


class FailedRefund(msgspec.Struct, frozen=True):
    """A row of `cancellations.list_failed`; `amount_minor` in the currency's minor units."""

    key: UUID
    reference: str
    amount_minor: int
    currency: str
    last_error: str | None


class Progress(msgspec.Struct, frozen=True):
    """The state of a cancellation, from one snapshot. The counts add up to all of its orders."""

    event: str
    """The event's slug."""
    name: str
    reason: str
    started_at: datetime
    finished_at: datetime | None
    """The time at which every order had ended and every refund was decided; None: the worker continues."""
    counts: Sequence[Count]
    failed: Sequence[FailedRefund]
    """The first failed refunds, which `retry-refund` requests again."""


class _Found(msgspec.Struct, frozen=True):
    """A row of `cancellations.find_cancellation`."""

    event_id: int
    name: str
    reason: str | None
    started_at: datetime | None
    finished_at: datetime | None


class _Claimed(msgspec.Struct, frozen=True):
    """A row of `cancellations.claim_orders`."""

    order_id: int
    reference: str


async def preview(pool: Pool, event: str) -> Preview | Progress:
    """Return the orders that a cancellation of an event would end, or the progress of its cancellation.

    Raises:
        UnknownEvent: no event has this slug.
        psycopg.Error: the database is unavailable.
    """
    async with open_session(pool) as session:
        found = await _find(session, event)
        if found.started_at is None:
            totals = await session.run(_summarize(found.event_id))
            return Preview(event, found.name, totals)
        counts = await session.run(_count(found.event_id))
        parameters = {"event_id": found.event_id, "limit": FAILED_SHOWN_MAX}
        failed = await session.run(Statement(queries.cancellations.list_failed, parameters, FailedRefund))
    return Progress(event, found.name, found.reason or "", found.started_at, found.finished_at, counts, failed)


def count_unfinished() -> Statement[Count]:
    """Return the statement that counts the orders of all unfinished cancellations."""
    return _count(None)


def _count(event_id: int | None) -> Statement[Count]:
    return Statement(queries.cancellations.count_progress, {"event_id": event_id}, Count)


async def start(pool: Pool, expected: Preview, reason: str) -> None:
    """Cancel an event: end its sale, withdraw its tickets and list its orders for the worker.

    Args:
        pool: the pool. Its timeout for statements must suffice for all tickets of the event.
        expected: the preview that the operator has confirmed.
        reason: the operator's reason, which matches `TEXT_PATTERN`.

    Raises:
        UnknownEvent: no event has this slug.
        AlreadyCancelled: the cancellation has started before.
        TotalsChanged: the event's orders differ from the preview.
        psycopg.Error: nothing has changed.
        CommitUnknownError: the cancellation may have started; the preview then is its progress.
    """
    for attempt in range(1, _START_ATTEMPTS + 1):
        try:
            await _start(pool, expected, reason)
        except psycopg.Error as error:
            if not is_retryable(error) or attempt == _START_ATTEMPTS:
                raise
        else:
            return


async def _start(pool: Pool, expected: Preview, reason: str) -> None:
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(Statement(queries.cancellations.lock_event, {"event": expected.event}))
        found = await _find(session, expected.event)
        if found.started_at is not None:
            raise AlreadyCancelled(f"The event {expected.event} is already cancelled.")
        event = {"event_id": found.event_id}
        pipeline = session.pipeline()
        pipeline.add(Statement(queries.cancellations.end_sale, event))
        pipeline.add(Statement(queries.cancellations.withdraw_tickets, event))
        # Every new order needed an available ticket, so the list of orders is complete from here on.
        pipeline.add(Statement(queries.cancellations.lock_live_orders, event))
        # The changes for which the locks have waited may have put tickets back on sale.
        pipeline.add(Statement(queries.cancellations.withdraw_tickets, event))
        totals = pipeline.add(_summarize(found.event_id))
        await pipeline.run()
        if totals.rows != list(expected.totals):
            raise TotalsChanged(f"The orders of {expected.event} have changed since the preview.")
        pipeline = session.pipeline()
        pipeline.add(Statement(queries.cancellations.insert_cancellation, {**event, "reason": reason}))
        pipeline.add(Statement(queries.cancellations.list_orders, event, affects=expected.orders))
        await pipeline.run()


async def _find(session: Session, event: str) -> _Found:
    found = await session.run(Statement(queries.cancellations.find_cancellation, {"event": event}, _Found))
    if not found:
        raise UnknownEvent(f"There is no event {event}.")
    return found[0]


def _summarize(event_id: int) -> Statement[Total]:
    return Statement(queries.cancellations.summarize_orders, {"event_id": event_id}, Total)


async def end_orders(pool: Pool, settings: Settings) -> int:
    """End a batch of orders of cancelled events and request their refunds; return the number of orders.

    An order that fails does not stop the others. Without such orders, finish the cancellations that are settled.
    """
    try:
        ended = await _end(pool, settings.refund_batch)
    except ROW_ERRORS:
        async with open_session(pool) as session:
            claimed = await session.run(_claim(settings.refund_batch))
        ended = await run_singly("order", [row.order_id for row in claimed], lambda key: _end_one(pool, key))
    return ended or await _finish(pool)


async def _end_one(pool: Pool, order_id: int) -> int:
    """End an order, or postpone it if it fails, so that it does not stand before the others again."""
    try:
        return await _end(pool, 1, only=order_id)
    except ROW_ERRORS:
        parameters = {"order_id": order_id, "pause_s": RETRY_PAUSE_S, "pause_max_s": RETRY_PAUSE_MAX_S}
        async with open_session(pool) as session:
            await session.run(Statement(queries.cancellations.postpone_order, parameters))
        raise


async def _end(pool: Pool, limit: int, only: int | None = None) -> int:
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        claimed = await session.run(_claim(limit, only))
        if claimed:
            locked = await session.run(orders.lock([row.reference for row in claimed]))
            live = [order for order in locked if order.status in LIVE]  # Its buyer or its hold may have ended it.
            await cancel_orders(session, live, requested_by="event", reason=EVENT_CANCELLED)
            parameters = {"order_ids": [row.order_id for row in claimed]}
            await session.run(Statement(queries.cancellations.mark_ended, parameters, affects=len(claimed)))
    return len(claimed)


def _claim(limit: int, only: int | None = None) -> Statement[_Claimed]:
    return Statement(queries.cancellations.claim_orders, {"limit": limit, "only": only}, _Claimed)


async def _finish(pool: Pool) -> int:
    """Finish the cancellations that are settled; return the number of orders that are listed after all."""
    listed: list[tuple[Any, ...]] = []
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        for (event_id,) in await session.run(Statement(queries.cancellations.lock_settled, {})):
            event = {"event_id": event_id}
            await session.run(Statement(queries.cancellations.withdraw_tickets, event))
            new = await session.run(Statement(queries.cancellations.list_orders, event))
            if not new:
                await session.run(Statement(queries.cancellations.finish, event))
            listed += new
    return len(listed)
