"""Asynchronous payment without the network: bookings that hold, a provider that says what a test wants, moved time."""

import secrets
from typing import Any

from psycopg import AsyncConnection, IsolationLevel

from api import schemas
from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.payments.provider import Amount, ChargeStatus, ProviderError
from api.services.bookings.batch import (
    Decided,
    NewOrder,
    Outcome,
    book_batch,
)
from api.services.order_rows import OrderRow
from api.services.payments import ChargeUpdate, settle

ASYNC = Settings(payment_mode="async", bookings_per_minute=0, hold_seconds=300)


class Provider:
    """A payment provider whose charges stand in a dictionary."""

    def __init__(self) -> None:
        self.charges: dict[str, ChargeStatus] = {}
        self.amounts: dict[str, Amount] = {}
        self.away = False

    def is_open(self) -> bool:
        return self.away

    async def charge(self, reference: str, amount: Amount) -> None:
        self._check()
        if self.amounts.setdefault(reference, amount) != amount:
            raise ProviderError("another amount")
        self.charges.setdefault(reference, "processing")

    async def find(self, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        self._check()
        if expected not in (None, self.amounts.get(reference, expected)):
            raise ProviderError("another amount")
        return self.charges.get(reference)

    async def refund(self, reference: str) -> None:
        self._check()
        if self.charges.get(reference) not in {"captured", "refunded"}:
            raise ProviderError("not captured")
        self.charges[reference] = "refunded"

    def _check(self) -> None:
        if self.away:
            raise ProviderError("away")


def order(tier: str = "GA", quantity: int = 1, **changes: Any) -> NewOrder:
    values = {"reference": f"r-{secrets.token_hex(6)}", "event": schemas.BUILT_IN_EVENT, "user_id": "u"}
    return NewOrder(**{**values, "tier": tier, "quantity": quantity, **changes})


async def book(pool: Pool, *batch: NewOrder, settings: Settings = ASYNC) -> list[Outcome]:
    async with open_session(pool) as session:
        return await book_batch(session, batch, settings)


async def hold(pool: Pool, tier: str = "GA", quantity: int = 1, **changes: Any) -> OrderRow:
    """Book one order; return it as it is held."""
    (outcome,) = await book(pool, order(tier, quantity, **changes))
    assert isinstance(outcome, Decided)
    assert isinstance(outcome.answer, OrderRow)
    assert outcome.answer.status == "pending"
    return outcome.answer


async def apply_updates(pool: Pool, news: dict[str, ChargeUpdate]) -> None:
    """Settle news of charges."""
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await settle(session, news)


async def let_time_pass(conn: AsyncConnection, seconds: int) -> None:
    """Make all that is stored so much older."""
    for statement in (
        "update orders set created_at = created_at - %(age)s, expires_at = expires_at - %(age)s",
        "update bookings set created_at = created_at - %(age)s, released_at = released_at - %(age)s",
        "update tickets set held_until = held_until - %(age)s where held_until is not null",
        "update payments set created_at = created_at - %(age)s, next_check_at = next_check_at - %(age)s",
        "update booking_limits set booked_at = array(select unnest(booked_at) - %(age)s)",
        "update webhooks set received_at = received_at - %(age)s, processed_at = processed_at - %(age)s",
    ):
        await conn.execute(statement.replace("%(age)s", f"interval '{seconds} s'"))


async def tickets_by_status(conn: AsyncConnection, event: str = schemas.BUILT_IN_EVENT) -> dict[str, int]:
    """Return an event's tickets by status."""
    cursor = await conn.execute(
        "select status, count(*) from tickets join events on events.id = event_id where slug = %s group by 1", [event]
    )
    return dict(await cursor.fetchall())


async def states(conn: AsyncConnection, reference: str) -> tuple[str, str, int]:
    """Return the states of an order and its payment, and how many live bookings it has."""
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
