"""What the client makes of every answer that the API can give."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from webapp.client import Answer, Client, Problem
from webapp.models import Order

ORDER: dict[str, Any] = {
    "success": True,
    "reference": "bk_1",
    "status": "confirmed",
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


def _client(handler: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client(httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(handler)))


async def _book(handler: Callable[[httpx.Request], httpx.Response]) -> Answer[Order]:
    return await _client(handler).book(tier="VIP", quantity=2, user_id="user-1", reference="bk_1")


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
    assert httpx.Response(200, content=sent[0].content).json() == {
        "tier": "VIP",
        "quantity": 2,
        "userId": "user-1",
        "bookingReference": "bk_1",
    }
    assert answer.problem is None
    assert answer.value is not None
    assert (answer.value.title, answer.value.total, answer.value.user_id) == ("2 \u00d7 VIP", 112.5, "user-1")
    assert [ticket.place for ticket in answer.value.tickets] == ["Row A, seat 17", "Standing"]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (_problem(402, "payment_declined"), Problem("declined", "About payment_declined")),
        (_problem(409, "sold_out", available=3), Problem("sold_out", "About sold_out", available=3)),
        (_problem(409, "all_held", "75"), Problem("all_held", "About all_held", retry_after_s=75)),
        (_problem(429, "rate_limited", "42"), Problem("rate_limited", "About rate_limited", retry_after_s=42)),
        (_problem(503, "busy", "1"), Problem("busy", "About busy", retry_after_s=1)),
        (_problem(404, "unknown_tier"), Problem("refused", "About unknown_tier")),
        (_problem(409, "not_on_sale"), Problem("refused", "About not_on_sale")),
        (_problem(422, "key_reused"), Problem("refused", "About key_reused")),
        (
            _problem(400, "invalid_request", errors=[{"field": "userId", "message": "must not be empty"}]),
            Problem("invalid", "must not be empty"),
        ),
        # Dates and nonsense in the header mean "no idea when".
        (_problem(503, "busy", "Wed, 21 Oct 2026 07:28:00 GMT"), Problem("busy", "About busy")),
        (_problem(429, "rate_limited", "99999"), Problem("rate_limited", "About rate_limited", retry_after_s=300)),
    ],
)
async def test_each_problem_has_a_kind_that_a_page_acts_on(
    handler: Callable[[httpx.Request], httpx.Response], expected: Problem
) -> None:
    answer = await _book(handler)
    assert answer == Answer(problem=expected)


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(500, json={"detail": "no code"}),
        httpx.Response(201, text="not JSON"),
        httpx.Response(201, json={"success": True}),
        httpx.Response(201, json=[]),
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
        return httpx.Response(404, json={"code": "not_found", "message": "No such booking"})

    answer = await _client(handler).find("../tickets?x=1")
    assert paths == [b"/api/bookings/..%2Ftickets%3Fx%3D1"]
    assert answer.problem == Problem("not_found", "No such booking")


async def test_orders_come_in_pages() -> None:
    queries: list[dict[str, str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        queries.append(dict(request.url.params))
        return httpx.Response(200, json={"orders": [ORDER], "next": 17 if len(queries) == 1 else None})

    client = _client(handler)
    first = await client.orders_of("user 1")
    assert first.value is not None
    second = await client.orders_of("user 1", first.value.cursor)
    assert second.value is not None
    assert queries == [{"userId": "user 1"}, {"userId": "user 1", "cursor": "17"}]
    assert (first.value.cursor, second.value.cursor) == ("17", "")
