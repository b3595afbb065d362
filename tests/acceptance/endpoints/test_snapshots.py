"""Availability, seat states and events: the responses of snapshots."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api.commands.seed import TierPlan
from tests.acceptance.system import Buyer, assert_problem, buyer_at, time_of
from tests.stack import Stack

AGE_MAX = timedelta(seconds=1)


def test_tiers_come_in_display_order_and_prices_in_the_major_unit(stack: Stack, client: httpx.Client) -> None:
    buyer = buyer_at(
        stack,
        client,
        TierPlan(name="Standing", capacity=3, price_minor=1_250),
        TierPlan(name="Balcony", capacity=2, price_minor=5_000, seats_per_row=2),
        TierPlan(name="Aisle", capacity=1, price_minor=0),
    )
    assert buyer.availability().text == (
        '{"Standing":{"available":3,"total":3,"price":12.5},'
        '"Balcony":{"available":2,"total":2,"price":50},'
        '"Aisle":{"available":1,"total":1,"price":0}}'
    )
    order = buyer.booked(tier="Standing", quantity=2)
    assert (order["total"], [line["price"] for line in order["bookings"]]) == (25, [12.5, 12.5])


def test_counts_have_their_time_and_are_at_most_one_second_old(untouched: Buyer) -> None:
    seen: set[datetime] = set()
    while len(seen) < 3:  # the first snapshot and refreshed ones
        sent_at = datetime.now(UTC)
        as_of = time_of(untouched.availability().headers["X-As-Of"])
        assert sent_at - AGE_MAX - timedelta(milliseconds=1) <= as_of <= datetime.now(UTC)
        seen.add(as_of)


def test_counts_after_a_booking_include_it(buyer: Buyer) -> None:
    for sold in range(1, 6):
        buyer.booked(tier="VIP")
        assert buyer.available_now() == {"VIP": 100 - sold, "Front Row": 200, "GA": 1000}


def test_unchanged_counts_are_not_sent_again(untouched: Buyer) -> None:
    first = untouched.availability()
    again = untouched.availability(**{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert time_of(again.headers["X-As-Of"])
    for response in (first, again):
        assert response.headers["Cache-Control"] == "public, max-age=1"


@pytest.mark.parametrize("etag", ["W/{etag}", '"other", {etag}'])
def test_an_etag_is_compared_weakly_and_within_a_list(untouched: Buyer, etag: str) -> None:
    known = untouched.availability().headers["ETag"]
    assert untouched.availability(**{"If-None-Match": etag.format(etag=known)}).status_code == 304


def test_changed_counts_have_another_etag_and_are_sent(buyer: Buyer) -> None:
    before = buyer.availability().headers["ETag"]
    buyer.booked()
    buyer.available_now()
    response = buyer.availability(**{"If-None-Match": before})
    assert response.status_code == 200
    assert response.headers["ETag"] != before


def test_an_unknown_event_has_no_availability(client: httpx.Client) -> None:
    assert_problem(Buyer(client, "no-such-evening").availability(), 404, "unknown_event")


LIVE = (
    "/api/events",
    "/api/events/{event}",
    "/api/tickets/availability?event={event}",
    "/api/tickets/states?event={event}",
)
"""The endpoints that serve snapshots."""


@pytest.mark.parametrize("path", LIVE)
def test_a_snapshot_has_its_time_and_is_not_sent_again(untouched: Buyer, path: str) -> None:
    address = path.format(event=untouched.event)
    seen: set[datetime] = set()
    while len(seen) < 3:
        sent_at = datetime.now(UTC)
        first = untouched.client.get(address)
        assert first.status_code == 200, first.text
        as_of = time_of(first.headers["X-As-Of"])
        assert sent_at - AGE_MAX - timedelta(milliseconds=1) <= as_of <= datetime.now(UTC)
        seen.add(as_of)
    known = first.headers["ETag"].removeprefix("W/")
    for etag in (known, f"W/{known}", f'"other", {known}', "*"):
        again = untouched.client.get(address, headers={"If-None-Match": etag})
        # Other tests create events at the same time, so the list may have changed.
        if again.headers["ETag"] == first.headers["ETag"]:
            assert (again.status_code, again.content) == (304, b"")
        assert time_of(again.headers["X-As-Of"])
        assert ("X-Event-Revision" in again.headers) == path.startswith("/api/tickets")
        assert again.headers["Cache-Control"] == "public, max-age=1"


def seats_of(buyer: Buyer) -> dict[int, str]:
    """Return the letters of the seats from a snapshot taken after the call."""
    called_at = datetime.now(UTC)
    while True:
        response = buyer.client.get("/api/tickets/states", params={"event": buyer.event})
        if time_of(response.headers["X-As-Of"]) > called_at:
            rows = response.json()["rows"]
            return {seat: letter for row in rows for seat, letter in zip(row["ids"], row["states"], strict=True)}


def test_seats_change_after_a_booking_and_a_cancellation(buyer: Buyer) -> None:
    order = buyer.booked(tier="VIP", quantity=3)
    taken = {line["ticketId"] for line in order["bookings"]}
    seats = seats_of(buyer)
    assert len(seats) == 300
    assert {seat for seat, letter in seats.items() if letter == "s"} == taken
    cancel = f"/api/bookings/{order['reference']}/cancel"
    assert buyer.client.post(cancel, json={"userId": "user-123"}).status_code == 200
    assert set(seats_of(buyer).values()) == {"a"}


def test_an_event_is_sold_out_once_its_last_ticket_is_sold(stack: Stack, client: httpx.Client) -> None:
    buyer = buyer_at(stack, client, TierPlan(name="GA", capacity=1, price_minor=1_250))

    def state() -> str:
        called_at = datetime.now(UTC)
        while True:
            response = client.get(f"/api/events/{buyer.event}")
            assert response.json()["priceFrom"] == 12.5
            if time_of(response.headers["X-As-Of"]) > called_at:
                return str(response.json()["state"])

    assert state() == "on_sale"
    buyer.booked()
    assert state() == "sold_out"


def test_a_seat_map_is_compressed_for_clients_that_accept_gzip(untouched: Buyer) -> None:
    path, event = "/api/tickets/states", {"event": untouched.event}
    plain = untouched.client.get(path, params=event, headers={"Accept-Encoding": "identity"})
    small = untouched.client.get(path, params=event, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert small.json() == plain.json()
    assert small.headers["ETag"] == plain.headers["ETag"]
    assert small.headers["ETag"].startswith("W/")  # one ETag for the compressed and the plain body
