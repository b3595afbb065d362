"""Each invariant of returned tickets, cancelled events and e-mails detects a mutation of a correct outcome."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.after_sale import Aftermath, Message, RefundedOrder, ReturnedTicket
from tests.faults.after_sale_invariants import INVARIANTS, find_violations


def order(reference: str, event: str = "after-0", **changes: Any) -> RefundedOrder:
    """Return an order of a cancelled event that was paid and refunded."""
    values: dict[str, Any] = {
        "reference": reference,
        "event": event,
        "status": "cancelled",
        "payment": "refunded",
        "amount_minor": 2000,
        "live": [],
        "refunds": [2000],
        "open_refunds": 0,
        "announced": ["confirmed", "event_cancelled", "refunded"],
    }
    return RefundedOrder(**values | changes)


def outcome() -> Aftermath:
    """Return a correct outcome: an order with a returned ticket, one without, one unpaid, and one of a later event."""
    return Aftermath(
        confirmed=["a", "b", "d"],
        returned=[ReturnedTicket("a", 1), ReturnedTicket("d", 7)],
        cancelled=["after-0"],
        orders=[
            order("a", refunds=[1000, 1000], announced=["confirmed", "event_cancelled", "refunded", "returned"]),
            order("b"),
            order("c", status="expired", payment="void", refunds=[], announced=["expired"]),
            order("d", "after-1", status="confirmed", payment="captured", live=[8], refunds=[1000]),
        ],
        finished=["after-0"],
        messages=[Message("<1>", "sent", overdue=False), Message("<2>", "skipped", overdue=False)],
        mails=["<1>"],
        refunded={"a": 2000, "b": 2000, "d": 1000},
    )


def change(index: int, **values: Any) -> Callable[[Aftermath], None]:
    """Return a mutation of an order."""

    def mutate(aftermath: Aftermath) -> None:
        for name, value in values.items():
            setattr(aftermath.orders[index], name, value)

    return mutate


MUTATIONS: list[tuple[str, Callable[[Aftermath], None]]] = [
    ("returned_tickets_are_refunded_once", change(3, live=[7, 8])),
    ("returned_tickets_are_refunded_once", change(3, refunds=[])),
    ("returned_tickets_are_refunded_once", change(3, refunds=[1000, 1000])),
    ("returned_tickets_are_refunded_once", lambda aftermath: aftermath.orders.clear()),
    ("cancelled_events_have_no_money", change(1, live=[3])),
    ("cancelled_events_have_no_money", change(1, open_refunds=1)),
    ("cancelled_events_have_no_money", change(1, refunds=[2000, 2000])),
    ("cancelled_events_have_no_money", change(1, refunds=[])),
    ("cancelled_events_have_no_money", change(2, refunds=[2000])),
    ("cancelled_events_have_no_money", lambda aftermath: aftermath.finished.clear()),
    ("provider_refunds_what_was_requested", lambda aftermath: aftermath.refunded.update(b=4000)),
    ("provider_refunds_what_was_requested", lambda aftermath: aftermath.refunded.update(c=2000)),
    ("provider_refunds_what_was_requested", lambda aftermath: aftermath.refunded.update(unknown=1)),
    ("changes_are_announced_once", change(1, announced=["confirmed", "event_cancelled"])),
    ("changes_are_announced_once", change(3, announced=[])),
    ("changes_are_announced_once", change(1, announced=["confirmed", "confirmed", "refunded"])),
    ("mails_are_recognizable", lambda aftermath: aftermath.mails.clear()),
    ("mails_are_recognizable", lambda aftermath: aftermath.mails.append("<3>")),
    ("mails_are_recognizable", lambda aftermath: aftermath.mails.extend(["<1>"] * 3)),
    ("mails_are_recognizable", lambda aftermath: setattr(aftermath.messages[1], "status", "dead")),
    ("mails_are_recognizable", lambda aftermath: setattr(aftermath.messages[1], "overdue", True)),
]


def test_a_correct_outcome_breaks_no_invariant() -> None:
    assert find_violations(outcome()) == []


@pytest.mark.parametrize(("invariant", "mutate"), MUTATIONS)
def test_a_mutation_breaks_its_invariant(invariant: str, mutate: Callable[[Aftermath], None]) -> None:
    aftermath = outcome()
    mutate(aftermath)
    assert invariant in {name for name, _ in find_violations(aftermath)}


def test_every_invariant_has_a_mutation() -> None:
    assert {invariant for invariant, _ in MUTATIONS} == {invariant.__name__ for invariant in INVARIANTS}
