"""Orders with lines and refunds in random sequences: the API and the database equal a plain model after each step.

Guests and accounts book seats and standing tickets of a small event in one order. They return single tickets, repeat
their requests, and send them several times at once. The provider decides payments late. It accepts, delays and refuses
refunds. The event may be cancelled, and banks dispute payments. `LIFE_EXAMPLES` sets the number of sequences.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.commands.audit import audit
from api.database import pool as pools
from api.database import queries
from api.database.session import Statement, open_session
from api.errors import KeyReused, NotFound, PaymentDeclined
from api.payments.gateway import Dispute
from api.payments.provider import Amount, RefundResult, RefundResultStatus
from api.services import returns
from api.services.access import Access, digest
from api.services.bookings.model import Booked, NewOrder
from api.services.cancellations import AlreadyCancelled, Preview, end_orders, preview, start
from api.services.disputes import record_disputes
from api.services.order_rows import LockedOrder
from api.services.order_views import get_order, list_account_orders, list_orders
from api.services.orders import expire_holds
from api.services.payments import reconcile_payments
from api.services.refunds import RefundExceedsPayment, request_refunds, retry_refund
from tests.integration.asynchronous import ASYNC, apply_updates, let_time_pass
from tests.integration.services.order_environment import Environment, OrderRequests, secret_of
from tests.integration.services.order_model import EventModel, Line, Order

Result = TypeVar("Result")

PRICES = {"VIP": 10_000, "GA": 1_000}
ORDERS_MAX = 5
PAST_HOLD_S = ASYNC.hold_seconds + 200  # No request of an order to the provider is in flight any more.
CHOICE = st.integers(0, ORDERS_MAX - 1)
COPIES = st.sampled_from([1, 1, 3])
OWNERS = ("ann", "ben", "account")
SEQUENCES = settings(
    max_examples=int(os.environ.get("LIFE_EXAMPLES", "30")),
    stateful_step_count=24,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
STATES_MIN = 10
"""The fewest states of orders, with their payments and last refunds, that the sequences must reach together."""


class OrderLines(OrderRequests):
    """The events in the life of orders with several lines."""

    def __init__(self) -> None:
        super().__init__()
        self.event = self.environment.begin()
        tickets: dict[str, list[int]] = {}
        for tier, ticket in self.environment.query(
            "select tiers.name, tickets.id from tickets join tiers on tiers.id = tier_id"
            " join events on events.id = tiers.event_id where slug = %s order by 2",
            self.event,
        ):
            tickets.setdefault(tier, []).append(ticket)
        self.model = EventModel(tickets, PRICES)
        self.requests: dict[str, tuple[NewOrder, str]] = {}
        self.disputes: dict[str, tuple[str, str]] = {}
        self.changes_checked = -1

    # --- Bookings ----------------------------------------------------------------------------------------

    @initialize(first=st.sampled_from(["held", "paid", "failed", "abandoned", "late"]), owner=st.sampled_from(OWNERS))
    def start_with_a_basket(self, first: str, owner: str) -> None:
        """Begin with an order of four tickets: held, paid, with a failed refund, never charged, or charged late."""
        self.book({0, 1}, 2, owner, "async", 1)
        if first in {"paid", "failed", "late"}:
            self.provider_decides(0, "captured", int(first != "late"))
        if first == "failed":
            self.return_tickets(0, {0}, 1, "owner")
            self.worker_refunds("failed", 1)
        if first in {"abandoned", "late"}:
            self.holds_end()
        if first == "abandoned":
            self.worker_checks_payments()

    @precondition(lambda self: len(self.model.orders) < ORDERS_MAX)
    @rule(
        seats=st.sets(st.integers(0, 2), max_size=2),
        standing=st.integers(0, 3),
        owner=st.sampled_from(OWNERS),
        mode=st.sampled_from(["async", "async", "captured", "declined"]),
        copies=COPIES,
    )
    def book(self, seats: set[int], standing: int, owner: str, mode: str, copies: int) -> None:
        if not seats and not standing:
            return
        chosen = [self.model.tiers["VIP"][seat] for seat in sorted(seats)]
        new = self.request(chosen, standing, owner)
        expected = self.model.refusals(chosen, standing, "GA", is_declined=mode == "declined")
        outcomes = self.send(new, mode, copies)
        if expected - {PaymentDeclined}:
            assert {type(each) for each in outcomes} <= expected
            return
        self.requests[new.reference] = new, mode
        total = PRICES["VIP"] * len(chosen) + PRICES["GA"] * standing
        order = Order(new.reference, owner, "declined", "declined", [], total, is_held=mode == "async")
        if expected:
            assert {type(each) for each in outcomes} == expected
        else:
            booked = [each for each in outcomes if isinstance(each, Booked)]
            assert [each.replayed for each in booked].count(False) == 1
            assert len({each.order.id for each in booked}) == 1
            assert len(booked) == copies
            order.status, order.payment = ("pending",) * 2 if order.is_held else ("confirmed", "captured")
            order.lines = [Line(row.id, row.ticket_id, row.price_minor) for row in booked[0].bookings]
            self._check_new_lines(order, chosen, standing)
        self.model.orders.append(order)

    def _check_new_lines(self, order: Order, chosen: Sequence[int], standing: int) -> None:
        states = self.model.tickets()
        tickets = {line.ticket for line in order.lines}
        assert len(tickets) == len(order.lines) == len(chosen) + standing
        assert tickets >= set(chosen)
        assert tickets - set(chosen) <= set(self.model.tiers["GA"])
        assert {states[ticket] for ticket in tickets} == {"available"}
        assert all(line.price == self.model.price_of(line.ticket) for line in order.lines)

    @precondition(lambda self: self.model.orders)
    @rule(which=CHOICE, copies=COPIES, is_changed=st.booleans())
    def repeat(self, which: int, copies: int, is_changed: bool) -> None:  # noqa: FBT001 - drawn by its name
        """Repeat a booking under its reference, with the same body or another one."""
        order = self.chosen(which)
        new, mode = self.requests[order.reference]
        if is_changed:
            new = self.request(new.ticket_ids, 4, order.owner, new.reference)
        for outcome in self.send(new, mode, copies):
            if is_changed:
                assert isinstance(outcome, KeyReused)
            elif order.status == "declined" and not order.is_held:
                assert isinstance(outcome, PaymentDeclined)
            else:
                assert isinstance(outcome, Booked)
                assert outcome.replayed
                assert {row.ticket_id for row in outcome.bookings} == {line.ticket for line in order.lines}

    # --- Payments ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.orders)
    @rule(which=CHOICE, charge=st.sampled_from(["captured", "captured", "declined"]), reports=st.integers(0, 2))
    def provider_decides(self, which: int, charge: Any, reports: int) -> None:
        """Decide a charge, and report it not at all, once or twice."""
        order, provider = self.chosen(which), self.environment.provider
        if not order.is_held:
            return
        if provider.charges.get(order.reference, "processing") == "processing":
            provider.charges[order.reference] = charge
            provider.amounts[order.reference] = Amount(order.total, "USD")
        decided = provider.charges[order.reference]
        for _ in range(reports if decided in {"captured", "declined"} else 0):
            self.environment.run(apply_updates(self.environment.pool, {order.reference: decided}))
            self.model.decide(order, decided)

    @rule()
    def holds_end(self) -> None:
        self.environment.run(let_time_pass(self.environment.conn, PAST_HOLD_S))
        self.environment.run(expire_holds(self.environment.pool, ASYNC))
        self.model.end_holds()

    @rule()
    def worker_checks_payments(self) -> None:
        provider = self.environment.provider
        known = dict(provider.charges)
        self.make_due()
        self.environment.run(reconcile_payments(self.environment.pool, ASYNC, provider))
        for order in self.model.orders:
            if order.payment != "pending":
                continue
            if known.get(order.reference, "processing") != "processing":
                self.model.decide(order, known[order.reference])
            elif order.reference not in known and order.is_long_over and not order.is_live:
                order.payment = "void"

    @precondition(lambda self: any(order.payment == "captured" and order.is_held for order in self.model.orders))
    @rule(which=CHOICE, status=st.sampled_from(["needs_response", "won", "lost"]))
    def bank_disputes(self, which: int, status: str) -> None:
        """Report a dispute. It is recorded, and changes neither tickets nor refunds."""
        paid = [order for order in self.model.orders if order.payment == "captured" and order.is_held]
        order = paid[which % len(paid)]
        found = Dispute(
            reference=order.reference, amount=Amount(order.total, "USD"), status=status, reason="fraudulent"
        )
        gateway: Any = type("Gateway", (), {"find_dispute": staticmethod(lambda _: _given(found))})
        note = Statement(queries.disputes.note_disputes, {"ids": [f"du_{order.reference}"]})

        async def record() -> int:
            async with open_session(self.environment.pool) as session:
                await session.run(note)
            return await record_disputes(self.environment.pool, ASYNC, gateway)

        assert self.environment.run(record()) == 1
        self.disputes[f"du_{order.reference}"] = order.reference, status

    # --- Returns and refunds -----------------------------------------------------------------------------

    @precondition(lambda self: self.model.orders)
    @rule(which=CHOICE, copies=COPIES, caller=st.sampled_from(["owner", "other name", "stranger"]))
    def cancel(self, which: int, copies: int, caller: str) -> None:
        order = self.chosen(which)
        access, name = self.caller(order, caller)
        results = self.environment.at_once(
            copies, lambda: returns.cancel_order(self.environment.pool, order.reference, name, access)
        )
        self.compare(results, self.refusal(order, caller) or order.cancel())

    @precondition(lambda self: self.model.orders)
    @rule(
        which=CHOICE,
        lines=st.sets(st.integers(0, 4), min_size=1, max_size=2),
        copies=COPIES,
        caller=st.sampled_from(["owner", "owner", "owner", "other name", "stranger"]),
    )
    def return_tickets(self, which: int, lines: set[int], copies: int, caller: str) -> None:
        order = self.chosen(which)
        if not order.lines:
            return
        bookings = sorted({order.lines[line % len(order.lines)].booking for line in lines})
        access, name = self.caller(order, caller)
        results = self.environment.at_once(
            copies, lambda: returns.return_tickets(self.environment.pool, order.reference, name, bookings, access)
        )
        self.compare(results, self.refusal(order, caller) or order.return_lines(bookings))

    @precondition(lambda self: len(self.model.orders) > 1)
    @rule(which=CHOICE)
    def return_a_foreign_ticket(self, which: int) -> None:
        """Return a ticket of another order beside an own one. It is unknown."""
        order = self.chosen(which)
        foreign = [line.booking for each in self.model.orders if each is not order for line in each.lines][:1]
        if not foreign or not order.is_live:
            return
        access, name = self.caller(order, "owner")
        bookings = [*(line.booking for line in order.lines[:1]), *foreign]
        work = returns.return_tickets(self.environment.pool, order.reference, name, bookings, access)
        with pytest.raises(NotFound):
            self.environment.run(work)

    @rule(status=st.sampled_from(["succeeded", "succeeded", "pending", "failed"]), workers=st.integers(1, 2))
    def worker_refunds(self, status: RefundResultStatus, workers: int) -> None:
        provider = self.environment.provider
        provider.refund_status = status
        self.make_due()
        sent = self.environment.at_once(workers, lambda: request_refunds(self.environment.pool, ASYNC, provider))
        opened = self.model.open_refunds()
        assert sum(each for each in sent if isinstance(each, int)) == len(list(opened)), sent
        decided = self.environment.query("select key::text, attempt, status from refunds")
        results = {f"{key}_{attempt}": state for key, attempt, state in decided}
        # A refund that the provider has accepted keeps the result of its key.
        assert {key: state for key, state in results.items() if key in provider.refunds} == {
            key: result.status for key, (_, result) in provider.refunds.items() if key in results
        }
        for order, refund in opened:
            if refund.status == "requested":
                refund.status = status
            order.finish()

    @precondition(lambda self: any(refund.status == "pending" for _, refund in self.model.open_refunds()))
    @rule(is_paid=st.booleans())
    def provider_decides_pending_refunds(self, is_paid: bool) -> None:  # noqa: FBT001 - drawn by its name
        provider = self.environment.provider
        for key, (request, result) in provider.refunds.items():
            if result.status == "pending":
                status: RefundResultStatus = "succeeded" if is_paid else "failed"
                provider.refunds[key] = request, RefundResult(status, result.provider_id)
                if not is_paid:
                    provider.charges[request.reference] = "captured"
        requested = [refund for _, refund in self.model.open_refunds() if refund.status == "requested"]
        for _, refund in self.model.open_refunds():
            if refund.status == "pending":
                refund.status = "succeeded" if is_paid else "failed"
        self.make_due()
        provider.refund_status = "succeeded"
        self.environment.run(request_refunds(self.environment.pool, ASYNC, provider))
        for refund in requested:
            refund.status = "succeeded"
        for order in self.model.orders:
            if order.is_held:
                order.finish()

    @precondition(lambda self: self.model.has_failed_refund)
    @rule(copies=st.integers(1, 3))
    def operator_retries(self, copies: int) -> None:
        """Request the oldest failed refund again, perhaps several times at once."""
        ((key,),) = self.environment.query("select key from refunds where status = 'failed' order by id limit 1")
        results = self.environment.at_once(copies, lambda: retry_refund(self.environment.pool, key))
        assert sorted(results, key=str) == [False] * (copies - 1) + [True]
        ids = [each.reference for each in self.model.orders]
        ((reference, number),) = self.environment.query(
            "select reference, (select count(*) from refunds as earlier where earlier.payment_id = refunds.payment_id"
            " and earlier.id < refunds.id) from refunds join payments on payments.id = payment_id"
            " join orders on orders.id = order_id where key = %s",
            key,
        )
        refund = self.model.orders[ids.index(reference)].refunds[number]
        refund.status, refund.attempt = "requested", refund.attempt + 1

    # --- The event ---------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.orders) >= ORDERS_MAX - 2)
    @rule(copies=COPIES, is_rare=st.sampled_from([False, False, True]))
    def operator_cancels_the_event(self, copies: int, is_rare: bool) -> None:  # noqa: FBT001 - drawn by its name
        if not is_rare:
            return
        pool = self.environment.pool
        found = self.environment.run(preview(pool, self.event))
        if not isinstance(found, Preview):
            return
        results = self.environment.at_once(copies, lambda: start(pool, found, "the singer is ill"))
        assert results.count(None) == 1
        assert {type(each) for each in results if each is not None} <= {AlreadyCancelled}
        assert found.orders == self.model.start_cancellation()

    @precondition(lambda self: self.model.is_cancelled)
    @rule()
    def worker_ends_orders(self) -> None:
        while self.environment.run(end_orders(self.environment.pool, ASYNC)):
            pass
        self.model.end_listed()

    # --- Invariants --------------------------------------------------------------------------------------

    @invariant()
    def the_database_equals_the_model(self) -> None:
        assert self.environment.shapes() == {order.reference: order.shape() for order in self.model.orders}
        tickets = self.environment.query(
            "select tickets.id, status from tickets join events on events.id = event_id where slug = %s", self.event
        )
        assert dict(tickets) == self.model.tickets()
        disputes = self.environment.query(
            "select disputes.id, reference, disputes.status from disputes"
            " join payments on payments.id = payment_id join orders on orders.id = order_id"
        )
        assert {key: (reference, status) for key, reference, status in disputes} == self.disputes
        for order in self.model.orders:
            last = order.refunds[-1].status if order.refunds else ""
            self.environment.states[order.status, order.payment, last] += 1

    @invariant()
    def every_change_keeps_the_audit_and_the_views(self) -> None:
        ((changes,),) = self.environment.query("select count(*) from order_events")
        if changes != self.changes_checked:
            assert audit(self.environment.database_url) == []
            self._check_views()
            self.changes_checked = changes

    def _check_views(self) -> None:
        """Compare the orders that each buyer sees."""
        for order in self.model.orders:
            body, _ = self.environment.run(get_order(self.environment.pool, order.reference, self.caller(order)[0]))
            assert (body.status, round(body.total * 100)) == (order.status, order.total)
            returned = [booking.ticket_id for booking in body.bookings if booking.returned_at]
            assert sorted(returned) == sorted(line.ticket for line in order.lines if line.is_returned)
            refunds = [(round(refund.amount * 100), refund.status) for refund in body.refunds or ()]
            assert refunds == [(refund.amount, refund.status) for refund in order.refunds]
        for owner in OWNERS:
            assert set(self._listed(owner)) == {order.reference for order in self.model.orders if order.owner == owner}

    def _listed(self, owner: str) -> list[str]:
        pool, account = self.environment.pool, self.environment.account
        access = Access(frozenset(digest(secret_of(each.reference)) for each in self.model.orders))
        listed = (
            list_account_orders(pool, account.id, limit=100, cursor=None)
            if owner == "account"
            else list_orders(pool, owner, access, limit=100, cursor=None)
        )
        return [order.reference for order in self.environment.run(listed).orders]

    @invariant()
    def the_provider_moves_every_amount_once(self) -> None:
        for order in self.model.orders:
            moved = sum(refund.amount for refund in order.refunds if refund.status in {"pending", "succeeded"})
            assert order.refunded <= order.total
            if order.is_held:
                assert self.environment.provider.refunded(order.reference) == moved


async def _given(value: Result) -> Result:
    return value


@pytest.fixture
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    # Equal requests wait for each other's locks, and a busy machine must not end the wait.
    monkeypatch.setattr(pools, "LOCK_TIMEOUT_MS", 60_000)
    environment = Environment(database_url)
    yield environment
    environment.close()


def test_lines_and_refunds_equal_the_model_in_every_sequence(environment: Environment) -> None:
    machine = type("Lines", (OrderLines,), {"environment": environment})
    run_state_machine_as_test(machine, settings=SEQUENCES)
    assert len(environment.states) >= STATES_MIN, f"the sequences were shallow: {environment.states}"


@pytest.mark.parametrize("is_checked", [True, False])
def test_the_sequences_find_a_cancellation_that_forgets_earlier_refunds(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, *, is_checked: bool
) -> None:
    """The negative control: the constraint refuses the second refund, and without it the model finds the refund."""

    def forgetful(references: Sequence[str]) -> Statement[LockedOrder]:
        parameters = {"references": references}
        return Statement(
            queries.orders.lock_orders, parameters, lambda **row: LockedOrder(**row | {"refunded_minor": 0})
        )

    monkeypatch.setattr(returns, "lock", forgetful)
    if not is_checked:
        environment.run(environment.conn.execute("alter table payments drop constraint payments_refunded_check"))
    machine = type("Lines", (OrderLines,), {"environment": environment})
    with pytest.raises(RefundExceedsPayment if is_checked else AssertionError):
        run_state_machine_as_test(machine, settings=SEQUENCES)
