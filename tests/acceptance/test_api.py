"""The API's HTTP contract, tested against real processes with a real database."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import icalendar
import psycopg
import pytest

from api.__main__ import main
from api.commands.seed import TierPlan
from api.config import TICKET_SECRET, Settings
from api.database.embedded import EmbeddedServer
from api.schemas import BUILT_IN_EVENT
from api.secret import load_or_create_secret
from api.services import codes
from api.services.tickets import PAGE_TICKETS
from tests.acceptance.system import (
    SECURITY_HEADERS,
    BoxOffice,
    assert_problem,
    client_of,
    new_event,
    running_system,
    time_of,
)
from tests.stack import Stack, eventually

pytestmark = pytest.mark.xdist_group("api")

AGE_MAX = timedelta(seconds=1)
TIMES = {b"date", b"x-as-of"}
SMALL = (TierPlan(name="GA", capacity=20, price_minor=1_000),)
FOREIGN_ORIGIN = "https://elsewhere.example"


@pytest.fixture(scope="module")
def stack(server: EmbeddedServer) -> Iterator[Stack]:
    with running_system(server, API_WORKERS="2") as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with client_of(stack) as client:
        yield client


@pytest.fixture
def office(stack: Stack, client: httpx.Client) -> BoxOffice:
    """The box office of an event without sales."""
    return BoxOffice(client, new_event(stack))


@pytest.fixture(scope="module")
def untouched(stack: Stack, client: httpx.Client) -> BoxOffice:
    """The same, for tests that only read."""
    return BoxOffice(client, new_event(stack))


def office_of(stack: Stack, client: httpx.Client, *inventory: TierPlan) -> BoxOffice:
    return BoxOffice(client, new_event(stack, inventory))


def set_sale(stack: Stack, event: str, start: str, end: str | None = None) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute(
            "update events set sales_start_at = %s, sales_end_at = %s where slug = %s",
            [start, end, event],
        )


# --- The contract's examples, without naming the event ---------------------------------------------------


def test_requests_without_an_event_use_the_built_in_one(client: httpx.Client) -> None:
    def counts() -> dict[str, int]:
        return BoxOffice(client).available_now()

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
    }
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


# --- Availability ----------------------------------------------------------------------------------------


def test_tiers_come_in_display_order_and_prices_in_the_major_unit(stack: Stack, client: httpx.Client) -> None:
    office = office_of(
        stack,
        client,
        TierPlan(name="Standing", capacity=3, price_minor=1_250),
        TierPlan(name="Balcony", capacity=2, price_minor=5_000, seats_per_row=2),
        TierPlan(name="Aisle", capacity=1, price_minor=0),
    )
    assert office.availability().text == (
        '{"Standing":{"available":3,"total":3,"price":12.5},'
        '"Balcony":{"available":2,"total":2,"price":50},'
        '"Aisle":{"available":1,"total":1,"price":0}}'
    )
    order = office.booked(tier="Standing", quantity=2)
    assert (order["total"], [line["price"] for line in order["bookings"]]) == (25, [12.5, 12.5])


def test_counts_have_their_time_and_are_at_most_one_second_old(untouched: BoxOffice) -> None:
    seen: set[datetime] = set()
    while len(seen) < 3:  # the first snapshot and refreshed ones
        sent_at = datetime.now(UTC)
        as_of = time_of(untouched.availability().headers["X-As-Of"])
        assert sent_at - AGE_MAX - timedelta(milliseconds=1) <= as_of <= datetime.now(UTC)
        seen.add(as_of)


def test_counts_after_a_booking_include_it(office: BoxOffice) -> None:
    for sold in range(1, 6):
        office.booked(tier="VIP")
        assert office.available_now() == {"VIP": 100 - sold, "Front Row": 200, "GA": 1000}


def test_unchanged_counts_are_not_sent_again(untouched: BoxOffice) -> None:
    first = untouched.availability()
    again = untouched.availability(**{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert time_of(again.headers["X-As-Of"])
    for response in (first, again):
        assert response.headers["Cache-Control"] == "public, max-age=1"


@pytest.mark.parametrize("etag", ["W/{etag}", '"other", {etag}'])
def test_an_etag_is_compared_weakly_and_within_a_list(untouched: BoxOffice, etag: str) -> None:
    known = untouched.availability().headers["ETag"]
    assert untouched.availability(**{"If-None-Match": etag.format(etag=known)}).status_code == 304


def test_changed_counts_have_another_etag_and_are_sent(office: BoxOffice) -> None:
    before = office.availability().headers["ETag"]
    office.booked()
    office.available_now()
    response = office.availability(**{"If-None-Match": before})
    assert response.status_code == 200
    assert response.headers["ETag"] != before


def test_an_unknown_event_has_no_availability(client: httpx.Client) -> None:
    assert_problem(BoxOffice(client, "no-such-evening").availability(), 404, "unknown_event")


# --- Events and states -----------------------------------------------------------------------------------

LIVE = (
    "/api/events",
    "/api/events/{event}",
    "/api/tickets/availability?event={event}",
    "/api/tickets/states?event={event}",
)
"""The endpoints that serve snapshots."""


@pytest.mark.parametrize("path", LIVE)
def test_a_snapshot_has_its_time_and_is_not_sent_again(untouched: BoxOffice, path: str) -> None:
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
        # Other tests create events meanwhile, so the list may have changed.
        if again.headers["ETag"] == first.headers["ETag"]:
            assert (again.status_code, again.content) == (304, b"")
        assert time_of(again.headers["X-As-Of"])
        assert again.headers["Cache-Control"] == "public, max-age=1"


def seats_of(office: BoxOffice) -> dict[int, str]:
    """Return the letters of the seats from a snapshot taken after the call."""
    called_at = datetime.now(UTC)
    while True:
        response = office.client.get("/api/tickets/states", params={"event": office.event})
        if time_of(response.headers["X-As-Of"]) > called_at:
            rows = response.json()["rows"]
            return {seat: letter for row in rows for seat, letter in zip(row["ids"], row["states"], strict=True)}


def test_seats_change_after_a_booking_and_a_cancellation(office: BoxOffice) -> None:
    order = office.booked(tier="VIP", quantity=3)
    taken = {line["ticketId"] for line in order["bookings"]}
    seats = seats_of(office)
    assert len(seats) == 300
    assert {seat for seat, letter in seats.items() if letter == "s"} == taken
    cancel = f"/api/bookings/{order['reference']}/cancel"
    assert office.client.post(cancel, json={"userId": "user-123"}).status_code == 200
    assert set(seats_of(office).values()) == {"a"}


def test_an_event_is_sold_out_once_its_last_ticket_is_sold(stack: Stack, client: httpx.Client) -> None:
    office = office_of(stack, client, TierPlan(name="GA", capacity=1, price_minor=1_250))

    def state() -> str:
        called_at = datetime.now(UTC)
        while True:
            response = client.get(f"/api/events/{office.event}")
            assert response.json()["priceFrom"] == 12.5
            if time_of(response.headers["X-As-Of"]) > called_at:
                return str(response.json()["state"])

    assert state() == "on_sale"
    office.booked()
    assert state() == "sold_out"


def test_a_seat_map_is_compressed_for_clients_that_accept_gzip(untouched: BoxOffice) -> None:
    path, event = "/api/tickets/states", {"event": untouched.event}
    plain = untouched.client.get(path, params=event, headers={"Accept-Encoding": "identity"})
    small = untouched.client.get(path, params=event, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
    assert small.json() == plain.json()
    assert small.headers["ETag"] == plain.headers["ETag"]
    assert small.headers["ETag"].startswith("W/")  # one ETag for the compressed and the plain body


# --- Tickets ---------------------------------------------------------------------------------------------


def test_every_available_ticket_is_listed_by_id_with_its_seat(untouched: BoxOffice) -> None:
    tickets = untouched.tickets()
    assert all(list(ticket) == ["id", "tier", "price", "row", "seat"] for ticket in tickets)
    ids = [ticket["id"] for ticket in tickets]
    assert ids == sorted(set(ids))

    def places(tier: str) -> list[tuple[str | None, int | None]]:
        return [(ticket["row"], ticket["seat"]) for ticket in tickets if ticket["tier"] == tier]

    assert places("VIP") == [(row, seat) for row in "ABCDE" for seat in range(1, 21)]
    assert places("Front Row") == [(row, seat) for row in "FGHIJKLMNO" for seat in range(1, 21)]
    assert places("GA") == [(None, None)] * 1000
    assert {(ticket["tier"], ticket["price"]) for ticket in tickets} == {("VIP", 100), ("Front Row", 50), ("GA", 10)}


@pytest.mark.parametrize("tier", ["VIP", "Front Row", "GA"])
def test_tickets_can_be_filtered_by_tier(untouched: BoxOffice, tier: str) -> None:
    assert untouched.tickets(tier=tier) == [ticket for ticket in untouched.tickets() if ticket["tier"] == tier]


@pytest.mark.parametrize("parameters", [{"limit": 1}, {"limit": 150}, {"limit": 1300}, {"tier": "VIP", "limit": 7}])
def test_a_limited_list_is_the_beginning_of_the_full_list(untouched: BoxOffice, parameters: dict[str, Any]) -> None:
    limit = parameters["limit"]
    everything = untouched.tickets(**{name: value for name, value in parameters.items() if name != "limit"})
    assert untouched.tickets(**parameters) == everything[:limit]


@pytest.mark.parametrize("limit", [1300, 500, 130])
def test_paging_walks_through_all_tickets_once(untouched: BoxOffice, limit: int) -> None:
    walked: list[dict[str, Any]] = []
    while page := untouched.tickets(limit=limit, after=walked[-1]["id"] if walked else 0):
        assert len(page) <= limit
        walked += page
    assert walked == untouched.tickets()


def test_a_sold_ticket_is_not_listed(office: BoxOffice) -> None:
    before = office.tickets()
    sold = {line["ticketId"] for line in office.booked(tier="VIP", quantity=3)["bookings"]}
    assert office.tickets() == [ticket for ticket in before if ticket["id"] not in sold]


# --- Booking ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["VIP", "Front Row"])
@pytest.mark.parametrize("quantity", [1, 2, 5, 10])
def test_seats_booked_together_are_neighbours_in_one_row(office: BoxOffice, tier: str, quantity: int) -> None:
    for _ in range(3):
        lines = office.booked(tier=tier, quantity=quantity)["bookings"]
        first = lines[0]["seat"]
        assert len({line["row"] for line in lines}) == 1
        assert [line["seat"] for line in lines] == list(range(first, first + quantity))


def test_a_standing_ticket_has_no_seat(office: BoxOffice) -> None:
    lines = office.booked(tier="GA", quantity=10)["bookings"]
    assert [(line["row"], line["seat"], line["price"]) for line in lines] == [(None, None, 10)] * 10


@pytest.mark.parametrize(("tier", "picked"), [("VIP", [0, 25, 99]), ("GA", [7])])
def test_chosen_tickets_are_the_ones_booked(office: BoxOffice, tier: str, picked: list[int]) -> None:
    tickets = office.tickets(tier=tier)
    wanted = [tickets[number] for number in picked]
    ids = [ticket["id"] for ticket in wanted]
    lines = office.booked(tier=tier, quantity=len(ids), ticketIds=ids)["bookings"]
    booked = [(line["ticketId"], line["row"], line["seat"]) for line in lines]
    assert sorted(booked) == sorted((ticket["id"], ticket["row"], ticket["seat"]) for ticket in wanted)


@pytest.mark.parametrize("tier", ["VIP", "GA"])
def test_chosen_tickets_are_booked_together_or_the_taken_ones_are_named(office: BoxOffice, tier: str) -> None:
    free, taken, also_free, also_taken = [ticket["id"] for ticket in office.tickets(tier=tier, limit=4)]
    office.booked(tier=tier, quantity=2, ticketIds=[taken, also_taken])
    refusal = office.book(tier=tier, quantity=4, ticketIds=[free, taken, also_free, also_taken])
    body = assert_problem(refusal, 409, "seat_taken")
    assert sorted(body["ticketIds"]) == [taken, also_taken]
    assert {free, also_free} <= {ticket["id"] for ticket in office.tickets(tier=tier)}


def test_a_taken_seat_is_named_as_it_is_printed_on_the_ticket(office: BoxOffice) -> None:
    (ticket,) = office.tickets(tier="VIP", limit=1)
    office.booked(tier="VIP", ticketIds=[ticket["id"]])
    body = assert_problem(office.book(tier="VIP", ticketIds=[ticket["id"]]), 409, "seat_taken")
    assert "row A seat 1" in body["message"]


@pytest.mark.parametrize("seats_per_row", [0, 20])
def test_a_shortage_names_the_remaining_number_and_sells_nothing(
    stack: Stack, client: httpx.Client, seats_per_row: int
) -> None:
    plan = TierPlan(name="Last", capacity=3, price_minor=1_000, seats_per_row=seats_per_row)
    office = office_of(stack, client, plan)
    for left in (3, 2, 1, 0):
        body = assert_problem(office.book(tier="Last", quantity=left + 1), 409, "sold_out")
        assert body["available"] == left
        assert len(office.tickets()) == left
        if left:
            office.booked(tier="Last")


def test_separate_seats_are_sold_when_no_adjacent_ones_are_left(stack: Stack, client: httpx.Client) -> None:
    office = office_of(stack, client, TierPlan(name="Row", capacity=3, price_minor=1_000, seats_per_row=3))
    left, middle, right = [ticket["id"] for ticket in office.tickets()]
    office.booked(tier="Row", ticketIds=[middle])
    lines = office.booked(tier="Row", quantity=2)["bookings"]
    assert {line["ticketId"] for line in lines} == {left, right}


def test_a_booking_of_an_unknown_event_is_refused(client: httpx.Client) -> None:
    assert_problem(BoxOffice(client, "no-such-evening").book(), 404, "unknown_event")


@pytest.mark.parametrize(
    ("start", "end"),
    [("2200-01-01T00:00:00Z", None), ("2200-01-01T00:00:00Z", "2200-02-01T00:00:00Z"), ("2000-01-01", "2000-02-01")],
)
def test_outside_the_sales_window_nothing_is_sold(office: BoxOffice, stack: Stack, start: str, end: str | None) -> None:
    set_sale(stack, office.event, start, end)
    (chosen,) = office.tickets(tier="VIP", limit=1)
    for wanted in ({"tier": "GA"}, {"tier": "VIP"}, {"tier": "VIP", "ticketIds": [chosen["id"]]}):
        assert_problem(office.book(**wanted), 409, "not_on_sale")
    assert len(office.tickets()) == 1300


# --- Repeats ---------------------------------------------------------------------------------------------


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
def test_a_clients_own_key_is_the_bookings_reference(
    office: BoxOffice, key: str | None, wanted: dict[str, str]
) -> None:
    own = f"Order_{office.event}.~:+=@"
    order = office.booked(key=key and key.format(own), **{name: text.format(own) for name, text in wanted.items()})
    assert order["reference"] == own
    assert order["bookings"][0]["bookingReference"] == f"{own}-1"


def test_two_different_keys_are_refused(office: BoxOffice) -> None:
    response = office.book(key="one", bookingReference="other")
    assert_problem(response, 400, "invalid_request", field="Idempotency-Key")
    assert len(office.tickets()) == 1300


@pytest.mark.parametrize("wanted", [{"quantity": 3}, {"tier": "VIP", "quantity": 2}], ids=["standing", "seated"])
def test_a_repeat_gets_the_same_response_and_books_once(office: BoxOffice, wanted: dict[str, Any]) -> None:
    key = f"{office.event}-repeat"
    first = office.book(key=key, **wanted)
    assert "Idempotent-Replayed" not in first.headers
    repeats = [office.book(key=key, **wanted) for _ in range(3)]
    repeats.append(office.book(bookingReference=key, **wanted))
    for repeat in repeats:
        assert (repeat.status_code, repeat.content) == (201, first.content)
        assert repeat.headers["Idempotent-Replayed"] == "true"
    assert len(office.tickets()) == 1300 - wanted["quantity"]


def test_requests_without_a_key_are_separate_bookings(office: BoxOffice) -> None:
    first, second = office.booked(), office.booked()
    assert first["reference"] != second["reference"]
    assert len(office.tickets()) == 1298


@pytest.mark.parametrize(
    "changed", [{"tier": "VIP"}, {"quantity": 2}, {"userId": "user-456"}, {"ticketIds": "one"}], ids=str
)
def test_a_key_with_another_body_is_refused(office: BoxOffice, changed: dict[str, Any]) -> None:
    if "ticketIds" in changed:
        changed = {"ticketIds": [office.tickets(tier="GA", limit=1)[0]["id"]]}
    key = f"{office.event}-reused"
    first = office.book(key=key)
    assert_problem(office.book(key=key, **changed), 422, "key_reused")
    assert office.book(key=key).content == first.content
    assert len(office.tickets()) == 1299


def test_a_refusal_that_created_nothing_is_forgotten(office: BoxOffice, stack: Stack) -> None:
    key = f"{office.event}-early"
    set_sale(stack, office.event, "2200-01-01")
    assert_problem(office.book(key=key), 409, "not_on_sale")
    set_sale(stack, office.event, "2000-01-01")
    response = office.book(key=key)
    assert response.status_code == 201
    assert "Idempotent-Replayed" not in response.headers


def test_a_refused_key_may_request_other_tickets(office: BoxOffice) -> None:
    taken, free = [ticket["id"] for ticket in office.tickets(tier="VIP", limit=2)]
    office.booked(tier="VIP", ticketIds=[taken])
    key = f"{office.event}-second-choice"
    assert_problem(office.book(key=key, tier="VIP", ticketIds=[taken]), 409, "seat_taken")
    assert office.booked(key=key, tier="VIP", ticketIds=[free])["reference"] == key


@pytest.fixture(scope="module")
def declining_office(server: EmbeddedServer) -> Iterator[BoxOffice]:
    """The box office of a system that declines every payment."""
    with running_system(server, PAYMENT_SUCCESS_RATE="0") as stack, client_of(stack) as client:
        yield BoxOffice(client)


@pytest.mark.parametrize("wanted", [{"quantity": 2}, {"tier": "VIP", "quantity": 2}], ids=["standing", "seated"])
def test_a_declined_payment_sells_nothing_and_is_remembered(
    declining_office: BoxOffice, wanted: dict[str, Any]
) -> None:
    office, key = declining_office, f"declined-{len(wanted)}"
    first = office.book(key=key, **wanted)
    assert_problem(first, 402, "payment_declined")
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(3):
        repeat = office.book(key=key, **wanted)
        assert_problem(repeat, 402, "payment_declined")
        assert repeat.content == first.content
        assert repeat.headers["Idempotent-Replayed"] == "true"
    assert_problem(office.book(key=key, userId="user-456", **wanted), 422, "key_reused")
    assert office.available_now() == {"VIP": 100, "Front Row": 200, "GA": 1000}
    assert len(office.tickets()) == 1300


def test_a_declined_booking_has_the_status_declined(declining_office: BoxOffice) -> None:
    declining_office.book(key="declined-and-shown")
    order = declining_office.client.get("/api/bookings/declined-and-shown").json()
    assert (order["success"], order["status"], order["bookings"]) == (False, "declined", [])


def test_tickets_of_a_declined_payment_can_be_chosen_again(declining_office: BoxOffice) -> None:
    (ticket,) = declining_office.tickets(tier="VIP", limit=1)
    for _ in range(2):
        assert_problem(declining_office.book(tier="VIP", ticketIds=[ticket["id"]]), 402, "payment_declined")


# --- Lookup and lists ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [{"quantity": 3}, {"tier": "VIP", "quantity": 2}], ids=["standing", "seated"])
def test_a_booking_is_found_by_its_reference(office: BoxOffice, wanted: dict[str, Any]) -> None:
    order = office.booked(**wanted)
    response = office.client.get(f"/api/bookings/{order['reference']}")
    assert (response.status_code, response.json()) == (200, order)
    assert response.headers["Cache-Control"] == "no-store"


def test_a_booking_has_its_event_and_the_database_s_time(office: BoxOffice) -> None:
    order = office.booked()
    assert (order["event"], order["paidLate"]) == (office.event, False)
    sent_at = datetime.now(UTC)
    response = office.client.get(f"/api/bookings/{order['reference']}")
    millisecond = timedelta(milliseconds=1)
    assert sent_at - millisecond <= time_of(response.headers["X-As-Of"]) <= datetime.now(UTC)
    cancelled = office.client.post(f"/api/bookings/{order['reference']}/cancel", json={"userId": "user-123"})
    assert cancelled.json()["event"] == office.event


def test_an_unknown_reference_is_not_found(client: httpx.Client) -> None:
    assert_problem(client.get("/api/bookings/bk_nobody-has-this"), 404, "not_found")


def test_a_buyers_bookings_are_listed_newest_first_page_by_page(office: BoxOffice) -> None:
    user = f"user & friends of {office.event}"
    orders = [office.booked(userId=user, quantity=1 + number % 3) for number in range(7)]
    office.booked(userId=f"{user}, another")

    walked: list[dict[str, Any]] = []
    sizes: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = office.client.get("/api/bookings", params={"userId": user, "limit": "3", **cursor}).json()
        assert list(page) == ["orders", "next"]
        walked += page["orders"]
        sizes.append(len(page["orders"]))
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sizes == [3, 3, 1]
    assert walked == orders[::-1]


def test_a_full_last_page_has_no_next_one(office: BoxOffice) -> None:
    user = f"user of {office.event}"
    orders = [office.booked(userId=user) for _ in range(2)]
    page = office.client.get("/api/bookings", params={"userId": user, "limit": "2"}).json()
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
    tomorrow, yesterday = office_of(stack, client, *SMALL), office_of(stack, client, *SMALL)
    user = f"regular of {tomorrow.event}"
    made: dict[str, list[str]] = {"upcoming": [], "past": [], "cancelled": []}
    for number in range(15):  # alternately, so that each page skips others
        kind = list(made)[number % 3]
        office = yesterday if kind == "past" or number % 2 else tomorrow
        office = tomorrow if kind == "upcoming" else office
        reference = office.booked(userId=user)["reference"]
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


def test_a_declined_booking_is_listed_with_the_cancelled_ones(declining_office: BoxOffice) -> None:
    declining_office.book(key="declined-and-listed", userId="unlucky")
    shown = {kind: listed(declining_office.client, "unlucky", show=kind) for kind in ("upcoming", "past", "cancelled")}
    assert shown == {"upcoming": [], "past": [], "cancelled": ["declined-and-listed"]}


# --- Ticket codes and calendar files ---------------------------------------------------------------------


def test_each_ticket_of_a_confirmed_booking_has_the_image_of_its_code(
    stack: Stack, office: BoxOffice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = office.booked(tier="VIP", quantity=2)
    settings = Settings.from_env(stack.environment)
    secret = load_or_create_secret(settings, TICKET_SECRET)
    monkeypatch.setenv("DATABASE_URL", stack.database_url)
    monkeypatch.setenv("DATA_DIR", stack.environment["DATA_DIR"])
    for number, line in enumerate(order["bookings"], start=1):
        response = office.client.get(f"/api/bookings/{order['reference']}/tickets/{number}.svg")
        code = codes.sign(secret, line["id"], line["bookingReference"])
        assert (response.status_code, response.content) == (200, codes.draw(code))
        assert response.headers["Content-Type"] == "image/svg+xml"
        assert response.headers["Cache-Control"] == "no-store"
        assert main(["check", code]) == 0
        printed = capsys.readouterr().out
        assert line["bookingReference"] in printed
        assert f"row {line['row']}, seat {line['seat']}" in printed


@pytest.mark.parametrize("file", ["0.svg", "3.svg", "01.svg", "-1.svg", "100000.svg", "1", "1.png", "1.svg.svg", "%31"])
def test_a_ticket_outside_a_booking_has_no_image(office: BoxOffice, file: str) -> None:
    order = office.booked(quantity=2)
    assert_problem(office.client.get(f"/api/bookings/{order['reference']}/tickets/{file}"), 404, "not_found")


def test_a_confirmed_booking_has_a_calendar_file(office: BoxOffice) -> None:
    order = office.booked(tier="VIP", quantity=2)
    response = office.client.get(f"/api/bookings/{order['reference']}/calendar.ics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{office.event}.ics"'
    (entry,) = icalendar.Calendar.from_ical(response.content).walk("VEVENT")
    assert entry["UID"] == f"{order['reference']}@concert-tickets"
    for line in order["bookings"]:
        assert f"row {line['row']} seat {line['seat']}" in str(entry["DESCRIPTION"])


@pytest.mark.parametrize("path", ["tickets/1.svg", "calendar.ics"])
def test_an_unconfirmed_booking_has_no_codes_and_no_calendar_file(
    office: BoxOffice, declining_office: BoxOffice, path: str
) -> None:
    reference = office.booked()["reference"]
    assert office.client.get(f"/api/bookings/{reference}/{path}").status_code == 200
    office.client.post(f"/api/bookings/{reference}/cancel", json={"userId": "user-123"})
    declining_office.book(key=f"nothing-{path[0]}")
    for client, address in (
        (office.client, f"/api/bookings/{reference}/{path}"),
        (declining_office.client, f"/api/bookings/nothing-{path[0]}/{path}"),
        (office.client, f"/api/bookings/bk_nobody-has-this/{path}"),
        (office.client, f"/api/bookings/not%20a%20reference/{path}"),
    ):
        assert_problem(client.get(address), 404, "not_found")


# --- Health, compression and headers ---------------------------------------------------------------------


def test_a_healthy_system_is_live_and_ready(client: httpx.Client) -> None:
    live, ready = client.get("/health/live"), client.get("/health/ready")
    assert (live.status_code, live.json()["status"]) == (200, "live")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_a_database_without_its_migrations_is_not_ready(stack: Stack, client: httpx.Client) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute("alter table migrations rename to migrations_away")
        try:
            response = client.get("/health/ready")
        finally:
            conn.execute("alter table migrations_away rename to migrations")
    assert response.status_code == 503
    assert "migrations are missing: 0001" in response.json()["reason"]
    assert client.get("/health/ready").status_code == 200


def test_a_list_of_events_that_cannot_be_read_is_not_ready(stack: Stack, client: httpx.Client) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute("alter table events rename column venue to venue_away")
        try:
            assert eventually(lambda: client.get("/health/ready").status_code == 503)
            assert client.get("/health/ready").json()["reason"] == "the list of events cannot be read"
        finally:
            conn.execute("alter table events rename column venue_away to venue")
    assert eventually(lambda: client.get("/health/ready").status_code == 200)


def test_the_state_of_the_system_is_reported(client: httpx.Client) -> None:
    response = client.get("/health/system")
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json() == {
        "status": "degraded",
        "problems": ["no worker runs"],
        "workerAgeSeconds": None,
        "workers": [],
        "overdueHolds": 0,
        "standbys": [],
        "missingMigrations": [],
    }
    assert "\noverdue_holds 0.0\n" in client.get("/metrics").text


def test_a_large_response_is_compressed_for_clients_that_accept_gzip(untouched: BoxOffice) -> None:
    def tickets(encoding: str) -> httpx.Response:
        return untouched.client.get(
            "/api/tickets", params={"event": untouched.event}, headers={"Accept-Encoding": encoding}
        )

    compressed, plain = tickets("gzip"), tickets("identity")
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    assert compressed.json() == plain.json()
    assert int(compressed.headers["Content-Length"]) * 5 < int(plain.headers["Content-Length"])


@pytest.mark.parametrize("size", [PAGE_TICKETS, PAGE_TICKETS + 1, 2 * PAGE_TICKETS, 2 * PAGE_TICKETS + 7])
def test_a_list_of_many_pages_is_one_array_of_each_ticket_once(stack: Stack, client: httpx.Client, size: int) -> None:
    floor = TierPlan(name="Floor", capacity=size, price_minor=1_000)
    office = office_of(stack, client, TierPlan(name="Stage", capacity=3, price_minor=2_000), floor)
    ids = [ticket["id"] for ticket in office.tickets()]
    assert ids == sorted(set(ids))
    assert len(ids) == size + 3
    assert [ticket["id"] for ticket in office.tickets(tier="Floor")] == ids[3:]
    assert [ticket["id"] for ticket in office.tickets(after=ids[1], limit=size)] == ids[2 : size + 2]


def test_a_client_that_stops_reading_a_long_list_blocks_no_other(stack: Stack, client: httpx.Client) -> None:
    office = office_of(stack, client, TierPlan(name="Floor", capacity=20 * PAGE_TICKETS, price_minor=1_000))
    for _ in range(10):  # more than the pool's connections
        with client.stream("GET", "/api/tickets", params={"event": office.event}) as response:
            assert response.headers["Content-Type"] == "application/json"
            assert next(response.iter_bytes()).startswith(b"[{")
            assert office.availability().status_code == 200
    assert len(office.tickets()) == 20 * PAGE_TICKETS


@pytest.mark.parametrize("path", ["/api/tickets/availability", "/api/tickets?limit=1", "/health/live", "/no/such/path"])
def test_a_small_response_is_not_compressed(client: httpx.Client, path: str) -> None:
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/tickets/availability", 200),
        ("GET", "/api/tickets", 200),
        ("GET", "/api/bookings?userId=nobody", 200),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/schema", 200),
        ("GET", "/schema/openapi.json", 200),
        ("GET", "/api/bookings", 400),
        ("POST", "/api/bookings", 400),
        ("GET", "/api/bookings/nobody-has-this", 404),
        ("GET", "/api/bookings/nobody-has-this/tickets/1.svg", 404),
        ("GET", "/api/bookings/nobody-has-this/calendar.ics", 404),
        ("GET", "/no/such/path", 404),
        ("DELETE", "/api/bookings", 405),
    ],
)
def test_every_response_has_the_security_headers(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def preflight(client: httpx.Client, origin: str) -> httpx.Response:
    return client.options(
        "/api/bookings",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,idempotency-key",
        },
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_web_app_may_call_from_its_origin(stack: Stack, client: httpx.Client, host: str) -> None:
    origin = f"http://{host}:{stack.web_port}"
    preflighted = preflight(client, origin)
    assert preflighted.is_success
    assert preflighted.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in preflighted.headers["Access-Control-Allow-Methods"]
    allowed = preflighted.headers["Access-Control-Allow-Headers"].lower()
    assert {"content-type", "idempotency-key"} <= {name.strip() for name in allowed.split(",")}
    reference = BoxOffice(client).booked()["reference"]
    for response in (
        client.get("/api/tickets/availability", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}/tickets/1.svg", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}/calendar.ics", headers={"Origin": origin}),
        client.post("/api/bookings", content=b"", headers={"Origin": origin}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in response.headers["Vary"]
        exposed = {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed >= {"ETag", "X-As-Of", "Retry-After", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy"}
        assert "Content-Disposition" in exposed


def test_a_page_of_a_foreign_origin_may_not_call(client: httpx.Client) -> None:
    responses = [preflight(client, FOREIGN_ORIGIN)]
    responses += [client.get(path, headers={"Origin": FOREIGN_ORIGIN}) for path in ("/api/tickets", "/no/such/path")]
    assert all("Access-Control-Allow-Origin" not in response.headers for response in responses)
    assert not responses[0].is_success


def test_a_name_is_returned_unchanged(office: BoxOffice) -> None:
    for user in ("Zoë & Søn", "票", "🎫" * 64, 'a"b\\c', "x" * 128, "</script>", "%s %(x)s", "Robert'); drop table"):
        order = office.booked(userId=user)
        assert order["bookings"][0]["userId"] == user
        listed = office.client.get("/api/bookings", params={"userId": user})
        assert [found["reference"] for found in listed.json()["orders"]] == [order["reference"]]


# --- The fast path ---------------------------------------------------------------------------------------


def test_both_paths_send_the_same_response_over_http(stack: Stack, client: httpx.Client) -> None:
    office = BoxOffice(client, new_event(stack))
    taken = office.booked(key=f"{office.event}-1", tier="VIP", quantity=1)["bookings"][0]["ticketId"]
    assert office.booked(key=f"{office.event}-2", quantity=2)["success"]
    etag = office.availability().headers["ETag"]
    origin = {"Origin": f"http://localhost:{stack.web_port}"}
    good = {"tier": "GA", "quantity": 2, "userId": "user-123"}
    replayed = {"Idempotency-Key": f"{office.event}-2"}
    availability, states, bookings = "/api/tickets/availability", "/api/tickets/states", "/api/bookings"
    event = f"/api/events/{office.event}"
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
            client.request(method, f"{path}?event={office.event}{more}", json=body, headers={**headers, **unlisted})
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


# --- Limits ----------------------------------------------------------------------------------------------


def test_requests_above_an_endpoint_s_limit_are_refused_and_counted(server: EmbeddedServer) -> None:
    with running_system(server, ENDPOINT_RPS="2") as stack, client_of(stack) as client:
        office = BoxOffice(client)
        send_requests: list[Callable[[], httpx.Response]] = [
            office.availability,
            office.book,
            lambda: client.get("/api/bookings?userId=u"),
            lambda: client.get("/api/tickets/states"),
            lambda: client.get(f"/api/events/{office.event}"),
        ]
        for send in send_requests:
            refused = next(response for response in (send() for _ in range(1000)) if response.status_code == 429)
            assert "available" not in assert_problem(refused, 429, "rate_limited")
            headers = {name: refused.headers[name] for name in ("Retry-After", "RateLimit-Policy", "RateLimit")}
            assert headers == {
                "Retry-After": "1",
                "RateLimit-Policy": '"endpoint";q=2;w=1',
                "RateLimit": '"endpoint";r=0;t=1',
            }
        for _ in range(20):
            assert client.get("/health/live").status_code == 200
            assert client.get("/schema/openapi.json").status_code == 200
        counts = client.get("/metrics").text
        for method, route in (
            ("GET", "/api/tickets/availability"),
            ("POST", "/api/bookings"),
            ("GET", "/api/bookings"),
            ("GET", "/api/tickets/states"),
            ("GET", "/api/events/{slug}"),
        ):
            assert f'http_requests_total{{method="{method}",route="{route}",status="429"}}' in counts
