"""A fault at each statement in turn: bookings stay atomic, outcomes are true, and the batcher keeps running.

A run without faults collects the statements, so the test covers new statements automatically.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Literal, get_args

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from api import schemas
from api.commands.audit import audit
from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.database.session import open_session
from api.errors import ApiError, Busy, InternalError, PaymentDeclined, SoldOut
from api.payments import simulator
from api.payments.provider import ChargeStatus
from api.payments.signatures import Webhook
from api.services.bookings import seat_search
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Item, NewOrder
from api.services.order_rows import OrderRow
from api.services.orders import expire_holds, find_bookings, select_orders
from api.services.payments import reconcile_payments
from api.services.refunds import request_refunds
from api.services.returns import cancel_order, return_tickets
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, OPEN, Provider, hold, states
from tests.integration.database.faulty_session import Fault, Faults, Kind
from tests.integration.services.bookings.test_batcher import responses

WORKERS_KINDS: tuple[Kind, ...] = (
    "40001 serialization failure",
    "XX000 unexpected error",
    "57P01 server shutdown",
    "result lost",
)
"""Kinds of faults that differ for jobs, which do not retry at once."""

Mode = Literal["inline", "async"]
Isolation = Literal["serializable", "read_committed"]
Path = Literal["direct", "careful"]
SUCCESS_RATE = 0.5


@pytest.fixture(autouse=True)
def unused_reads_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every batch search its seats, so that equal batches send equal statements at any speed."""
    monkeypatch.setattr(seat_search, "KEPT_AGE_MAX_S", -1.0)


@contextlib.asynccontextmanager
async def batcher_on(
    database_url: str, mode: Mode, isolation: Isolation, path: Path = "direct"
) -> AsyncIterator[BookingBatcher]:
    """Run a batcher on one connection, so that the effects of a fault on it reach the next request."""
    settings = Settings(
        payment_mode=mode,
        payment_success_rate=SUCCESS_RATE,
        booking_isolation=isolation,
        booking_path=path,
        held_tickets_per_address=0,
        bookings_per_minute=1000,
        max_tickets_per_booking=1000,
        booking_wait_ms=5000,
        booking_attempts_max=3,
        db_pool_max=1,
    )
    async with open_pool(database_url, settings) as pool:
        batcher = BookingBatcher(pool, settings, on_commit=lambda _: None)
        async with batcher.running():
            yield batcher


class References:
    """New references, chosen by the simulator's decision for their payment."""

    def __init__(self) -> None:
        self._number = 0

    def captured(self) -> str:
        return self._next("captured")

    def declined(self) -> str:
        return self._next("declined")

    def _next(self, payment: str) -> str:
        while True:
            self._number += 1
            reference = f"r-{self._number}"
            if simulator.decide(reference, SUCCESS_RATE) == payment:
                return reference


def order(reference: str, tier: str = "GA", quantity: int = 2, ticket_ids: Sequence[int] = ()) -> NewOrder:
    return NewOrder(
        reference=reference,
        event=schemas.BUILT_IN_EVENT,
        items=(Item(tier=tier, quantity=quantity, ticket_ids=tuple(ticket_ids)),),
        user_id="u",
    )


async def batch_of_every_kind(
    conn: AsyncConnection, references: References, earlier: NewOrder, path: Path
) -> list[NewOrder]:
    """Return requests for seats, standing tickets, chosen seats, a repeat and a declined payment.

    On the careful path there is also a request for too many tickets. It would keep its tier from a direct sale.
    """
    cursor = await conn.execute(
        "select tickets.id from tickets join tiers on tiers.id = tier_id"
        " where tiers.name = 'Front Row' and status = 'available' order by 1 limit 2"
    )
    ids = [ticket_id for (ticket_id,) in await cursor.fetchall()]
    batch = [
        order(references.captured(), "VIP"),
        order(references.captured()),
        order(references.captured(), "Front Row", ticket_ids=ids),
        earlier,
        order(references.declined(), "VIP"),
    ]
    return batch if path == "direct" else [*batch, order(references.captured(), quantity=1000)]


async def check_outcomes(
    conn: AsyncConnection, batch: Sequence[NewOrder], outcomes: Sequence[OrderRow | ApiError], earlier: NewOrder
) -> None:
    """Check that each outcome matches the database, which holds all of an order or nothing.

    A refusal of a repeat concerns the repeat itself, not the earlier order.
    """
    for new, outcome in zip(batch, outcomes, strict=True):
        stored = await stored_order(conn, new.reference)
        if stored is not None:
            status, payment, live, in_same_state = stored
            expected = {"confirmed": ("captured", new.quantity), "pending": ("pending", new.quantity)}
            assert (payment, live) == expected.get(status, ("declined", 0))
            assert in_same_state == live
        if isinstance(outcome, OrderRow):
            assert stored is not None
            assert (outcome.status, outcome.payment) == stored[:2]
        elif isinstance(outcome, PaymentDeclined):
            assert stored is not None
            assert stored[0] == "declined"
        elif isinstance(outcome, Busy) and "not known" in outcome.message:
            assert "booked nothing" not in outcome.message
        else:
            assert isinstance(outcome, Busy | InternalError | SoldOut)
            assert new is earlier or stored is None, f"{new.reference} was booked despite: {outcome.message}"


async def stored_order(conn: AsyncConnection, reference: str) -> tuple[str, str, int, int] | None:
    """Return the status of an order and its payment, the live bookings, and their tickets in a matching status."""
    cursor = await conn.execute(
        """
        select
            orders.status,
            (select string_agg(payments.status, ' ') from payments where order_id = orders.id),
            count(bookings.id),
            count(tickets.id) filter (
                where tickets.status = case orders.status when 'pending' then 'held' else 'sold' end
            )
        from orders
        left join bookings on bookings.order_id = orders.id and released_at is null
        left join tickets on tickets.id = ticket_id
        where reference = %s
        group by orders.id
        """,
        [reference],
    )
    return await cursor.fetchone()


def kinds_of(outcomes: Sequence[OrderRow | ApiError]) -> list[str]:
    return [outcome.status if isinstance(outcome, OrderRow) else outcome.code for outcome in outcomes]


FINAL = {
    "inline": ["confirmed", "confirmed", "confirmed", "confirmed", "payment_declined", "sold_out"],
    "async": ["pending", "pending", "pending", "pending", "pending", "sold_out"],
}


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("lasts", ["once", "lasting"])
@pytest.mark.parametrize(
    "case",
    [
        ("inline", "serializable", "direct"),
        ("async", "read_committed", "direct"),
        ("inline", "serializable", "careful"),
        ("async", "read_committed", "careful"),
    ],
    ids="-".join,
)
async def test_a_fault_at_any_statement_keeps_bookings_atomic_and_outcomes_true(
    database_url: str,
    conn: AsyncConnection,
    faults: Faults,
    kind: Kind,
    case: tuple[Mode, Isolation, Path],
    lasts: Literal["once", "lasting"],
) -> None:
    mode, isolation, path = case
    references = References()
    # The refused request is for as many tickets as an order can have. Its tier has fewer.
    await conn.execute("delete from tickets where id = (select max(id) from tickets)")
    await conn.execute("update tiers set capacity = capacity - 1 where name = 'GA'")
    async with batcher_on(database_url, mode, isolation, path) as batcher:
        earlier = order(references.captured())
        for tier in ("VIP", "Front Row"):
            await responses(batcher, order(references.captured(), tier))
        assert kinds_of(await responses(batcher, earlier)) == FINAL[mode][:1]
        faults.plan()
        batch = await batch_of_every_kind(conn, references, earlier, path)
        final = FINAL[mode][: len(batch)]
        assert kinds_of(await responses(batcher, *batch)) == final
        used = Counter(faults.sent)
        assert used["begin"] == used["commit"] == 1, "not one batch"
        once = {"direct": ["bookings.book_batch"], "careful": ["orders.insert_orders", "tickets.count_left"]}
        assert [used[statement] for statement in once[path]] == [1] * len(once[path])

        for statement, uses in used.items():
            for use in range(1, uses + 1):
                fault = Fault(statement, use, kind, lasts == "lasting")
                batch = await batch_of_every_kind(conn, references, earlier, path)
                faults.plan(fault)
                outcomes = await responses(batcher, *batch)
                sent = faults.sent
                faults.plan()
                context = f"{fault}: {kinds_of(outcomes)} {sent}"
                assert fault.struck, context
                await check_outcomes(conn, batch, outcomes, earlier)
                if fault.lasting:
                    outcomes = await responses(batcher, *batch)
                assert kinds_of(outcomes) == final, context
    assert await asyncio.to_thread(audit, database_url) == []


async def test_a_booking_with_an_unknown_outcome_is_not_reported_as_unbooked(
    database_url: str, conn: AsyncConnection, faults: Faults
) -> None:
    references = References()
    async with batcher_on(database_url, "inline", "serializable") as batcher:
        for statement in ("orders.find_orders", "bookings.find_bookings"):
            new = order(references.captured())
            faults.plan(Fault("commit", 1, "result lost"), Fault(statement, 1, "XX000 unexpected error", lasting=True))
            outcomes = await responses(batcher, new)
            faults.plan()
            await check_outcomes(conn, [new], outcomes, order("none"))


OVERDUE = """
    with overdue as (
        update orders set created_at = now() - interval '1 h', expires_at = now() - interval '1 min'
        where reference = %s returning id
    ), due as (
        update payments set next_check_at = now() from overdue where order_id = overdue.id
    )
    update bookings set created_at = now() - interval '1 h' from overdue where order_id = overdue.id
"""
"""Ends an order's hold and makes its payment due for a check with the provider."""


class Step(msgspec.Struct, frozen=True):
    """A transition of an order after its booking, with the states before and after."""

    name: str
    before: tuple[str, str, int]
    after: tuple[str, str, int]
    take: Callable[[Pool, Provider, str], Awaitable[object]]
    charge: ChargeStatus | None = None
    """Status of the charge at the provider."""


async def deliver(pool: Pool, kind: str, reference: str) -> None:
    """Store a webhook unless it is already stored; process the stored webhooks."""
    webhook = Webhook(id=f"{kind} {reference}", type=kind, reference=reference, amount_minor=2000, currency="USD")
    await Inbox(pool, ASYNC).store(webhook)
    await settle_webhooks(pool, ASYNC)


async def return_first_ticket(pool: Pool, reference: str) -> None:
    async with open_session(pool) as session:
        (found,) = await session.run(select_orders([reference]))
        bookings = await find_bookings(session, [found.id])
    await return_tickets(pool, reference, "u", [bookings[found.id][0].id], OPEN)


STEPS = (
    Step(
        "a hold ends",
        ("pending", "pending", 2),
        ("expired", "pending", 0),
        lambda pool, _, __: expire_holds(pool, ASYNC),
    ),
    Step(
        "a payment is captured",
        ("pending", "pending", 2),
        ("confirmed", "captured", 2),
        lambda pool, _, reference: deliver(pool, "charge.captured", reference),
    ),
    Step(
        "a payment is declined",
        ("pending", "pending", 2),
        ("declined", "declined", 0),
        lambda pool, _, reference: deliver(pool, "charge.declined", reference),
    ),
    Step(
        "a payment is captured late",
        ("expired", "pending", 0),
        ("confirmed", "captured", 2),
        lambda pool, _, reference: deliver(pool, "charge.captured", reference),
    ),
    Step(
        "a buyer cancels before paying",
        ("pending", "pending", 2),
        ("cancelled", "pending", 0),
        lambda pool, _, reference: cancel_order(pool, reference, "u", OPEN),
    ),
    Step(
        "a buyer cancels after paying",
        ("confirmed", "captured", 2),
        ("cancelled", "refunding", 0),
        lambda pool, _, reference: cancel_order(pool, reference, "u", OPEN),
    ),
    Step(
        "a buyer returns a ticket",
        ("confirmed", "captured", 2),
        ("confirmed", "captured", 1),
        lambda pool, _, reference: return_first_ticket(pool, reference),
    ),
    Step(
        "the worker finds a payment",
        ("pending", "pending", 2),
        ("confirmed", "captured", 2),
        lambda pool, provider, _: reconcile_payments(pool, ASYNC, provider),
        charge="captured",
    ),
    Step(
        "the worker finds no payment",
        ("expired", "pending", 0),
        ("expired", "void", 0),
        lambda pool, provider, _: reconcile_payments(pool, ASYNC, provider),
    ),
    Step(
        "the worker gives money back",
        ("cancelled", "refunding", 0),
        ("cancelled", "refunded", 0),
        lambda pool, provider, _: request_refunds(pool, ASYNC, provider),
        charge="captured",
    ),
)


async def lead_to(pool: Pool, conn: AsyncConnection, step: Step) -> str:
    """Create an order in the state before a step; return its reference."""
    reference = (await hold(pool, "GA", 2)).reference
    match step.before[0]:
        case "expired":
            await conn.execute(OVERDUE, [reference])
            await expire_holds(pool, ASYNC)
        case "confirmed":
            await deliver(pool, "charge.captured", reference)
        case "cancelled":
            await deliver(pool, "charge.captured", reference)
            await cancel_order(pool, reference, "u", OPEN)
    assert await states(conn, reference) == step.before
    if step.name == "a hold ends":
        await conn.execute(OVERDUE, [reference])
    return reference


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
async def test_a_fault_at_any_statement_leaves_an_order_before_or_after_its_step(
    database_url: str, conn: AsyncConnection, faults: Faults, step: Step
) -> None:
    provider = Provider()

    async def take(pool: Pool, reference: str) -> None:
        # Simulates the passage of some seconds, after which the payment is due again.
        for table in (b"payments", b"refunds"):
            await conn.execute(b"update %b set next_check_at = now() where next_check_at is not null" % table)
        if step.charge:
            provider.charges[reference] = step.charge
        await step.take(pool, provider, reference)

    async with open_pool(database_url, msgspec.structs.replace(ASYNC, db_pool_max=1)) as pool:
        reference = await lead_to(pool, conn, step)
        faults.plan()
        await take(pool, reference)
        assert await states(conn, reference) == step.after
        for statement, uses in Counter(faults.sent).items():
            for use, kind in itertools.product(range(1, uses + 1), WORKERS_KINDS):
                fault = Fault(statement, use, kind)
                reference = await lead_to(pool, conn, step)
                faults.plan(fault)
                with contextlib.suppress(psycopg.Error, CommitUnknownError):
                    await take(pool, reference)
                    assert await states(conn, reference) == step.after, fault
                assert fault.struck, fault
                faults.plan()
                found = await states(conn, reference)
                assert found in (step.before, step.after), fault
                if found == step.before:
                    await take(pool, reference)
                    assert await states(conn, reference) == step.after, fault
    assert await asyncio.to_thread(audit, database_url) == []
