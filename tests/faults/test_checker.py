"""The checker itself: it has nothing to say of an honest run, and each of its invariants notices a lie."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import INVARIANTS, Charge, Evidence, describe, judge
from tests.faults.database_facts import BookingFact, EventFact, Facts, OrderFact, TierFact
from tests.faults.history import Entry, Fault, History, Kind, Wanted

TWO_SEATS = Wanted(tier="VIP", quantity=2, user_id="ann")
ONE_PLACE = Wanted(tier="GA", quantity=1, user_id="bob")
SEEN_S = 0.1
"""How long each request takes."""


class World:
    """A short honest run at the times 1000 to 1010, whose parts a test may turn into lies."""

    def __init__(self) -> None:
        self.limit = 2
        self.facts = Facts(
            orders=[
                order(1, "a", "ann", "confirmed", "VIP", 2, 20_000, 1000.0, "captured"),
                order(2, "b", "bob", "declined", None, 1, 1000, 1001.0, "declined"),
                order(3, "c", "bob", "cancelled", "GA", 1, 1000, 1002.0, "refunded"),
            ],
            bookings=[line(1, 1, 1, 1, "VIP"), line(2, 1, 2, 2, "VIP"), line(3, 3, 1, 11, "GA", live=False)],
            events=[
                EventFact(order_id=1, status="confirmed", at=1000.0),
                EventFact(order_id=2, status="declined", at=1001.0),
                EventFact(order_id=3, status="confirmed", at=1002.0),
                EventFact(order_id=3, status="cancelled", at=1003.0),
            ],
            tiers=[
                TierFact(name="VIP", capacity=2, price_minor=10_000, available=0, held=0, overdue=0),
                TierFact(name="GA", capacity=50, price_minor=1000, available=50, held=0, overdue=0),
            ],
        )
        self.ledger = [
            Charge("a", 20_000, "USD", "captured"),
            Charge("b", 1000, "USD", "declined"),
            Charge("c", 1000, "USD", "refunded"),
        ]
        self.history = History()
        self.history.faults.append(Fault(name="a process was killed", start=1000.5, end=1000.6))
        self.a = self.ask("book", 1000.0, 201, answer(self, 1), key="a", wanted=TWO_SEATS)
        self.b = self.ask("book", 1001.0, 402, {"code": "payment_declined"}, key="b", wanted=ONE_PLACE)
        self.c = self.ask("book", 1002.0, 201, answer(self, 3), key="c", wanted=ONE_PLACE)
        self.cancelled = self.ask("cancel", 1003.0, 200, {"status": "cancelled"}, key="c", user_id="bob")
        self.repeat = self.ask("book", 1004.0, 201, answer(self, 1), key="a", wanted=TWO_SEATS, replayed=True)
        self.reused = self.ask("book", 1004.2, 422, {"code": "key_reused"}, key="a", wanted=ONE_PLACE)
        sold_out = {"code": "sold_out", "available": 0}
        self.sold_out = self.ask("book", 1005.0, 409, sold_out, key="d", wanted=TWO_SEATS)
        self.taken = self.ask(
            *("book", 1005.2, 409, {"code": "seat_taken", "ticketIds": [1]}),
            key="e",
            wanted=Wanted(tier="VIP", quantity=1, user_id="eve", ticket_ids=(1,)),
        )
        self.looked = self.ask("order", 1005.4, 200, {"status": "confirmed"}, key="a")
        counts = {"VIP": {"available": 0}, "GA": {"available": 50}}
        self.seen = self.ask("availability", 1006.0, 200, counts, as_of=1005.5)
        busy = {"code": "busy", "message": "This request has booked nothing."}
        self.busy = self.ask("book", 1007.0, 503, busy, key="f", wanted=ONE_PLACE, retry_after=True)
        limited = {"code": "rate_limited"}
        self.limited = self.ask("book", 1008.0, 429, limited, key="g", wanted=ONE_PLACE, retry_after=True)

    def ask(self, kind: Kind, start: float, status: int, content: Any, **more: Any) -> Entry:
        """Note a request and its answer."""
        body = json.dumps(content).encode()
        return self.history.add(Entry(kind=kind, start=start, end=start + SEEN_S, status=status, body=body, **more))

    def broken(self) -> set[str]:
        """Return the invariants that the checker finds broken."""
        evidence = Evidence(self.history, self.facts, limit=self.limit, ledger=self.ledger)
        return {violation.invariant for violation in judge(evidence)}


def order(
    number: int, reference: str, user: str, status: str, tier: str | None, quantity: int, total: int, *more: Any
) -> OrderFact:
    created_at, payment = more
    return OrderFact(
        id=number,
        reference=reference,
        user_id=user,
        status=status,
        tier=tier,
        quantity=quantity,
        total_minor=total,
        currency="USD",
        created_at=created_at,
        overdue=False,
        payment=payment,
        amount_minor=total,
    )


def line(number: int, order_id: int, place: int, ticket_id: int, tier: str, *, live: bool = True) -> BookingFact:
    return BookingFact(
        id=number,
        order_id=order_id,
        line=place,
        ticket_id=ticket_id,
        tier=tier,
        price_minor=10_000 if tier == "VIP" else 1000,
        row_label="A" if tier == "VIP" else None,
        seat_number=ticket_id if tier == "VIP" else None,
        live=live,
    )


def answer(world: World, order_id: int) -> dict[str, Any]:
    """Return what an acknowledged booking is told."""
    made = next(each for each in world.facts.orders if each.id == order_id)
    return {
        "reference": made.reference,
        "status": "confirmed",
        "total": made.total_minor // 100,
        "currency": "USD",
        "bookings": [
            {
                "id": each.id,
                "bookingReference": f"{made.reference}-{each.line}",
                "ticketId": each.ticket_id,
                "tier": each.tier,
                "price": each.price_minor // 100,
                "row": each.row_label,
                "seat": each.seat_number,
                "userId": made.user_id,
            }
            for each in world.facts.bookings
            if each.order_id == order_id
        ],
    }


def test_an_honest_run_breaks_nothing() -> None:
    world = World()
    evidence = Evidence(world.history, world.facts, limit=world.limit, ledger=world.ledger)
    assert not judge(evidence), describe(judge(evidence))


def test_a_request_without_an_answer_may_have_been_done_or_not() -> None:
    world = World()
    world.history.faults[0].unanswered = True
    for entry in (world.a, world.busy):
        entry.status, entry.body, entry.fate = 0, b"", "cut"
    world.a.start, world.a.end = 1000.5, 1000.55
    world.busy.start, world.busy.end = 1000.5, 1000.55
    assert not world.broken()


def change(path: str, value: Any) -> Callable[[World], None]:
    """Return a lie that gives a part of the world another value: `a.status` is that of the entry `a`."""

    def lie(world: World) -> None:
        *owners, name = path.split(".")
        thing: Any = world
        for owner in owners:
            thing = thing[int(owner)] if owner.isdigit() else getattr(thing, owner)
        setattr(thing, name, value)

    return lie


def told(entry: str, **changes: Any) -> Callable[[World], None]:
    """Return a lie that changes what an answer says."""

    def lie(world: World) -> None:
        lying: Entry = getattr(world, entry)
        lying.body = json.dumps(lying.content | changes).encode()

    return lie


def lose(orders: int) -> Callable[[World], None]:
    """Return a lie that leaves an acknowledged order out of the database."""

    def lie(world: World) -> None:
        del world.facts.orders[orders]

    return lie


def sell_twice(world: World) -> None:
    world.facts.orders.append(order(4, "z", "ann", "confirmed", "VIP", 1, 10_000, 1004.0, "captured"))
    world.facts.events.append(EventFact(order_id=4, status="confirmed", at=1004.0))
    world.facts.bookings.append(line(4, 4, 1, 2, "VIP"))


def sell_twice_and_hide_it(world: World) -> None:
    """Two orders had the same ticket one inside the other's time, and one of them was cancelled before the end."""
    sell_twice(world)
    world.facts.orders[-1].status, world.facts.bookings[-1].live = "cancelled", False
    world.facts.events.append(EventFact(order_id=4, status="cancelled", at=1009.0))
    world.ask("order", 1004.5, 200, {"status": "confirmed"}, key="z")


def book_two_orders_for_a_key(world: World) -> None:
    world.facts.orders.append(order(4, "a", "ann", "declined", None, 2, 20_000, 1004.0, "declined"))


def book_what_nobody_asked_for(world: World) -> None:
    world.facts.orders.append(order(4, "y", "ann", "declined", None, 2, 20_000, 1004.0, "declined"))


def book_what_was_refused(world: World) -> None:
    world.facts.orders.append(order(4, "f", "bob", "declined", None, 1, 1000, 1007.0, "declined"))


def forget_an_order(world: World) -> None:
    world.ask("book", 1009.0, 409, {"code": "sold_out", "available": 0}, key="a", wanted=TWO_SEATS)


def say_that_all_is_held(world: World) -> None:
    say = {"code": "all_held", "available": 0}
    world.ask("book", 1009.0, 409, say, key="h", wanted=TWO_SEATS, retry_after=True)


def charge_twice(world: World) -> None:
    world.ledger.append(world.ledger[0])


def charge_for_nothing(world: World) -> None:
    world.ledger.append(Charge("nobody", 1000, "USD", "captured"))


LIES: list[tuple[str, Callable[[World], None]]] = [
    ("acknowledged_bookings_are_there", lose(orders=0)),
    ("acknowledged_bookings_are_there", change("facts.bookings.1.order_id", 3)),
    ("acknowledged_bookings_are_there", change("facts.bookings.1.ticket_id", 7)),
    ("acknowledged_bookings_are_there", change("facts.orders.0.user_id", "eve")),
    ("acknowledged_bookings_are_there", change("facts.orders.0.total_minor", 20_100)),
    ("acknowledged_bookings_are_there", told("a", total=100)),
    ("cancelled_bookings_stay_cancelled", change("facts.orders.2.status", "confirmed")),
    ("cancelled_bookings_stay_cancelled", change("facts.bookings.2.live", value=True)),
    ("prices_are_those_of_the_tier", change("facts.bookings.0.price_minor", 9_999)),
    ("answers_of_a_key_are_equal", told("repeat", message="changed")),
    ("answers_of_a_key_are_equal", change("repeat.replayed", value=False)),
    ("each_key_has_one_order", book_two_orders_for_a_key),
    ("each_key_has_one_order", book_what_nobody_asked_for),
    ("a_key_is_refused_only_to_another_body", change("reused.wanted", TWO_SEATS)),
    ("an_order_is_remembered", forget_an_order),
    ("what_is_refused_is_not_booked", book_what_was_refused),
    ("declined_payments_leave_nothing", change("facts.orders.1.status", "confirmed")),
    ("declined_payments_leave_nothing", change("facts.bookings.1.order_id", 2)),
    ("sold_out_is_true", change("sold_out.wanted", Wanted(tier="GA", quantity=2, user_id="dan"))),
    ("sold_out_is_true", told("sold_out", available=1)),
    ("all_held_is_true", say_that_all_is_held),
    ("seat_taken_is_true", told("taken", ticketIds=[12])),
    ("seat_taken_is_true", change("facts.bookings.0.ticket_id", 8)),
    ("cancelling_is_refused_truly", change("cancelled.status", 409)),
    ("cancelling_is_refused_truly", change("cancelled.user_id", "eve")),
    ("refusals_say_when_to_come_back", change("busy.retry_after", value=False)),
    ("no_ticket_is_live_twice", sell_twice),
    ("no_ticket_is_live_twice", sell_twice_and_hide_it),
    ("nobody_exceeds_the_limit", change("limit", 1)),
    ("rate_limited_is_true", change("limit", 3)),
    ("availability_was_true", change("seen.as_of", 1004.9)),
    ("availability_was_true", told("seen", VIP={"available": 1})),
    ("orders_are_shown_as_they_were", told("looked", status="cancelled")),
    ("orders_are_shown_as_they_were", change("looked.status", 404)),
    ("all_is_answered_in_time", change("looked.end", 1016.0)),
    ("all_is_answered_in_time", change("looked.status", 0)),
    ("all_is_answered_in_time", change("looked.status", 500)),
    ("money_and_tickets_agree", change("facts.orders.0.payment", "pending")),
    ("money_and_tickets_agree", change("facts.orders.0.amount_minor", 1)),
    ("money_and_tickets_agree", change("facts.orders.2.payment", "captured")),
    ("the_provider_agrees", charge_twice),
    ("the_provider_agrees", charge_for_nothing),
    ("the_provider_agrees", change("ledger", [])),
    ("the_provider_agrees", change("facts.orders.0.payment", "refunded")),
    ("nothing_is_left_over", change("facts.orders.0.overdue", value=True)),
    ("nothing_is_left_over", change("facts.tiers.0.overdue", 1)),
    ("nothing_is_left_over", change("facts.open_payments", 1)),
    ("nothing_is_left_over", change("facts.open_webhooks", 1)),
    ("every_fault_was_recovered_from", change("history.faults.0.recovered", value=None)),
]


@pytest.mark.parametrize(("invariant", "lie"), LIES)
def test_the_checker_notices(invariant: str, lie: Callable[[World], None]) -> None:
    world = World()
    lie(world)
    assert invariant in world.broken()


def test_every_law_is_known_to_notice_a_lie() -> None:
    assert {invariant for invariant, _ in LIES} == {invariant.__name__ for invariant in INVARIANTS}
