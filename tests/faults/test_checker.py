"""The checker accepts a correct run, and each of its invariants detects a mutation of that run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import INVARIANTS, describe, find_violations
from tests.faults.database_facts import BookingFact, EventFact, Facts, OrderFact, TierFact
from tests.faults.evidence import Charge, Evidence
from tests.faults.history import BookingRequest, Entry, Fault, History, Kind, RequestedItem


def request(user_id: str, *items: RequestedItem) -> BookingRequest:
    return BookingRequest(user_id=user_id, items=items)


TWO_SEATS = request("ann", RequestedItem(("VIP", "VIP")))
ONE_STANDING = request("bob", RequestedItem(("GA",)))
BASKET = request("meg", RequestedItem(("GA",)), RequestedItem(("Front Row", "Front Row"), (21, 22)))
DURATION_S = 0.1
"""Duration of each request."""


class Run:
    """A short correct run from 1000 s to 1010 s. A test may mutate its parts."""

    def __init__(self) -> None:
        self.limit = 2
        self.facts = Facts(
            orders=[
                order(1, "a", "ann", "confirmed", 2, 20_000, 1000.0, "captured"),
                order(2, "b", "bob", "declined", 1, 1000, 1001.0, "declined"),
                order(3, "c", "bob", "cancelled", 1, 1000, 1002.0, "refunded"),
                order(4, "m", "meg", "confirmed", 3, 11_000, 1004.6, "captured"),
            ],
            bookings=[
                *(booking(1, 1, 1, 1, "VIP"), booking(2, 1, 2, 2, "VIP"), booking(3, 3, 1, 11, "GA", live=False)),
                *(booking(4, 4, 1, 12, "GA"), booking(5, 4, 2, 21, "Front Row"), booking(6, 4, 3, 22, "Front Row")),
            ],
            events=[
                EventFact(order_id=1, status="confirmed", at=1000.0),
                EventFact(order_id=2, status="declined", at=1001.0),
                EventFact(order_id=3, status="confirmed", at=1002.0),
                EventFact(order_id=3, status="cancelled", at=1003.0),
                EventFact(order_id=4, status="confirmed", at=1004.6),
            ],
            tiers=[
                TierFact(name="VIP", capacity=2, price_minor=10_000, available=0, held=0, overdue=0),
                TierFact(
                    name="Front Row",
                    capacity=4,
                    price_minor=5000,
                    available=2,
                    held=0,
                    overdue=0,
                    tickets_per_buyer=2,
                ),
                TierFact(name="GA", capacity=50, price_minor=1000, available=49, held=0, overdue=0),
            ],
        )
        self.charges = [
            Charge("a", 20_000, "USD", "captured"),
            Charge("b", 1000, "USD", "declined"),
            Charge("c", 1000, "USD", "refunded"),
            Charge("m", 11_000, "USD", "captured"),
        ]
        self.history = History()
        self.history.faults.append(Fault(name="a process was killed", start=1000.5, end=1000.6))
        self.a = self.add("book", 1000.0, 201, response(self, 1), reference="a", request=TWO_SEATS)
        self.b = self.add("book", 1001.0, 402, {"code": "payment_declined"}, reference="b", request=ONE_STANDING)
        self.c = self.add("book", 1002.0, 201, response(self, 3), reference="c", request=ONE_STANDING)
        self.cancelled = self.add("cancel", 1003.0, 200, {"status": "cancelled"}, reference="c", user_id="bob")
        self.repeat = self.add("book", 1004.0, 201, response(self, 1), reference="a", request=TWO_SEATS, replayed=True)
        self.reused = self.add("book", 1004.2, 422, {"code": "key_reused"}, reference="a", request=ONE_STANDING)
        self.basket = self.add("book", 1004.6, 201, response(self, 4), reference="m", request=BASKET)
        sold_out = {"code": "sold_out", "available": 0}
        self.sold_out = self.add("book", 1005.0, 409, sold_out, reference="d", request=TWO_SEATS)
        self.taken = self.add(
            *("book", 1005.2, 409, {"code": "seat_taken", "ticketIds": [1]}),
            reference="e",
            request=request("eve", RequestedItem(("VIP",), (1,))),
        )
        self.sold_out_item = self.add(
            *("book", 1005.6, 409, sold_out | {"item": 1}),
            reference="i",
            request=request("eve", RequestedItem(("GA",)), RequestedItem(("VIP",))),
        )
        self.exceeded = self.add(
            *("book", 1005.8, 409, {"code": "buyer_limit", "remaining": 0, "item": 1}),
            reference="j",
            request=request("meg", RequestedItem(("GA",)), RequestedItem(("Front Row",))),
        )
        self.read = self.add("order", 1005.4, 200, {"status": "confirmed"}, reference="a")
        counts = {"VIP": {"available": 0}, "Front Row": {"available": 2}, "GA": {"available": 49}}
        self.availability = self.add("availability", 1006.0, 200, counts, as_of=1005.5)
        busy = {"code": "busy", "message": "This request has booked nothing."}
        self.busy = self.add("book", 1007.0, 503, busy, reference="f", request=ONE_STANDING, retry_after=True)
        limited = {"code": "rate_limited"}
        self.limited = self.add("book", 1008.0, 429, limited, reference="g", request=ONE_STANDING, retry_after=True)

    def add(self, kind: Kind, start: float, status: int, content: Any, **more: Any) -> Entry:
        """Record a request and its response."""
        body = json.dumps(content).encode()
        return self.history.add(Entry(kind=kind, start=start, end=start + DURATION_S, status=status, body=body, **more))

    def broken_invariants(self) -> set[str]:
        """Return the names of the broken invariants."""
        evidence = Evidence(self.history, self.facts, limit=self.limit, charges=self.charges)
        return {violation.invariant for violation in find_violations(evidence)}


def order(number: int, reference: str, user: str, status: str, quantity: int, total: int, *more: Any) -> OrderFact:
    created_at, payment = more
    return OrderFact(
        id=number,
        reference=reference,
        user_id=user,
        status=status,
        quantity=quantity,
        total_minor=total,
        currency="USD",
        created_at=created_at,
        overdue=False,
        payment=payment,
        amount_minor=total,
    )


def booking(number: int, order_id: int, line: int, ticket_id: int, tier: str, *, live: bool = True) -> BookingFact:
    return BookingFact(
        id=number,
        order_id=order_id,
        line=line,
        ticket_id=ticket_id,
        tier=tier,
        price_minor={"VIP": 10_000, "Front Row": 5000, "GA": 1000}[tier],
        row_label=None if tier == "GA" else "A",
        seat_number=None if tier == "GA" else ticket_id,
        live=live,
    )


def response(run: Run, order_id: int) -> dict[str, Any]:
    """Return the body of an acknowledged booking."""
    created = next(each for each in run.facts.orders if each.id == order_id)
    return {
        "reference": created.reference,
        "status": "confirmed",
        "total": created.total_minor // 100,
        "currency": "USD",
        "bookings": [
            {
                "id": each.id,
                "bookingReference": f"{created.reference}-{each.line}",
                "ticketId": each.ticket_id,
                "tier": each.tier,
                "price": each.price_minor // 100,
                "row": each.row_label,
                "seat": each.seat_number,
                "userId": created.user_id,
            }
            for each in run.facts.bookings
            if each.order_id == order_id
        ],
    }


def test_a_correct_run_breaks_no_invariant() -> None:
    run = Run()
    evidence = Evidence(run.history, run.facts, limit=run.limit, charges=run.charges)
    assert not find_violations(evidence), describe(find_violations(evidence))


def test_a_request_without_a_response_may_have_either_outcome() -> None:
    run = Run()
    run.history.faults[0].loses_responses = True
    for entry in (run.a, run.busy):
        entry.status, entry.body, entry.fate = 0, b"", "cut"
    run.a.start, run.a.end = 1000.5, 1000.55
    run.busy.start, run.busy.end = 1000.5, 1000.55
    assert not run.broken_invariants()


def test_a_transaction_may_wait_during_a_long_fault() -> None:
    """A commit waits for a frozen standby. The availability shows the cancelled ticket as sold until then."""
    run = Run()
    run.cancelled.status, run.cancelled.body, run.cancelled.fate = 0, b"", "cut"
    run.history.faults.append(Fault(name="frozen", start=1000.0, end=1050.0, loses_responses=True, recovered=1051.0))
    run.availability.start, run.availability.as_of, run.availability.end = 1049.0, 1049.0, 1049.1
    run.availability.body = run.availability.body.replace(b"49", b"48")
    assert not run.broken_invariants()
    run.history.faults[-1].end = 1010.0
    assert run.broken_invariants() == {"availability_is_true"}


@pytest.mark.parametrize("others", [(), (0,), (200,)])
def test_a_failed_cancellation_is_true_if_another_request_may_have_cancelled(others: tuple[int, ...]) -> None:
    run = Run()
    run.cancelled.status, run.cancelled.retry_after = 503, True
    run.cancelled.body = json.dumps({"code": "busy", "unknown": not others}).encode()
    run.history.faults[0].loses_responses = True
    for status in others:
        run.add("cancel", 1002.95, status, {"status": "cancelled"}, reference="c", user_id="bob")
    assert not run.broken_invariants()


def change(path: str, value: Any) -> Callable[[Run], None]:
    """Return a mutation that sets the attribute at a path; `a.status` is the status of entry `a`."""

    def mutate(run: Run) -> None:
        *owners, name = path.split(".")
        target: Any = run
        for owner in owners:
            target = target[int(owner)] if owner.isdigit() else getattr(target, owner)
        setattr(target, name, value)

    return mutate


def change_body(entry: str, **changes: Any) -> Callable[[Run], None]:
    """Return a mutation that changes fields of a response body."""

    def mutate(run: Run) -> None:
        mutated: Entry = getattr(run, entry)
        mutated.body = json.dumps(mutated.content | changes).encode()

    return mutate


def lose(order_index: int) -> Callable[[Run], None]:
    """Return a mutation that removes an acknowledged order from the database."""

    def mutate(run: Run) -> None:
        del run.facts.orders[order_index]

    return mutate


def sell_twice(run: Run) -> None:
    run.facts.orders.append(order(5, "z", "ann", "confirmed", 1, 10_000, 1004.0, "captured"))
    run.facts.events.append(EventFact(order_id=5, status="confirmed", at=1004.0))
    run.facts.bookings.append(booking(7, 5, 1, 2, "VIP"))


def sell_twice_and_hide_it(run: Run) -> None:
    """Give a ticket to a second order while the first owns it, and cancel the second before the run ends."""
    sell_twice(run)
    run.facts.orders[-1].status, run.facts.bookings[-1].live = "cancelled", False
    run.facts.events.append(EventFact(order_id=5, status="cancelled", at=1009.0))
    run.add("order", 1004.5, 200, {"status": "confirmed"}, reference="z")


def book_two_orders_for_a_reference(run: Run) -> None:
    run.facts.orders.append(order(5, "a", "ann", "declined", 2, 20_000, 1004.0, "declined"))


def book_without_request(run: Run) -> None:
    run.facts.orders.append(order(5, "y", "ann", "declined", 2, 20_000, 1004.0, "declined"))


def book_refused_request(run: Run) -> None:
    run.facts.orders.append(order(5, "f", "bob", "declined", 1, 1000, 1007.0, "declined"))


def book_half_of_a_basket(run: Run) -> None:
    """Lose the response of a basket, and book only one of its items."""
    run.history.faults.append(Fault(name="cut", start=1004.6, end=1004.7, loses_responses=True, recovered=1004.8))
    run.basket.status, run.basket.body, run.basket.fate = 0, b"", "cut"
    del run.facts.bookings[3]
    run.facts.orders[3].total_minor = run.facts.orders[3].amount_minor = 10_000
    run.charges[3] = Charge("m", 10_000, "USD", "captured")
    run.availability.body = run.availability.body.replace(b"49", b"50")


def forget_an_order(run: Run) -> None:
    run.add("book", 1009.0, 409, {"code": "sold_out", "available": 0}, reference="a", request=TWO_SEATS)


def claim_that_all_is_held(run: Run) -> None:
    content = {"code": "all_held", "available": 0}
    run.add("book", 1009.0, 409, content, reference="h", request=TWO_SEATS, retry_after=True)


def charge_twice(run: Run) -> None:
    run.charges.append(run.charges[0])


def charge_without_order(run: Run) -> None:
    run.charges.append(Charge("nobody", 1000, "USD", "captured"))


MUTATIONS: list[tuple[str, Callable[[Run], None]]] = [
    ("acknowledged_bookings_exist", lose(order_index=0)),
    ("acknowledged_bookings_exist", change("facts.bookings.1.order_id", 3)),
    ("acknowledged_bookings_exist", change("facts.bookings.1.ticket_id", 7)),
    ("acknowledged_bookings_exist", change("facts.orders.0.user_id", "eve")),
    ("acknowledged_bookings_exist", change("facts.orders.0.total_minor", 20_100)),
    ("acknowledged_bookings_exist", change_body("a", total=100)),
    ("orders_have_all_items", book_half_of_a_basket),
    ("orders_have_all_items", change("facts.bookings.4.tier", "GA")),
    ("orders_have_all_items", change("facts.bookings.5.ticket_id", 23)),
    ("orders_have_all_items", change("facts.bookings.5.live", value=False)),
    ("orders_have_all_items", change("facts.orders.1.status", "confirmed")),
    ("cancelled_bookings_stay_cancelled", change("facts.orders.2.status", "confirmed")),
    ("cancelled_bookings_stay_cancelled", change("facts.bookings.2.live", value=True)),
    ("prices_match_the_tier", change("facts.bookings.0.price_minor", 9_999)),
    ("responses_of_a_reference_are_equal", change_body("repeat", message="changed")),
    ("responses_of_a_reference_are_equal", change("repeat.replayed", value=False)),
    ("each_reference_has_one_order", book_two_orders_for_a_reference),
    ("each_reference_has_one_order", book_without_request),
    ("key_reused_is_true", change("reused.request", TWO_SEATS)),
    ("repeats_find_the_order", forget_an_order),
    ("refused_requests_create_no_order", book_refused_request),
    ("declined_orders_have_no_tickets", change("facts.orders.1.status", "confirmed")),
    ("declined_orders_have_no_tickets", change("facts.bookings.1.order_id", 2)),
    ("sold_out_is_true", change("sold_out.request", request("dan", RequestedItem(("GA", "GA"))))),
    ("sold_out_is_true", change_body("sold_out", available=1)),
    ("sold_out_is_true", change_body("sold_out_item", item=0)),
    ("all_held_is_true", claim_that_all_is_held),
    ("seat_taken_is_true", change_body("taken", ticketIds=[12])),
    ("seat_taken_is_true", change("facts.bookings.0.ticket_id", 8)),
    (
        "buyer_limit_is_true",
        change("exceeded.request", request("eve", RequestedItem(("Front Row",)), RequestedItem(("Front Row",)))),
    ),
    ("buyer_limit_is_true", change_body("exceeded", remaining=1)),
    ("cancellation_responses_are_true", change("cancelled.status", 409)),
    ("cancellation_responses_are_true", change("cancelled.user_id", "eve")),
    ("cancellation_responses_are_true", change("cancelled.status", 503)),
    ("refusals_have_retry_after", change("busy.retry_after", value=False)),
    ("no_ticket_has_two_owners", sell_twice),
    ("no_ticket_has_two_owners", sell_twice_and_hide_it),
    ("no_buyer_exceeds_the_limit", change("limit", 1)),
    ("no_buyer_exceeds_the_tickets_per_buyer", change("facts.tiers.1.tickets_per_buyer", 1)),
    ("rate_limited_is_true", change("limit", 3)),
    ("availability_is_true", change("availability.as_of", 1004.9)),
    ("availability_is_true", change_body("availability", VIP={"available": 1})),
    ("order_states_are_true", change_body("read", status="cancelled")),
    ("order_states_are_true", change("read.status", 404)),
    ("responses_arrive_in_time", change("read.end", 1016.0)),
    ("responses_arrive_in_time", change("read.status", 0)),
    ("responses_arrive_in_time", change("read.status", 500)),
    ("payments_match_orders", change("facts.orders.0.payment", "pending")),
    ("payments_match_orders", change("facts.orders.0.amount_minor", 1)),
    ("payments_match_orders", change("facts.orders.2.payment", "captured")),
    ("charges_match_payments", charge_twice),
    ("charges_match_payments", charge_without_order),
    ("charges_match_payments", change("charges", [])),
    ("charges_match_payments", change("facts.orders.0.payment", "refunded")),
    ("nothing_stays_open", change("facts.orders.0.overdue", value=True)),
    ("nothing_stays_open", change("facts.tiers.0.overdue", 1)),
    ("nothing_stays_open", change("facts.open_payments", 1)),
    ("nothing_stays_open", change("facts.open_webhooks", 1)),
    ("bookings_resume_after_every_fault", change("history.faults.0.recovered", value=None)),
]


@pytest.mark.parametrize(("invariant", "mutate"), MUTATIONS)
def test_the_checker_detects_a_mutation(invariant: str, mutate: Callable[[Run], None]) -> None:
    run = Run()
    mutate(run)
    assert invariant in run.broken_invariants()


def test_a_repeat_shares_the_limit_that_its_first_request_met() -> None:
    """The decision can be older than the repeat, whose client has lost the first request."""
    run = Run()
    assert run.limited.request
    run.limited.start, run.limited.end = 1061.5, 1061.6  # A minute after the first of the two orders.
    assert "rate_limited_is_true" in run.broken_invariants()
    first = run.add("book", 1060.9, 0, None, reference="g", request=ONE_STANDING)
    assert "rate_limited_is_true" not in run.broken_invariants()
    first.request = TWO_SEATS
    assert "rate_limited_is_true" in run.broken_invariants()


def test_half_of_a_basket_breaks_no_other_invariant() -> None:
    run = Run()
    book_half_of_a_basket(run)
    assert run.broken_invariants() == {"orders_have_all_items"}


def test_every_invariant_has_a_mutation() -> None:
    assert {invariant for invariant, _ in MUTATIONS} == {invariant.__name__ for invariant in INVARIANTS}
