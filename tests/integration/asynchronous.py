"""Asynchronous payment without a network: held orders, an in-process provider, and older data."""

import secrets
from typing import Any

from psycopg import AsyncConnection, IsolationLevel

from api import schemas
from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import ApiError
from api.payments.provider import (
    Amount,
    ChargeStatus,
    ProviderError,
    RefundRequest,
    RefundResult,
    RefundResultStatus,
)
from api.services.access import Access
from api.services.bookings.batch import book_batch
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Item, NewOrder, Outcome, Retry
from api.services.order_rows import OrderRow
from api.services.order_rules import OrderRules
from api.services.payments import ChargeUpdate, settle

ASYNC = Settings(
    payment_mode="async",
    bookings_per_minute=0,
    hold_seconds=300,
    max_tickets_per_booking=1000,
    refunds_per_second=1000,
)
INLINE = Settings(payment_success_rate=1, bookings_per_minute=0, max_tickets_per_booking=1000)
OPEN = Access(is_open=True)
"""The access of a request without a secret while guest orders are open."""
RULES = OrderRules(hold_seconds=300, tickets_max=10)
"""The default rules for orders."""


class Provider:
    """A payment provider in the memory of the test, which may change the charges directly."""

    def __init__(self) -> None:
        self.charges: dict[str, ChargeStatus] = {}
        self.amounts: dict[str, Amount] = {}
        self.refunds: dict[str, tuple[RefundRequest, RefundResult]] = {}
        """The refunds by their keys, with their requests."""
        self.refund_status: RefundResultStatus = "succeeded"
        """The status of new refunds."""
        self.unavailable = False

    def is_open(self) -> bool:
        return self.unavailable

    async def charge(self, reference: str, amount: Amount) -> None:
        self._check_available()
        if self.amounts.setdefault(reference, amount) != amount:
            raise ProviderError("different amount")
        self.charges.setdefault(reference, "processing")

    async def find(self, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        self._check_available()
        if expected not in (None, self.amounts.get(reference, expected)):
            raise ProviderError("different amount")
        return self.charges.get(reference)

    async def refund(self, request: RefundRequest) -> RefundResult:
        self._check_available()
        if known := self.refunds.get(request.key):
            if known[0] != request:
                raise ProviderError("different refund")
            return known[1]
        if self.charges.get(request.reference) not in {"captured", "refunded"}:
            raise ProviderError("not captured")
        charged = self.amounts.get(request.reference)
        if charged and self.refunded(request.reference) + request.amount.minor > charged.minor:
            return RefundResult("failed", error="more than the charge")
        result = RefundResult(self.refund_status, f"re_{len(self.refunds)}")
        self.refunds[request.key] = (request, result)
        if charged is None or self.refunded(request.reference) == charged.minor:
            self.charges[request.reference] = "refunded"
        return result

    async def find_refund(self, request: RefundRequest) -> RefundResult | None:
        self._check_available()
        known = self.refunds.get(request.key)
        return known and known[1]

    def refunded(self, reference: str) -> int:
        """Return the sum of a charge's refunds that have not failed, in minor units."""
        return sum(
            request.amount.minor
            for request, result in self.refunds.values()
            if request.reference == reference and result.status != "failed"
        )

    def _check_available(self) -> None:
        if self.unavailable:
            raise ProviderError("unavailable")


def order(tier: str | None = "GA", quantity: int = 1, *, ticket_ids: tuple[int, ...] = (), **changes: Any) -> NewOrder:
    item = Item(tier=tier, quantity=quantity, ticket_ids=ticket_ids)
    values = {"reference": f"r-{secrets.token_hex(6)}", "event": schemas.BUILT_IN_EVENT, "user_id": "u"}
    return NewOrder(**{**values, "items": (item,), **changes})


async def book(pool: Pool, *batch: NewOrder, settings: Settings = ASYNC) -> list[Outcome]:
    outcomes: dict[str, Outcome] = {}
    async with open_session(pool) as session:
        await book_batch(session, batch, BookingPolicy.of(settings), Memory(), outcomes)
    return [outcomes[request.reference] for request in batch]


def response(outcome: Outcome) -> OrderRow | ApiError:
    """Return the order or the error of a decision."""
    assert not isinstance(outcome, Retry)
    return outcome.order if isinstance(outcome, Booked) else outcome.error


async def hold(pool: Pool, tier: str = "GA", quantity: int = 1, **changes: Any) -> OrderRow:
    """Book one order; return the held order."""
    (outcome,) = await book(pool, order(tier, quantity, **changes))
    assert isinstance(outcome, Booked)
    assert outcome.order.status == "pending"
    return outcome.order


async def apply_updates(pool: Pool, updates: dict[str, ChargeUpdate]) -> None:
    """Settle charge updates, by reference."""
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await settle(session, updates)


async def let_time_pass(conn: AsyncConnection, seconds: int) -> None:
    """Make all stored data `seconds` older."""
    for statement in (
        "update orders set created_at = created_at - %(age)s, expires_at = expires_at - %(age)s",
        "update bookings set created_at = created_at - %(age)s, released_at = released_at - %(age)s",
        "update tickets set held_until = held_until - %(age)s where held_until is not null",
        "update payments set created_at = created_at - %(age)s, next_check_at = next_check_at - %(age)s",
        "update refunds set created_at = created_at - %(age)s, settled_at = settled_at - %(age)s",
        "update refunds set next_check_at = next_check_at - %(age)s",
        "update checkouts set created_at = created_at - %(age)s, next_close_at = next_close_at - %(age)s",
        "update booking_limits set booked_at = array(select unnest(booked_at) - %(age)s)",
        "update webhooks set received_at = received_at - %(age)s, processed_at = processed_at - %(age)s",
    ):
        await conn.execute(statement.replace("%(age)s", f"interval '{seconds} s'"))


async def tickets_by_status(conn: AsyncConnection, event: str = schemas.BUILT_IN_EVENT) -> dict[str, int]:
    """Return the number of an event's tickets in each status."""
    cursor = await conn.execute(
        "select status, count(*) from tickets join events on events.id = event_id where slug = %s group by 1", [event]
    )
    return dict(await cursor.fetchall())


async def states(conn: AsyncConnection, reference: str) -> tuple[str, str, int]:
    """Return the statuses of an order and its payment, and the number of its live bookings."""
    cursor = await conn.execute(
        """
        select orders.status, payments.status,
            (select count(*) from bookings where order_id = orders.id and released_at is null)
        from orders join payments on payments.order_id = orders.id where reference = %s
        """,
        [reference],
    )
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1], row[2]
