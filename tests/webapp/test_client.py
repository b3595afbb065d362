"""What the client makes of every answer that the API can give."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from webapp.client import Answer, Client, Problem
from webapp.models import Order, Ticket
from webapp.purchase import Purchase

ORDER: dict[str, Any] = {
    "success": True,
    "reference": "bk_1",
    "status": "confirmed",
    "event": "concert",
    "total": 112.5,
    "currency": "USD",
    "bookings": [
        {
            "id": 1,
            "bookingReference": "bk_1-1",
            "ticketId": 17,
            "tier": "VIP",
            "price": 100,
            "row": "A",
            "seat": 17,
            "userId": "user-1",
            "createdAt": "2026-11-22T10:00:00Z",
        },
        {
            "id": 2,
            "bookingReference": "bk_1-2",
            "ticketId": 400,
            "tier": "VIP",
            "price": 12.5,
            "row": None,
            "seat": None,
            "userId": "user-1",
            "createdAt": "2026-11-22T10:00:00Z",
        },
    ],
    "message": "Successfully booked 2 ticket(s)",
}

WISH = Purchase("concert", "VIP", 2, "user-1", reference="bk_1")


def _client(handler: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client(httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(handler)))


async def _book(handler: Callable[[httpx.Request], httpx.Response]) -> Answer[Order]:
    return await _client(handler).book(WISH)


def _problem(status: int, code: str, retry_after: str = "", **more: Any) -> Callable[[httpx.Request], httpx.Response]:
    headers = {"Retry-After": retry_after} if retry_after else {}
    body = {"success": False, "code": code, "message": f"About {code}", **more}
    return lambda _request: httpx.Response(status, json=body, headers=headers)


async def test_a_booking_is_sent_under_its_reference_and_read_back() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(201, json=ORDER)

    answer = await _book(handler)

    assert sent[0].url.path == "/api/bookings"
    assert dict(sent[0].url.params) == {"event": "concert"}
    assert httpx.Response(200, content=sent[0].content).json() == {
        "tier": "VIP",
        "quantity": 2,
        "userId": "user-1",
        "bookingReference": "bk_1",
    }
    assert answer.problem is None
    tickets = (Ticket(17, seated=True), Ticket(400, seated=False))
    assert answer.value == Order("bk_1", "confirmed", "concert", "VIP", "user-1", tickets)


async def test_picked_seats_are_sent_by_their_ids() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(201, json=ORDER)

    await _client(handler).book(replace(WISH, ticket_ids=(17, 18)))
    assert httpx.Response(200, content=sent[0].content).json()["ticketIds"] == [17, 18]


async def test_cancelling_sends_the_buyer() -> None:
    sent: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={**ORDER, "status": "cancelled"})

    answer = await _client(handler).cancel("bk/1", "user-1")
    assert (sent[0].method, sent[0].url.raw_path) == ("POST", b"/api/bookings/bk%2F1/cancel")
    assert httpx.Response(200, content=sent[0].content).json() == {"userId": "user-1"}
    assert answer.value is not None
    assert answer.value.status == "cancelled"


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (_problem(402, "payment_declined"), Problem("declined")),
        (_problem(409, "sold_out", available=3), Problem("sold_out", available=3)),
        (_problem(409, "all_held", "75"), Problem("all_held", retry_after_s=75)),
        (_problem(429, "rate_limited", "42"), Problem("rate_limited", retry_after_s=42)),
        (_problem(503, "busy", "1"), Problem("busy", retry_after_s=1)),
        (_problem(404, "unknown_tier"), Problem("refused")),
        (_problem(409, "not_on_sale"), Problem("not_on_sale")),
        (_problem(409, "seat_taken", ticketIds=[17, 18]), Problem("seat_taken", ticket_ids=(17, 18))),
        (_problem(403, "forbidden"), Problem("refused")),
        (_problem(409, "not_cancellable"), Problem("not_cancellable")),
        (_problem(422, "key_reused"), Problem("key_reused")),
        (_problem(400, "invalid_request"), Problem("invalid")),
        # Dates and nonsense in the header mean "no idea when".
        (_problem(503, "busy", "Wed, 21 Oct 2026 07:28:00 GMT"), Problem("busy")),
        (_problem(429, "rate_limited", "99999"), Problem("rate_limited", retry_after_s=300)),
    ],
)
async def test_each_problem_has_a_kind_that_a_page_acts_on(
    handler: Callable[[httpx.Request], httpx.Response], expected: Problem
) -> None:
    answer = await _book(handler)
    assert answer == Answer(problem=expected)


async def test_a_booking_that_was_declined_before_anything_was_held_has_no_tickets() -> None:
    body = {**ORDER, "success": False, "status": "declined", "bookings": []}
    order = (await _client(lambda _request: httpx.Response(200, json=body)).find("bk_1")).value
    assert order is not None
    assert (order.status, order.event, order.tickets) == ("declined", "concert", ())


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(500, json={"detail": "no code"}),
        httpx.Response(500, json={"code": "internal_error"}),
        httpx.Response(503, json={"code": "busy", "unknown": True}),
        httpx.Response(504, json={"code": "of_some_proxy"}),
        httpx.Response(201, text="not JSON"),
        httpx.Response(201, json={"success": True}),
        httpx.Response(201, json=[]),
        httpx.Response(201, json={**ORDER, "bookings": []}),
    ],
)
async def test_an_answer_that_is_not_the_apis_leaves_the_outcome_open(response: httpx.Response) -> None:
    answer = await _book(lambda _request: response)
    assert answer.problem is not None
    assert answer.problem.kind == "unreachable"


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.PoolTimeout("")],
)
async def test_no_answer_leaves_the_outcome_open(error: httpx.HTTPError) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise error

    answer = await _book(handler)
    assert answer.problem is not None
    assert answer.problem.kind == "unreachable"


async def test_a_reference_is_one_part_of_the_path_whatever_it_holds() -> None:
    paths: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404, json={"code": "not_found", "message": "Booking not found"})

    answer = await _client(handler).find("../tickets?x=1")
    assert paths == [b"/api/bookings/..%2Ftickets%3Fx%3D1"]
    assert answer.problem == Problem("not_found")
