"""The amounts in e-mails about an order some of whose tickets were returned by themselves."""

import msgspec
import pytest

from api.services.mail.compose import compose
from api.services.mail.facts import Facts
from api.services.mail.outbox import Kind
from tests.unit.services.mail.test_compose import NOW, SENDER, body, facts, message, sent


def after_a_return(kind: Kind) -> Facts:
    """Return an order of three tickets at $73.50 whose first one was returned."""
    whole = facts(kind)
    first, *others = whole.bookings
    returned = msgspec.structs.replace(first, returned_at=NOW)
    kept = others if kind == "confirmed" else [returned, *others]
    return msgspec.structs.replace(whole, bookings=kept)


def text_of(kind: Kind, described: Facts) -> str:
    return body(sent(compose(message(kind), described, SENDER, NOW)), "plain")


@pytest.mark.parametrize("is_returned", [False, True])
def test_a_cancellation_names_the_refund_of_the_tickets_that_it_ends(*, is_returned: bool) -> None:
    text = text_of("cancelled", after_a_return("cancelled") if is_returned else facts("cancelled"))
    assert f"Your refund of ${'147.00' if is_returned else '220.50'} is on its way." in text
    assert "Total: $220.50" in text


def test_a_cancellation_of_the_free_tickets_that_are_left_names_no_refund() -> None:
    described = after_a_return("cancelled")
    returned, *free = described.bookings
    bookings = [returned, *(msgspec.structs.replace(booking, price_minor=0) for booking in free)]
    assert "refund" not in text_of("cancelled", msgspec.structs.replace(described, bookings=bookings))


def test_a_confirmation_has_the_total_of_the_tickets_that_the_order_keeps() -> None:
    assert "Total: $147.00" in text_of("confirmed", after_a_return("confirmed"))


def test_a_message_about_an_order_that_never_had_tickets_has_its_total() -> None:
    assert "Total: $220.50" in text_of("declined", msgspec.structs.replace(facts("declined"), bookings=[]))
