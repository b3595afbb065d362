"""An order's whole life in every order of events: the database is where a plain model says, and obeys every invariant.

A few orders want the same few seats. Payments are decided, told of late, twice and out of order; buyers cancel;
holds end; the worker asks and gives money back.
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
from api.payments.provider import ChargeStatus
from api.payments.signatures import Webhook
from api.services.bookings.model import NewOrder
from api.services.order_rows import OrderRow
from api.services.orders import cancel_order, expire_holds
from api.services.payments import reconcile_payments
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, Provider, book, let_time_pass, order, response

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
LIVES = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
WAYS_MIN = 14
"""Of the 18 ways between states, so many are taken: else this shows little."""
LONG_OVER_S = 200
"""By so much a hold is exceeded here: longer than a request to the provider may be on its way."""


class Expected(msgspec.Struct):
    """An order as the model has it."""

    new: NewOrder
    status: str
    payment: str
    held: bool
    long_over: bool = False

    @property
    def live(self) -> bool:
        return self.status in {"pending", "confirmed"}


class World:
    """The database and the provider, and a loop to reach them from rules that do not wait."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.provider = Provider()
        self.ways: Counter[str] = Counter()
        """The ways between states that orders have taken, and how often."""
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

    def begin_anew(self) -> None:
        """Forget every order; what is never deleted goes as well."""

        async def clear(_: Pool, conn: AsyncConnection) -> None:
            await conn.execute("alter table order_events disable trigger order_events_no_truncate")
            await conn.execute("truncate orders, bookings, payments, order_events, webhooks")
            await conn.execute("alter table order_events enable trigger order_events_no_truncate")
            await conn.execute("update tickets set status = 'available', held_until = null where status <> 'available'")

        self.provider = Provider()
        self.run(clear)


class OrderLife(RuleBasedStateMachine):
    """What can happen to orders, in any order."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.begin_anew()
        self.orders: dict[str, Expected] = {}
        self.webhooks = itertools.count()
        self.changes_audited = 0

    # --- Rules -------------------------------------------------------------------------------------------

    @initialize(mode=st.sampled_from(["async", "captured"]), abandoned=st.sampled_from([False, False, True]))
    def orders_are_there(self, mode: str, abandoned: bool) -> None:  # noqa: FBT001 - drawn by its name
        """Begin with two orders, and perhaps long after."""
        self.book({1, 2}, "ada", "async")
        self.book({3}, "ben", mode)
        if abandoned:
            self.holds_end(0, comes=False)
            self.worker_asks(away=False)

    @precondition(lambda self: len(self.orders) < ORDERS_MAX)
    @rule(
        seats=st.sets(st.sampled_from(SEATS), min_size=1, max_size=2),
        buyer=st.sampled_from(BUYERS),
        mode=st.sampled_from(["async", "async", "async", "captured", "declined"]),
    )
    def book(self, seats: set[int], buyer: str, mode: str) -> None:
        new = order("VIP", len(seats), ticket_ids=tuple(sorted(seats)), user_id=buyer)
        answer = self._book(new, mode)
        if seats & self._taken():
            assert isinstance(answer, SeatTaken)
            return
        assert isinstance(answer, PaymentDeclined if mode == "declined" else OrderRow)
        status, payment = FIRST_STATES[mode]
        self.orders[new.reference] = Expected(new, status, payment, held=mode == "async")

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, mode=st.sampled_from(["async", "captured", "declined"]))
    def repeat(self, which: int, mode: str) -> None:
        known = self._chosen(which)
        declined_at_once = known.status == "declined" and not known.held
        assert isinstance(self._book(known.new, mode), PaymentDeclined if declined_at_once else OrderRow)

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, charge=st.sampled_from(["captured", "captured", "declined"]), told=st.booleans())
    def provider_decides(self, which: int, charge: ChargeStatus, told: bool) -> None:  # noqa: FBT001 - drawn by its name
        known = self._chosen(which)
        if known.held and self._charge_of(known) == "processing":
            self.world.provider.charges[known.new.reference] = charge
            if told:
                self._tell(known, charge)

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, news=st.sampled_from(["true", "true", "processing", "declined"]))
    def webhook_comes(self, which: int, news: Any) -> None:
        """Tell what is true of a charge, or was, or never was: only never of money that is not there."""
        known = self._chosen(which)
        self._tell(known, self._charge_of(known) if news == "true" else news)

    @rule(last=CHOICE, comes=st.booleans())
    def holds_end(self, last: int, comes: bool) -> None:  # noqa: FBT001 - drawn by its name
        """Let all holds end; of one order a payment is told of before the worker comes."""
        self.world.run(lambda _, conn: let_time_pass(conn, ASYNC.hold_seconds + LONG_OVER_S))
        if comes and self.orders and self._charge_of(self._chosen(last)) == "captured":
            self._tell(self._chosen(last), "captured")
        self.world.run(lambda pool, _: expire_holds(pool, ASYNC))
        for each in self.orders.values():
            each.long_over = True
            if each.status == "pending":
                each.status = "expired"

    @rule(away=st.sampled_from([False, False, True]))
    def worker_asks(self, away: bool) -> None:  # noqa: FBT001 - drawn by its name
        provider = self.world.provider
        open_now = {name: each for name, each in self.orders.items() if each.payment in {"pending", "refunding"}}
        charges = dict(provider.charges)
        provider.unavailable = away

        async def ask(pool: Pool, conn: AsyncConnection) -> int:
            await conn.execute("update payments set next_check_at = now() where next_check_at is not null")
            return await reconcile_payments(pool, ASYNC, provider)

        assert self.world.run(ask) == len(open_now)
        provider.unavailable = False
        for name, each in () if away else open_now.items():
            if each.payment == "refunding":
                self._learn(each, "refunded")
                assert provider.charges[name] == "refunded"
            elif name in charges:
                self._learn(each, charges[name])
            elif each.status == "pending":
                assert provider.charges[name] == "processing"
            elif each.long_over or self._state_of(name)[1] == "void":
                each.payment = "void"  # Until its hold is long over, the worker may wait with that.

    @precondition(lambda self: self.orders)
    @rule(which=CHOICE, own=st.booleans())
    def cancel(self, which: int, own: bool) -> None:  # noqa: FBT001 - drawn by its name
        known = self._chosen(which)
        buyer = known.new.user_id if own else "mallory"
        reference = known.new.reference
        error: ApiError | None = None
        try:
            found, _ = self.world.run(lambda pool, _: cancel_order(pool, reference, buyer))
            assert found.status == "cancelled"
        except ApiError as refusal:
            error = refusal
        if not own:
            assert isinstance(error, Forbidden)
        elif known.status in {"declined", "expired"}:
            assert isinstance(error, NotCancellable)
        else:
            assert error is None
            known.status = "cancelled"
            if known.payment == "captured":
                known.payment = "refunding" if known.held else "refunded"

    # --- What holds after each ----------------------------------------------------------------------------

    @invariant()
    def the_database_is_where_the_model_is(self) -> None:
        for reference, known in self.orders.items():
            assert self._state_of(reference) == (known.status, known.payment)
        expected = dict.fromkeys(SEATS, "available")
        for each in self.orders.values():
            if each.live:
                expected |= dict.fromkeys(each.new.ticket_ids, "held" if each.status == "pending" else "sold")
        found = self.world.query("select id, status from tickets where id = any(%s)", list(SEATS))
        assert dict(found) == expected
        assert self.world.query("select count(*) from orders") == [(len(self.orders),)]

    @invariant()
    def every_law_holds(self) -> None:
        ((changes,),) = self.world.query("select count(*) from order_events")
        if changes != self.changes_audited:
            assert audit(self.world.database_url) == []
            self.changes_audited = changes

    # --- The model ----------------------------------------------------------------------------------------

    def _learn(self, known: Expected, news: str) -> None:
        """Bring the model's order to where news of its charge lead."""
        open_or_void = known.payment in {"pending", "void"}
        match news, known.status:
            case "captured", "pending":
                known.status, known.payment = "confirmed", "captured"
            case "captured", "expired" if open_or_void and not set(known.new.ticket_ids) & self._taken():
                known.status, known.payment = "confirmed", "captured"
            case "captured", "expired" | "cancelled" if open_or_void:
                known.payment = "refunding"
            case "declined", "pending":
                known.status, known.payment = "declined", "declined"
            case "declined", "expired" | "cancelled" if known.payment == "pending":
                known.payment = "declined"
            case "refunded", "expired" | "cancelled" if known.payment == "refunding":
                known.payment = "refunded"

    def _chosen(self, which: int) -> Expected:
        return list(self.orders.values())[which % len(self.orders)]

    def _charge_of(self, known: Expected) -> ChargeStatus:
        return self.world.provider.charges.get(known.new.reference, "processing")

    def _tell(self, known: Expected, news: ChargeStatus) -> None:
        """Let a webhook come, and come again."""
        webhook = self._webhook(known.new, news)

        async def come(pool: Pool, _: AsyncConnection) -> None:
            for _again in range(2):
                await Inbox(pool, ASYNC).store(webhook)
                await settle_webhooks(pool, ASYNC)

        self.world.run(come)
        self._learn(known, news)

    def _taken(self) -> set[int]:
        return {seat for each in self.orders.values() if each.live for seat in each.new.ticket_ids}

    def _book(self, new: NewOrder, mode: str) -> OrderRow | ApiError:
        (outcome,) = self.world.run(lambda pool, _: book(pool, new, settings=INLINE.get(mode, ASYNC)))
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
        ((status, payment),) = self.world.query(
            "select orders.status, payments.status from orders join payments on order_id = orders.id"
            " where reference = %s",
            reference,
        )
        return status, payment

    def teardown(self) -> None:
        taken = self.world.query(
            "select subject || ':' || coalesce(previous, 'new') || '>' || status from order_events"
        )
        self.world.ways.update(way for (way,) in taken)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


def test_whatever_happens_to_orders_money_and_tickets_agree(world: World) -> None:
    machine = type("Life", (OrderLife,), {"world": world})
    run_state_machine_as_test(machine, settings=LIVES)
    assert len(world.ways) >= WAYS_MIN, f"the walks were shallow: {world.ways}"
