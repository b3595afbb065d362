"""Names of buyers: one buyer however a keyboard composes a name, and one limit for look-alike names."""

from collections.abc import Iterator

import httpx
import pytest

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, client_of, running_system

SPELLINGS = [
    ("Zoe\u0308 Mu\u0308ller", "Zo\u00eb M\u00fcller"),
    ("\u1100\u1161\u1102\u1161\u1103\u1161", "\uac00\ub098\ub2e4"),
    ("Nguye\u0302\u0303n", "Nguy\u1ec5n"),
    ("\u3000Sam Rivera ", "Sam Rivera"),
]
"""Names as typed and as stored."""
STORED = {spelling: stored for typed, stored in SPELLINGS for spelling in (typed, stored)}


@pytest.mark.parametrize("names", [*SPELLINGS, *(names[::-1] for names in SPELLINGS)], ids=ascii)
def test_a_buyer_finds_and_cancels_a_booking_under_any_spelling(buyer: Buyer, names: tuple[str, str]) -> None:
    booked_as, found_as = names
    order = buyer.booked(userId=booked_as)
    assert order["bookings"][0]["userId"] == STORED[booked_as]
    found = buyer.client.get("/api/bookings", params={"userId": found_as}).json()["orders"]
    assert order["reference"] in [each["reference"] for each in found]
    cancelled = buyer.client.post(f"/api/bookings/{order['reference']}/cancel", json={"userId": found_as})
    assert cancelled.json()["status"] == "cancelled", cancelled.text


def test_a_repeat_in_another_spelling_is_the_same_request(buyer: Buyer) -> None:
    typed, stored = SPELLINGS[0]
    buyer.booked(key=buyer.event, userId=typed)
    assert buyer.book(key=buyer.event, userId=stored).headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("blank", [" ", "\u00a0\u3000", "\u200b", "\ufeff\u2060", "\u3164", "\u00ad"], ids=ascii)
@pytest.mark.parametrize("hidden", ["a\u202eb", "a\u2066b", "\u200fa", "a\x85b", "a\u2028b"], ids=ascii)
def test_a_name_that_cannot_be_read_is_refused(buyer: Buyer, blank: str, hidden: str) -> None:
    for name in (blank, hidden):
        assert_problem(buyer.book(userId=name), 400, "invalid_request", "userId")
        found = buyer.client.get("/api/bookings", params={"userId": name})
        assert_problem(found, 400, "invalid_request", "userId")
        cancelled = buyer.client.post("/api/bookings/none/cancel", json={"userId": name})
        assert_problem(cancelled, 400, "invalid_request", "userId")


def test_a_name_that_is_too_long_when_composed_is_refused(buyer: Buyer) -> None:
    assert_problem(buyer.book(userId="\u0958" * 100), 400, "invalid_request", "userId")


@pytest.fixture(scope="module")
def limited(server: EmbeddedServer) -> Iterator[httpx.Client]:
    """A client of a system that allows each buyer three bookings per minute."""
    with running_system(server, BOOKINGS_PER_MINUTE="3") as stack, client_of(stack) as client:
        yield client


def test_look_alike_names_count_as_one_buyer(limited: httpx.Client) -> None:
    buyer = Buyer(limited)
    for name in ("Sam@example.org", "sam@EXAMPLE.org", "sam\u200b@example.org"):
        assert buyer.booked(userId=name)["bookings"][0]["userId"] == name, "the name stays as typed"
    for name in ("sam@example.org", "\uff53am@example.org", "sam @example.org", "sam@example.org\u2060"):
        assert_problem(buyer.book(userId=name), 429, "rate_limited")
    buyer.booked(userId="samuel@example.org")
    found = limited.get("/api/bookings", params={"userId": "sam@example.org"}).json()["orders"]
    assert found == [], "a look-alike name does not find the bookings"
