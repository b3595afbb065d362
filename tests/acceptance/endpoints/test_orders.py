"""The lookup of an order, and the list of a buyer's orders."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from api.commands.seed import TierPlan
from tests.acceptance.system import Buyer, assert_problem, buyer_at, time_of
from tests.stack import Stack

SMALL = (TierPlan(name="GA", capacity=20, price_minor=1_000),)


@pytest.mark.parametrize("wanted", [{"quantity": 3}, {"tier": "VIP", "quantity": 2}], ids=["standing", "seated"])
def test_a_booking_is_found_by_its_reference(buyer: Buyer, wanted: dict[str, Any]) -> None:
    order = buyer.booked(**wanted)
    response = buyer.client.get(f"/api/bookings/{order['reference']}")
    assert (response.status_code, response.json()) == (200, order)
    assert response.headers["Cache-Control"] == "no-store"


def test_a_booking_has_its_event_and_the_database_s_time(buyer: Buyer) -> None:
    order = buyer.booked()
    assert (order["event"], order["paidLate"]) == (buyer.event, False)
    sent_at = datetime.now(UTC)
    response = buyer.client.get(f"/api/bookings/{order['reference']}")
    millisecond = timedelta(milliseconds=1)
    assert sent_at - millisecond <= time_of(response.headers["X-As-Of"]) <= datetime.now(UTC)
    cancelled = buyer.client.post(f"/api/bookings/{order['reference']}/cancel", json={"userId": "user-123"})
    assert cancelled.json()["event"] == buyer.event


def test_an_unknown_reference_is_not_found(client: httpx.Client) -> None:
    assert_problem(client.get("/api/bookings/bk_nobody-has-this"), 404, "not_found")


def test_a_buyers_bookings_are_listed_newest_first_page_by_page(buyer: Buyer) -> None:
    user = f"user & friends of {buyer.event}"
    orders = [buyer.booked(userId=user, quantity=1 + number % 3) for number in range(7)]
    buyer.booked(userId=f"{user}, another")

    walked: list[dict[str, Any]] = []
    sizes: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = buyer.client.get("/api/bookings", params={"userId": user, "limit": "3", **cursor}).json()
        assert list(page) == ["orders", "next"]
        walked += page["orders"]
        sizes.append(len(page["orders"]))
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sizes == [3, 3, 1]
    assert walked == orders[::-1]


def test_a_full_last_page_has_no_next_one(buyer: Buyer) -> None:
    user = f"user of {buyer.event}"
    orders = [buyer.booked(userId=user) for _ in range(2)]
    page = buyer.client.get("/api/bookings", params={"userId": user, "limit": "2"}).json()
    assert page == {"orders": orders[::-1], "next": None}


def test_a_buyer_without_bookings_has_an_empty_list(client: httpx.Client) -> None:
    page = client.get("/api/bookings", params={"userId": "nobody"})
    assert (page.status_code, page.json()) == (200, {"orders": [], "next": None})


def listed(client: httpx.Client, user: str, limit: int = 100, **parameters: str) -> list[str]:
    """Return the references of a buyer's bookings, page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        response = client.get("/api/bookings", params={"userId": user, "limit": str(limit), **parameters, **cursor})
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["orders"]) == limit or page["next"] is None
        found += [order["reference"] for order in page["orders"]]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def test_bookings_are_listed_by_their_state_and_their_event_s_time(stack: Stack, client: httpx.Client) -> None:
    tomorrow, yesterday = buyer_at(stack, client, *SMALL), buyer_at(stack, client, *SMALL)
    user = f"regular of {tomorrow.event}"
    made: dict[str, list[str]] = {"upcoming": [], "past": [], "cancelled": []}
    for number in range(15):  # alternately, so that each page skips others
        kind = list(made)[number % 3]
        buyer = yesterday if kind == "past" or number % 2 else tomorrow
        buyer = tomorrow if kind == "upcoming" else buyer
        reference = buyer.booked(userId=user)["reference"]
        if kind == "cancelled":
            client.post(f"/api/bookings/{reference}/cancel", json={"userId": user})
        made[kind].insert(0, reference)
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute("update events set starts_at = now() - interval '1 day' where slug = %s", [yesterday.event])
    for kind, references in made.items():
        for limit in (1, 2, 5, 100):
            assert listed(client, user, limit, show=kind) == references, (kind, limit)
    assert sorted(listed(client, user, 4)) == sorted(itertools.chain(*made.values()))
    refusal = client.get("/api/bookings", params={"userId": user, "show": "everything"})
    assert_problem(refusal, 400, "invalid_request", field="show")


def test_a_declined_booking_is_listed_with_the_cancelled_ones(declined_buyer: Buyer) -> None:
    declined_buyer.book(key="declined-and-listed", userId="unlucky")
    shown = {kind: listed(declined_buyer.client, "unlucky", show=kind) for kind in ("upcoming", "past", "cancelled")}
    assert shown == {"upcoming": [], "past": [], "cancelled": ["declined-and-listed"]}
