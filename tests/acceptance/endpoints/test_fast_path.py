"""The fast path sends the same responses as the framework over HTTP."""

from typing import Any

import httpx

from tests.acceptance.system import FOREIGN_ORIGIN, Buyer, new_event
from tests.stack import Stack

TIMES = {b"date", b"x-as-of"}


def test_both_paths_send_the_same_response_over_http(stack: Stack, client: httpx.Client) -> None:
    buyer = Buyer(client, new_event(stack))
    taken = buyer.booked(key=f"{buyer.event}-1", tier="VIP", quantity=1)["bookings"][0]["ticketId"]
    assert buyer.booked(key=f"{buyer.event}-2", quantity=2)["success"]
    etag = buyer.availability().headers["ETag"]
    origin = {"Origin": f"http://localhost:{stack.web_port}"}
    good = {"tier": "GA", "quantity": 2, "userId": "user-123"}
    replayed = {"Idempotency-Key": f"{buyer.event}-2"}
    availability, states, bookings = "/api/tickets/availability", "/api/tickets/states", "/api/bookings"
    event = f"/api/events/{buyer.event}"
    requests: list[tuple[str, str, int, dict[str, Any] | None, dict[str, str]]] = [
        ("GET", availability, 200, None, {}),
        ("GET", availability, 200, None, {**origin, "If-None-Match": '"other"', "Accept-Encoding": "gzip"}),
        ("GET", availability, 200, None, {"Origin": FOREIGN_ORIGIN}),
        ("GET", availability, 304, None, {**origin, "If-None-Match": etag}),
        ("GET", states, 200, None, {**origin, "Accept-Encoding": "gzip"}),
        ("GET", states, 200, None, {"Accept-Encoding": "identity"}),
        ("GET", states, 304, None, {"If-None-Match": "*"}),
        ("GET", event, 200, None, {**origin, "Accept-Encoding": "gzip"}),
        ("GET", event, 304, None, {"If-None-Match": "*"}),
        ("GET", f"{event}-that-is-not-there", 404, None, origin),
        ("GET", f"{event}-", 404, None, {}),
        ("GET", "/api/events", 304, None, {"If-None-Match": "*"}),
        ("POST", bookings, 201, good, replayed),
        ("POST", bookings, 201, good, replayed | origin),
        ("POST", bookings, 422, {**good, "quantity": 1}, replayed | origin),
        ("POST", bookings, 400, {**good, "quantity": 11}, origin),
        ("POST", bookings, 400, {**good, "quantity": "1"}, origin),
        ("POST", bookings, 400, good, {"Idempotency-Key": "not a key"}),
        ("POST", bookings, 400, good, {"Idempotency-Key": ""}),
        ("POST", bookings, 404, {**good, "tier": "Balcony"}, {}),
        ("POST", bookings, 409, {**good, "tier": "VIP", "quantity": 1, "ticketIds": [taken]}, origin),
    ]
    for method, path, status, body, headers in requests:
        # An unlisted header or parameter leads to the framework.
        simple, by_header, by_parameter = (
            client.request(method, f"{path}?event={buyer.event}{more}", json=body, headers={**headers, **unlisted})
            for more, unlisted in (("", {}), ("", {"X-Unlisted": "1"}), ("&more=", {}))
        )
        assert simple.status_code == status, simple.text
        for other in (by_header, by_parameter):
            assert (simple.status_code, simple.content) == (other.status_code, other.content)
            sent, sent_by_framework = (
                sorted((name.lower(), value) for name, value in response.headers.raw if name.lower() not in TIMES)
                for response in (simple, other)
            )
            assert sent == sent_by_framework, (method, status)
