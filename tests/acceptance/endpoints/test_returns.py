"""The return of single tickets over HTTP."""

from tests.acceptance.system import Buyer, assert_problem

BUYER = "user-123"


def test_a_returned_ticket_is_refunded_and_available_again(buyer: Buyer) -> None:
    order = buyer.booked(tier="VIP", quantity=2)
    path = f"/api/bookings/{order['reference']}"
    body = {"userId": BUYER, "bookings": [order["bookings"][0]["id"]]}
    responses = [buyer.client.post(f"{path}/returns", json=body) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 200]
    returned = responses[0].json()
    assert returned == responses[1].json() == buyer.client.get(path).json()
    assert returned["status"] == "confirmed"
    assert ["returnedAt" in booking for booking in returned["bookings"]] == [True, False]
    assert [(refund["amount"], refund["status"]) for refund in returned["refunds"]] == [(100, "succeeded")]
    codes = [buyer.client.get(f"{path}/tickets/{number}.svg").status_code for number in (1, 2)]
    assert codes == [404, 200]
    again = buyer.book(tier="VIP", quantity=1, ticketIds=[order["bookings"][0]["ticketId"]])
    assert again.status_code == 201


def test_the_return_of_all_tickets_cancels_the_booking(buyer: Buyer) -> None:
    order = buyer.booked(tier="VIP", quantity=2)
    body = {"userId": BUYER, "bookings": [booking["id"] for booking in order["bookings"]]}
    cancelled = buyer.client.post(f"/api/bookings/{order['reference']}/returns", json=body).json()
    assert (cancelled["status"], cancelled["refund"]) == ("cancelled", 200)


def test_a_repeated_booking_gets_its_first_response_after_a_return(buyer: Buyer) -> None:
    first = buyer.book(key="returned-in-part", tier="VIP", quantity=2)
    body = {"userId": BUYER, "bookings": [first.json()["bookings"][0]["id"]]}
    assert buyer.client.post("/api/bookings/returned-in-part/returns", json=body).status_code == 200
    repeat = buyer.book(key="returned-in-part", tier="VIP", quantity=2)
    assert (repeat.status_code, repeat.content) == (201, first.content)


def test_only_own_tickets_are_returned_by_their_buyer(buyer: Buyer) -> None:
    order, other = buyer.booked(tier="VIP", quantity=2), buyer.booked(tier="VIP", quantity=1)
    path = f"/api/bookings/{order['reference']}/returns"
    own, foreign = order["bookings"][0]["id"], other["bookings"][0]["id"]
    for body, field in (
        ({"userId": BUYER, "bookings": []}, "bookings"),
        ({"userId": BUYER}, "bookings"),
        ({"userId": BUYER, "bookings": [own] * 1001}, "bookings"),
        ({"userId": BUYER, "bookings": [own], "reason": "ill"}, "reason"),
    ):
        assert_problem(buyer.client.post(path, json=body), 400, "invalid_request", field=field)
    assert_problem(buyer.client.post(path, json={"userId": BUYER, "bookings": [own, foreign]}), 404, "not_found")
    stranger = buyer.client.post(path, json={"userId": "somebody-else", "bookings": [own]})
    assert_problem(stranger, 403, "forbidden")
    assert buyer.client.get(f"/api/bookings/{order['reference']}").json() == order
