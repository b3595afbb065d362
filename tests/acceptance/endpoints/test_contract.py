"""The examples of the contract, which name no event."""

import re
from datetime import UTC, datetime

import httpx

from api.schemas import BUILT_IN_EVENT
from tests.acceptance.system import Buyer, time_of


def test_requests_without_an_event_use_the_built_in_one(client: httpx.Client) -> None:
    def counts() -> dict[str, int]:
        return Buyer(client).available_now()

    response = client.get("/api/tickets/availability")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert list(response.json().items()) == [
        ("VIP", {"available": 100, "total": 100, "price": 100}),
        ("Front Row", {"available": 200, "total": 200, "price": 50}),
        ("GA", {"available": 1000, "total": 1000, "price": 10}),
    ]
    body = {"tier": "VIP", "quantity": 2, "userId": "user-123"}
    booked = client.post("/api/bookings", json=body)
    assert booked.status_code == 201
    assert counts() == {"VIP": 98, "Front Row": 200, "GA": 1000}
    assert len(client.get("/api/tickets", params={"tier": "VIP"}).json()) == 98


def test_the_response_to_a_booking_has_exactly_the_contract_s_fields(client: httpx.Client) -> None:
    before = datetime.now(UTC)
    response = client.post("/api/bookings", json={"tier": "Front Row", "quantity": 2, "userId": "user-123"})
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/json"
    assert "Idempotent-Replayed" not in response.headers
    order = response.json()
    lines = order["bookings"]
    reference = order["reference"]
    assert reference.startswith("bk_")
    names = ["success", "reference", "status", "total", "currency", "bookings", "message", "event", "paidLate"]
    names += ["currencyDigits", "shortReference"]
    assert list(order) == names
    assert order | {"bookings": []} == {
        "success": True,
        "reference": reference,
        "status": "confirmed",
        "total": 100,
        "currency": "USD",
        "bookings": [],
        "message": "Successfully booked 2 ticket(s)",
        "event": BUILT_IN_EVENT,
        "paidLate": False,
        "currencyDigits": 2,
        "shortReference": order["shortReference"],
    }
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{8}", order["shortReference"])
    for number, line in enumerate(lines, start=1):
        assert line == {
            "id": line["id"],
            "bookingReference": f"{reference}-{number}",
            "ticketId": line["ticketId"],
            "tier": "Front Row",
            "price": 50,
            "row": line["row"],
            "seat": line["seat"],
            "userId": "user-123",
            "createdAt": line["createdAt"],
        }
        types = {name: type(line[name]) for name in ("id", "ticketId", "price", "row", "seat")}
        assert types == {"id": int, "ticketId": int, "price": int, "row": str, "seat": int}
        assert before <= time_of(line["createdAt"]) <= datetime.now(UTC)
    assert len({line["id"] for line in lines}) == len({line["ticketId"] for line in lines}) == 2
