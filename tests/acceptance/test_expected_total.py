"""`expectedTotal` over HTTP: nothing is charged beyond the total that a buyer agreed to."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, client_of, new_event, running_system
from tests.stack import Stack

pytestmark = pytest.mark.xdist_group("expected_total")

BY_FRAMEWORK = {"X-Unknown": "x"}
"""A header that the fast path does not serve."""


@pytest.fixture(scope="module", params=["inline", "async"])
def stack(request: pytest.FixtureRequest, server: EmbeddedServer) -> Iterator[Stack]:
    with running_system(server, PAYMENT_MODE=request.param) as stack:
        if request.param == "async":
            asyncio.run(stack.start_payment_simulator())
        yield stack


@pytest.fixture(scope="module", params=[{}, BY_FRAMEWORK], ids=["fast path", "framework"])
def client(request: pytest.FixtureRequest, stack: Stack) -> Iterator[httpx.Client]:
    with client_of(stack) as client:
        client.headers.update(request.param)
        yield client


@pytest.fixture
def buyer(stack: Stack, client: httpx.Client) -> Buyer:
    return Buyer(client, new_event(stack))


def set_price(stack: Stack, event: str, price_minor: int, currency: str = "USD") -> None:
    with psycopg.connect(stack.database_url) as conn:
        conn.execute("update events set currency = %s where slug = %s", [currency, event])
        conn.execute(
            "update tiers set price_minor = %s from events where events.id = event_id and slug = %s",
            [price_minor, event],
        )


@pytest.mark.parametrize("written", ["20", "20.0", "2e1", "20.000000000000004", "null"])
def test_the_right_total_books(buyer: Buyer, written: str) -> None:
    body = '{"tier": "GA", "quantity": 2, "userId": "u", "expectedTotal": %s}' % written  # noqa: UP031 - braces
    response = buyer.client.post(
        "/api/bookings",
        params={"event": buyer.event},
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code in {201, 202}, response.text
    assert response.json()["total"] == 20


def test_another_total_is_refused_with_the_present_one_and_books_nothing(buyer: Buyer) -> None:
    for expected in (19.99, 20.01, 0, 10, 20.005):
        body = assert_problem(buyer.book(quantity=2, expectedTotal=expected), 409, "price_changed")
        assert body["total"] == 20
    assert buyer.available_now()["GA"] == 1000


def test_named_seats_have_the_total_of_their_tier(buyer: Buyer) -> None:
    ids = [ticket["id"] for ticket in buyer.tickets(tier="VIP", limit=2)]
    wanted: dict[str, Any] = {"tier": "VIP", "quantity": 2, "ticketIds": ids}
    assert assert_problem(buyer.book(**wanted, expectedTotal=20), 409, "price_changed")["total"] == 200
    assert buyer.book(**wanted, expectedTotal=200).json()["total"] == 200


@pytest.mark.parametrize(
    ("currency", "total", "others"),
    [("RSD", 3751.5, (3751, 3752, 375_150)), ("JPY", 375_150, (3751.5, 375_150.5)), ("KWD", 375.15, (375, 3751.5))],
)
def test_the_total_is_in_the_major_unit_of_the_currency(
    buyer: Buyer, stack: Stack, currency: str, total: float, others: tuple[float, ...]
) -> None:
    set_price(stack, buyer.event, 125_050, currency)
    for other in others:
        refused = buyer.book(quantity=3, expectedTotal=other)
        assert assert_problem(refused, 409, "price_changed")["total"] == total
    assert buyer.book(quantity=3, expectedTotal=total).json()["total"] == total


def test_a_free_order_may_expect_nothing_to_pay(buyer: Buyer, stack: Stack) -> None:
    set_price(stack, buyer.event, 0)
    assert assert_problem(buyer.book(expectedTotal=0.01), 409, "price_changed")["total"] == 0
    assert buyer.book(expectedTotal=0).json()["status"] == "confirmed"


def test_after_a_refusal_the_same_key_books_with_the_new_total(buyer: Buyer, stack: Stack) -> None:
    key = f"key-{buyer.event}"
    set_price(stack, buyer.event, 9_900)
    assert_problem(buyer.book(key=key, expectedTotal=10), 409, "price_changed")
    booked = buyer.book(key=key, expectedTotal=99)
    assert (booked.json()["total"], booked.json()["reference"]) == (99, key)
    assert_problem(buyer.book(key=key, expectedTotal=10), 422, "key_reused")
    assert_problem(buyer.book(key=key), 422, "key_reused")


def test_a_repeat_after_a_price_change_gets_the_same_response(buyer: Buyer, stack: Stack) -> None:
    for expected in ({"expectedTotal": 10}, {}):
        key = f"key-{buyer.event}-{len(expected)}"
        first = buyer.book(key=key, **expected)
        set_price(stack, buyer.event, 9_900)
        repeat = buyer.book(key=key, **expected)
        assert (repeat.status_code, repeat.json()) == (first.status_code, first.json())
        assert repeat.headers["Idempotent-Replayed"] == "true"
        set_price(stack, buyer.event, 1_000)


@pytest.mark.parametrize("written", ["-1", "true", '"20"', "[20]", "{}", "1e999", "-1e999", "9" * 400])
def test_anything_but_an_amount_is_an_invalid_request(buyer: Buyer, written: str) -> None:
    body = '{"tier": "GA", "quantity": 2, "userId": "u", "expectedTotal": %s}' % written  # noqa: UP031 - braces
    response = buyer.client.post("/api/bookings", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "invalid_request", "expectedTotal")


@pytest.mark.parametrize("written", ["1e-999999", "0." + "1" * 10_000])
def test_an_amount_that_no_currency_has_is_another_total(buyer: Buyer, written: str) -> None:
    body = '{"tier": "GA", "quantity": 2, "userId": "u", "expectedTotal": %s}' % written  # noqa: UP031 - braces
    response = buyer.client.post("/api/bookings", content=body, headers={"Content-Type": "application/json"})
    assert_problem(response, 409, "price_changed")


@pytest.mark.parametrize(
    ("currency", "price", "total"),
    [
        ("USD", "9999999999.99", "99999999999.9"),
        ("JPY", "999999999999", "9999999999990"),
        ("KWD", "999999999.999", "9999999999.99"),
        ("CLF", "99999999.9999", "999999999.999"),
    ],
)
def test_the_largest_prices_keep_every_digit(buyer: Buyer, stack: Stack, currency: str, price: str, total: str) -> None:
    set_price(stack, buyer.event, 999_999_999_999, currency)
    refused = buyer.book(quantity=10, expectedTotal=0)
    assert_problem(refused, 409, "price_changed")
    assert f'"total":{total}}}' in refused.text
    booked = buyer.book(quantity=10, expectedTotal=refused.json()["total"])
    assert f'"total":{total},' in booked.text
    assert booked.text.count(f'"price":{price},') == 10
    assert f'"price":{price},' in buyer.client.get(f"/api/events/{buyer.event}").text
