"""A booking request may have an address and a language for messages."""

from typing import Any

import pytest

from tests.acceptance.system import Buyer, assert_problem

CONTACT = {"email": "ann@example.org", "locale": "de"}


def test_a_booking_with_a_contact_gets_the_usual_response(buyer: Buyer) -> None:
    without, order = buyer.booked(), buyer.booked(key="with-contact", **CONTACT)
    assert order.keys() == without.keys()
    assert CONTACT["email"] not in str(order)
    repeat = buyer.book(key="with-contact", **CONTACT)
    assert (repeat.json(), repeat.headers["Idempotent-Replayed"]) == (order, "true")


@pytest.mark.parametrize("changed", [{"email": "bob@example.org"}, {"locale": "ar"}, {"email": None}, {"locale": None}])
def test_a_repeat_with_another_contact_is_another_request(buyer: Buyer, changed: dict[str, str | None]) -> None:
    key = f"contact-{changed}".translate({ord(character): "-" for character in "{}' "})
    buyer.booked(key=key, **CONTACT)
    assert_problem(buyer.book(key=key, **CONTACT | changed), 422, "key_reused")


@pytest.mark.parametrize(
    "contact", [{"email": "ann"}, {"email": "ann@example.org\r\nBcc: all@example.org"}, {"email": 7}, {"locale": "fr"}]
)
def test_an_invalid_contact_is_refused(buyer: Buyer, contact: dict[str, Any]) -> None:
    before = buyer.available_now()
    (field,) = contact
    assert_problem(buyer.book(**contact), 400, "invalid_request", field=field)
    assert buyer.available_now() == before
