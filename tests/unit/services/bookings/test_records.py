"""Records: the rows of a batch, their order and the statements that write them."""

from datetime import timedelta
from typing import Any

from api.services.bookings.model import Booked, Declined
from api.services.bookings.records import BatchStart, Sale, insertions, make_records
from api.services.order_rules import OrderRules
from tests.unit.services.bookings.values import NOW, part, policy, request, seat, tier

START = BatchStart(
    created_at=NOW, order_ids=[11, 12, 13], booking_ids=[101, 102, 103, 104], in_flight=[], changed_tiers=[]
)


def sale(reference: str, *numbers: int, payment: Any = "captured") -> Sale:
    new = request(reference=reference, quantity=2)
    return Sale(new, (part(),), [[seat(number) for number in numbers]] if numbers else [], payment)


def test_rows_are_in_the_order_of_their_references() -> None:
    records = make_records([sale("b", 1, 2), sale("a", 3, 4)], START)
    assert [(record.order.id, record.order.reference) for record in records] == [(11, "a"), (12, "b")]
    lines = [(each.id, each.order_id, each.line, each.ticket_id) for record in records for each in record.bookings]
    assert lines == [(101, 11, 1, 3), (102, 11, 2, 4), (103, 12, 1, 1), (104, 12, 2, 2)]


def test_an_inline_payment_decides_the_order_at_once() -> None:
    paid, declined = make_records([sale("a", 1, 2), sale("b", payment="declined")], START)
    assert (paid.order.status, paid.order.expires_at, paid.order.total_minor) == ("confirmed", None, 2500)
    assert paid.outcome() == Booked(paid.order, paid.bookings)
    assert (declined.order.status, declined.order.total_minor, declined.bookings) == ("declined", 2500, [])
    outcome = declined.outcome()
    assert isinstance(outcome, Declined)
    assert not outcome.replayed
    assert outcome.error.details == {"reference": "b"}


def test_a_pending_payment_holds_the_tickets() -> None:
    short = tier(rules=OrderRules(hold_seconds=60, tickets_max=10))
    (held,) = make_records([Sale(request(), (part(short),), [[seat(1), seat(2)]], "pending")], START)
    assert (held.order.status, held.order.expires_at) == ("pending", NOW + timedelta(seconds=60))


def test_the_statements_write_all_rows_and_take_exactly_the_tickets() -> None:
    records = make_records([sale("a", 1, 2), sale("b", payment="declined")], START)
    orders, payments, bookings, tickets = insertions(records, policy())
    assert orders.parameters["references"] == ["a", "b"]
    assert orders.parameters["statuses"] == ["confirmed", "declined"]
    assert orders.parameters["quantities"] == [2, 2]
    assert orders.parameters["expires_at"] == [None, None]
    assert payments.parameters["statuses"] == ["captured", "declined"]
    assert bookings.parameters["ticket_ids"] == [1, 2]
    assert bookings.parameters["prices_minor"] == [1250, 1250]
    assert tickets.parameters == {"ctids": ["(0,1)", "(0,2)"], "held_until": None}


def test_held_tickets_are_taken_until_the_hold_ends() -> None:
    records = make_records([sale("a", 1, 2, payment="pending")], START)
    orders, payments, _, tickets = insertions(records, policy())
    assert orders.parameters["expires_at"] == [NOW + timedelta(seconds=300)]
    assert tickets.parameters["held_until"] == NOW + timedelta(seconds=300)
    assert payments.parameters["check_after_ms"] == 5000


def test_a_batch_sells_free_tickets_and_holds_the_others() -> None:
    free = Sale(request(reference="a"), (part(tier(price_minor=0)),), [[seat(1), seat(2)]], "captured")
    records = make_records([free, sale("b", 3, 4, payment="pending")], START)
    orders, payments, _, *taken = insertions(records, policy())
    held_until = NOW + timedelta(seconds=300)
    assert orders.parameters["statuses"] == ["confirmed", "pending"]
    assert orders.parameters["totals_minor"] == payments.parameters["amounts_minor"] == [0, 2500]
    assert orders.parameters["expires_at"] == [None, held_until]
    assert [statement.parameters for statement in taken] == [
        {"ctids": ["(0,1)", "(0,2)"], "held_until": None},
        {"ctids": ["(0,3)", "(0,4)"], "held_until": held_until},
    ]


def test_a_batch_of_declined_payments_takes_no_ticket() -> None:
    records = make_records([sale("a", payment="declined")], START)
    assert [statement.query.name for statement in insertions(records, policy())] == [
        "orders.insert_orders",
        "payments.insert_payments",
    ]
