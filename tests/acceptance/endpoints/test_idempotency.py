"""Repeated requests with the same key."""

from typing import Any

import pytest

from tests.acceptance.system import Buyer, assert_problem, set_sale
from tests.stack import Stack


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (None, {"bookingReference": "{}"}),
        ("{}", {}),
        ('"{}"', {}),
        ("{}", {"bookingReference": "{}"}),
        ('"{}"', {"bookingReference": "{}"}),
    ],
    ids=["in the body", "in the header", "quoted in the header", "in both", "in both, quoted"],
)
def test_a_clients_own_key_is_the_bookings_reference(buyer: Buyer, key: str | None, wanted: dict[str, str]) -> None:
    own = f"Order_{buyer.event}.~:+=@"
    order = buyer.booked(key=key and key.format(own), **{name: text.format(own) for name, text in wanted.items()})
    assert order["reference"] == own
    assert order["bookings"][0]["bookingReference"] == f"{own}-1"


def test_two_different_keys_are_refused(buyer: Buyer) -> None:
    response = buyer.book(key="one", bookingReference="other")
    assert_problem(response, 422, "key_reused")
    assert response.json()["message"] == (
        "The header Idempotency-Key and bookingReference name different keys: one and other."
    )
    assert len(buyer.tickets()) == 1300


@pytest.mark.parametrize("wanted", [{"quantity": 3}, {"tier": "VIP", "quantity": 2}], ids=["standing", "seated"])
def test_a_repeat_gets_the_same_response_and_books_once(buyer: Buyer, wanted: dict[str, Any]) -> None:
    key = f"{buyer.event}-repeat"
    first = buyer.book(key=key, **wanted)
    assert "Idempotent-Replayed" not in first.headers
    repeats = [buyer.book(key=key, **wanted) for _ in range(3)]
    repeats.append(buyer.book(bookingReference=key, **wanted))
    for repeat in repeats:
        assert (repeat.status_code, repeat.content) == (201, first.content)
        assert repeat.headers["Idempotent-Replayed"] == "true"
    assert len(buyer.tickets()) == 1300 - wanted["quantity"]


def test_requests_without_a_key_are_separate_bookings(buyer: Buyer) -> None:
    first, second = buyer.booked(), buyer.booked()
    assert first["reference"] != second["reference"]
    assert len(buyer.tickets()) == 1298


@pytest.mark.parametrize(
    "changed", [{"tier": "VIP"}, {"quantity": 2}, {"userId": "user-456"}, {"ticketIds": "one"}], ids=str
)
def test_a_key_with_another_body_is_refused(buyer: Buyer, changed: dict[str, Any]) -> None:
    if "ticketIds" in changed:
        changed = {"ticketIds": [buyer.tickets(tier="GA", limit=1)[0]["id"]]}
    key = f"{buyer.event}-reused"
    first = buyer.book(key=key)
    assert_problem(buyer.book(key=key, **changed), 422, "key_reused")
    assert buyer.book(key=key).content == first.content
    assert len(buyer.tickets()) == 1299


def test_a_refusal_that_created_nothing_is_forgotten(buyer: Buyer, stack: Stack) -> None:
    key = f"{buyer.event}-early"
    set_sale(stack, buyer.event, "2200-01-01")
    assert_problem(buyer.book(key=key), 409, "not_on_sale")
    set_sale(stack, buyer.event, "2000-01-01")
    response = buyer.book(key=key)
    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response.headers


def test_a_refused_key_may_request_other_tickets(buyer: Buyer) -> None:
    taken, free = [ticket["id"] for ticket in buyer.tickets(tier="VIP", limit=2)]
    buyer.booked(tier="VIP", ticketIds=[taken])
    key = f"{buyer.event}-second-choice"
    assert_problem(buyer.book(key=key, tier="VIP", ticketIds=[taken]), 409, "seat_taken")
    assert buyer.booked(key=key, tier="VIP", ticketIds=[free])["reference"] == key


@pytest.mark.parametrize("wanted", [{"quantity": 2}, {"tier": "VIP", "quantity": 2}], ids=["standing", "seated"])
def test_a_declined_payment_sells_nothing_and_is_remembered(declined_buyer: Buyer, wanted: dict[str, Any]) -> None:
    buyer, key = declined_buyer, f"declined-{len(wanted)}"
    first = buyer.book(key=key, **wanted)
    assert_problem(first, 402, "payment_declined")
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(3):
        repeat = buyer.book(key=key, **wanted)
        assert_problem(repeat, 402, "payment_declined")
        assert repeat.content == first.content
        assert repeat.headers["Idempotent-Replayed"] == "true"
    assert_problem(buyer.book(key=key, userId="user-456", **wanted), 422, "key_reused")
    assert buyer.available_now() == {"VIP": 100, "Front Row": 200, "GA": 1000}
    assert len(buyer.tickets()) == 1300


def test_a_declined_booking_has_the_status_declined(declined_buyer: Buyer) -> None:
    declined_buyer.book(key="declined-and-shown")
    order = declined_buyer.client.get("/api/bookings/declined-and-shown").json()
    assert (order["success"], order["status"], order["bookings"]) == (False, "declined", [])


def test_tickets_of_a_declined_payment_can_be_chosen_again(declined_buyer: Buyer) -> None:
    (ticket,) = declined_buyer.tickets(tier="VIP", limit=1)
    for _ in range(2):
        assert_problem(declined_buyer.book(tier="VIP", ticketIds=[ticket["id"]]), 402, "payment_declined")
