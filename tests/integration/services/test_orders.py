"""The life of orders in random sequences of events: the database equals a plain model and keeps every invariant.

A few orders compete for the same seats. The provider decides payments, and its webhooks arrive late, twice and out of
order. Buyers cancel and return single tickets, holds end, and the worker queries payments and refunds them.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, LiteralString, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import AsyncConnection

from api.commands.audit import audit
from api.config import Settings
from api.database.pool import Pool, open_pool
from api.errors import (
    ApiError,
    Forbidden,
    NotCancellable,
    PaymentDeclined,
    SeatTaken,
)
from api.payments.provider import Amount, ChargeStatus
from api.payments.signatures import Webhook
from api.services.bookings.model import NewOrder
from api.services.order_rows import OrderRow
from api.services.orders import expire_holds
from api.services.payments import reconcile_payments
from api.services.refunds import request_refunds
from api.services.returns import cancel_order, return_tickets
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, OPEN, Provider, book, let_time_pass, order, response

Result = TypeVar("Result")

SEATS = (1, 2, 3)
PRICE_MINOR = 10_000
ORDERS_MAX = 4
CHOICE = st.integers(0, ORDERS_MAX - 1)
FIRST_STATES = {
    "async": ("pending", "pending"),
    "captured": ("confirmed", "captured"),
    "declined": ("declined", "declined"),
}
BUYERS = ("ada", "ben")
INLINE = {
    "captured": Settings(payment_success_rate=1, bookings_per_minute=0),
    "declined": Settings(payment_success_rate=0, bookings_per_minute=0),
}
SEQUENCES = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
TRANSITIONS_MIN = 16
"""The minimum of the 22 transitions that the random sequences must take; the provider decides refunds at once."""
PAST_HOLD_S = 200
"""The time after the end of a hold, in seconds; longer than the longest request to the provider."""


class Expected(msgspec.Struct):
    """An order in the model."""

    new: NewOrder
    status: str
    payment: str
    held: bool
    seats: set[int]
    """The seats that are not returned."""
    long_over: bool = False
    open_refunds: int = 0

    @property
    def live(self) -> bool:
        return self.status in {"pending", "confirmed"}

    def cancel(self) -> None:
        """Cancel a live order."""
        self.status = "cancelled"
        if self.payment == "captured":
            self.payment = "refunding" if self.held else "refunded"
            self.open_refunds += self.held


class Environment:
    """The database, the provider, and an event loop for the synchronous rules."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.provider = Provider()
        self.transitions: Counter[str] = Counter()
        """The number of times that each transition was taken."""
        self._runner = asyncio.Runner()
        self._open = contextlib.AsyncExitStack()
        self._pool, self._conn = self._runner.run(self._connect())

    async def _connect(self) -> tuple[Pool, AsyncConnection]:
        pool = await self._open.enter_async_context(open_pool(self.database_url, ASYNC))
        conn = await AsyncConnection.connect(self.database_url, autocommit=True)
        return pool, await self._open.enter_async_context(conn)

    def run(self, work: Callable[[Pool, AsyncConnection], Coroutine[Any, Any, Result]]) -> Result:
        return self._runner.run(work(self._pool, self._conn))

    def query(self, statement: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        async def fetch(_: Pool, conn: AsyncConnection) -> list[tuple[Any, ...]]:
            return await (await conn.execute(statement, parameters)).fetchall()

        return self.run(fetch)

    def close(self) -> None:
        self._runner.run(self._open.aclose())
        self._runner.close()

    def reset(self) -> None:
        """Delete all orders and their history, and make all tickets available."""

        async def clear(_: Pool, conn: AsyncConnection) -> None:
            await conn.execute("alter table order_events disable trigger order_events_no_truncate")
            await conn.execute("truncate orders, bookings, payments, refunds, order_events, webhooks")
            await conn.execute("alter table order_events enable trigger order_events_no_truncate")
            await conn.execute("update tickets set status = 'available', held_until = null where status <> 'available'")

        self.provider = Provider()
        self.run(clear)


class OrderLife(RuleBasedStateMachine):
    """The events in the life of orders."""

    environment: Environment

    def __init__(self) -> None:
        super().__init__()
        self.environment.reset()
        self.orders: dict[str, Expected] = {}
        self.webhooks = itertools.count()
        self.changes_audited = 0

    # --- Rules -------------------------------------------------------------------------------------------

    @initialize(mode=st.sampled_from(["async", "captured"]), first=st.sampled_from(["held", "paid", "abandoned"]))
    def start_with_orders(self, mode: str, first: str) -> None:
        """Begin with two orders, in some sequences after a payment or long after their holds."""
        self.book({1, 2}, "ada", "async")
        self.book({3}, "ben", mode)
        if first == "paid":
            self.provider_decides(0, "captured", reported=True)
        elif first == "abandoned":
            self.holds_end(0, captured=False)
            self.worker_reconciles(unavailable=False)

    @precondition(lambda self: len(self.orders) < ORDERS_MAX)
    @rule(
        seats=st.sets(st.sampled_from(SEATS), min_size=1, max_size=2),
        buyer=st.sampled_from(BUYERS),
        mode=st.sampled_from(["async", "async", "async", "captured", "declined"]),
    )
    def book(self, seats: set[int], buyer: str, mode: str) -> None:
        new = order("VIP", len(seats), ticket_ids=tuple(sorted(seats)), user_id=buyer)
        received = self._book(new, mode)
        if seats & self._taken():
            assert isinstance(received, SeatTaken)
            return
        assert isinstance(received, PaymentDeclined if mode == "declined" else OrderRow)
        status, payment = FIRST_STATES[mode]
        self.orders[new.reference] = Expected(new, status, payment, held=mode == "async", seats=set(seats))

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, mode=st.sampled_from(["async", "captured", "declined"]))
    def repeat(self, which: int, mode: str) -> None:
        known = self._chosen(which)
        declined_at_once = known.status == "declined" and not known.held
        assert isinstance(self._book(known.new, mode), PaymentDeclined if declined_at_once else OrderRow)

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, charge=st.sampled_from(["captured", "captured", "declined"]), reported=st.booleans())
    def provider_decides(self, which: int, charge: ChargeStatus, reported: bool) -> None:  # noqa: FBT001 - drawn by its name
        known = self._chosen(which)
        if known.held and self._charge_of(known) == "processing":
            provider = self.environment.provider
            provider.charges[known.new.reference] = charge
            provider.amounts[known.new.reference] = Amount(known.new.quantity * PRICE_MINOR, "USD")
            if reported:
                self._deliver(known, charge)

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, update=st.sampled_from(["true", "true", "processing", "declined"]))
    def webhook_arrives(self, which: int, update: Any) -> None:
        """Deliver a webhook with a true, an old or a false status, but never with a false capture."""
        known = self._chosen(which)
        self._deliver(known, self._charge_of(known) if update == "true" else update)

    @rule(last=CHOICE, captured=st.booleans())
    def holds_end(self, last: int, captured: bool) -> None:  # noqa: FBT001 - drawn by its name
        """End all holds; in some sequences a webhook reports a capture before the worker runs."""
        self.environment.run(lambda _, conn: let_time_pass(conn, ASYNC.hold_seconds + PAST_HOLD_S))
        if captured and self.orders and self._charge_of(self._chosen(last)) == "captured":
            self._deliver(self._chosen(last), "captured")
        self.environment.run(lambda pool, _: expire_holds(pool, ASYNC))
        for each in self.orders.values():
            each.long_over = True
            if each.status == "pending":
                each.status = "expired"

    @rule(unavailable=st.sampled_from([False, False, True]))
    def worker_reconciles(self, unavailable: bool) -> None:  # noqa: FBT001 - drawn by its name
        provider = self.environment.provider
        pending = {name: each for name, each in self.orders.items() if each.payment == "pending"}
        refunding = {name: each for name, each in self.orders.items() if each.payment == "refunding"}
        charges = dict(provider.charges)
        provider.unavailable = unavailable

        async def reconcile(pool: Pool, conn: AsyncConnection) -> tuple[int, int]:
            await conn.execute("update payments set next_check_at = now() where next_check_at is not null")
            await conn.execute("update refunds set next_check_at = now() where next_check_at is not null")
            refunded = await request_refunds(pool, ASYNC, provider)
            return refunded, await reconcile_payments(pool, ASYNC, provider)

        open_refunds = sum(each.open_refunds for each in self.orders.values())
        assert self.environment.run(reconcile) == (open_refunds, len(pending))
        provider.unavailable = False
        for each in () if unavailable else self.orders.values():
            each.open_refunds = 0
        for name, each in () if unavailable else refunding.items():
            self._apply(each, "refunded")
            assert provider.charges[name] == "refunded"
        for name, each in () if unavailable else pending.items():
            if name in charges:
                self._apply(each, charges[name])
            elif each.status == "pending":
                assert provider.charges[name] == "processing"
            elif each.long_over or self._state_of(name)[1] == "void":
                each.payment = "void"  # Before that the worker may leave the payment pending.

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, own=st.booleans())
    def cancel(self, which: int, own: bool) -> None:  # noqa: FBT001 - drawn by its name
        known = self._chosen(which)
        buyer = known.new.user_id if own else "mallory"
        reference = known.new.reference
        error: ApiError | None = None
        try:
            found, _ = self.environment.run(lambda pool, _: cancel_order(pool, reference, buyer, OPEN))
            assert found.status == "cancelled"
        except ApiError as refusal:
            error = refusal
        if not own:
            assert isinstance(error, Forbidden)
        elif known.status in {"declined", "expired"}:
            assert isinstance(error, NotCancellable)
        else:
            assert error is None
            if known.live:
                known.cancel()

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, last=st.booleans())
    def return_seat(self, which: int, last: bool) -> None:  # noqa: FBT001 - drawn by its name
        known = self._chosen(which)
        seat = sorted(known.new.ticket_ids)[-1 if last else 0]
        reference = known.new.reference
        ids = [
            booking_id
            for (booking_id,) in self.environment.query(
                "select bookings.id from bookings join orders on orders.id = order_id"
                " where reference = %s and ticket_id = %s",
                reference,
                seat,
            )
        ]
        if not ids:
            return
        refused = False
        try:
            self.environment.run(lambda pool, _: return_tickets(pool, reference, known.new.user_id, ids, OPEN))
        except NotCancellable:
            refused = True
        is_part = known.live and seat in known.seats and known.seats != {seat}
        assert refused == (known.status in {"declined", "expired"} or (is_part and known.payment == "pending"))
        if is_part and not refused:
            known.seats.remove(seat)
            known.open_refunds += known.held
        elif known.live and not is_part and seat in known.seats:
            known.cancel()

    # --- Invariants ---------------------------------------------------------------------------------------

    @invariant()
    def the_database_equals_the_model(self) -> None:
        for reference, known in self.orders.items():
            assert self._state_of(reference) == (known.status, known.payment)
        expected = dict.fromkeys(SEATS, "available")
        for each in self.orders.values():
            if each.live:
                expected |= dict.fromkeys(each.seats, "held" if each.status == "pending" else "sold")
        found = self.environment.query("select id, status from tickets where id = any(%s)", list(SEATS))
        assert dict(found) == expected
        assert self.environment.query("select count(*) from orders") == [(len(self.orders),)]

    @invariant()
    def the_provider_has_every_refund_once(self) -> None:
        found = self.environment.query(
            """
            select orders.reference, coalesce(sum(refunds.amount_minor), 0)::bigint
            from orders
            join payments on order_id = orders.id
            left join refunds on payment_id = payments.id and refunds.status = 'succeeded'
            where orders.expires_at is not null group by 1
            """
        )
        assert dict(found) == {reference: self.environment.provider.refunded(reference) for reference, _ in found}

    @invariant()
    def every_invariant_holds(self) -> None:
        ((changes,),) = self.environment.query("select count(*) from order_events")
        if changes != self.changes_audited:
            assert audit(self.environment.database_url) == []
            self.changes_audited = changes

    # --- The model ----------------------------------------------------------------------------------------

    def _apply(self, known: Expected, update: str) -> None:
        """Apply an update of a charge to the model's order."""
        open_or_void = known.payment in {"pending", "void"}
        match update, known.status:
            case "captured", "pending":
                known.status, known.payment = "confirmed", "captured"
            case "captured", "expired" if open_or_void and not set(known.new.ticket_ids) & self._taken():
                known.status, known.payment = "confirmed", "captured"
            case "captured", "expired" | "cancelled" if open_or_void:
                known.payment = "refunding"
                known.open_refunds += 1
            case "declined", "pending":
                known.status, known.payment = "declined", "declined"
            case "declined", "expired" | "cancelled" if known.payment == "pending":
                known.payment = "declined"
            case "refunded", "expired" | "cancelled" if known.payment == "refunding":
                known.payment = "refunded"
                known.open_refunds = 0

    def _chosen(self, which: int) -> Expected:
        return list(self.orders.values())[which % len(self.orders)]

    def _charge_of(self, known: Expected) -> ChargeStatus:
        return self.environment.provider.charges.get(known.new.reference, "processing")

    def _deliver(self, known: Expected, update: ChargeStatus) -> None:
        """Deliver a webhook twice."""
        webhook = self._webhook(known.new, update)

        async def deliver(pool: Pool, _: AsyncConnection) -> None:
            for _again in range(2):
                await Inbox(pool, ASYNC).store(webhook)
                await settle_webhooks(pool, ASYNC)

        self.environment.run(deliver)
        self._apply(known, update)

    def _taken(self) -> set[int]:
        return {seat for each in self.orders.values() if each.live for seat in each.seats}

    def _book(self, new: NewOrder, mode: str) -> OrderRow | ApiError:
        (outcome,) = self.environment.run(lambda pool, _: book(pool, new, settings=INLINE.get(mode, ASYNC)))
        return response(outcome)

    def _webhook(self, new: NewOrder, kind: str) -> Webhook:
        return Webhook(
            id=f"webhook-{next(self.webhooks)}",
            type=f"charge.{kind}",
            reference=new.reference,
            amount_minor=new.quantity * PRICE_MINOR,
            currency="USD",
        )

    def _state_of(self, reference: str) -> tuple[str, str]:
        ((status, payment),) = self.environment.query(
            "select orders.status, payments.status from orders join payments on order_id = orders.id"
            " where reference = %s",
            reference,
        )
        return status, payment

    def teardown(self) -> None:
        taken = self.environment.query(
            "select subject || ':' || coalesce(previous, 'new') || '>' || status from order_events"
        )
        self.environment.transitions.update(transition for (transition,) in taken)


@pytest.fixture
def environment(database_url: str) -> Iterator[Environment]:
    environment = Environment(database_url)
    yield environment
    environment.close()


def test_money_and_tickets_agree_in_every_sequence_of_events(environment: Environment) -> None:
    machine = type("Life", (OrderLife,), {"environment": environment})
    run_state_machine_as_test(machine, settings=SEQUENCES)
    assert len(environment.transitions) >= TRANSITIONS_MIN, f"the walks were shallow: {environment.transitions}"
