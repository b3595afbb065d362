"""The memory of a process: known tiers, and the requests that a direct sale would leave out."""

import pytest

from api.errors import KeyReused, PaymentDeclined, RateLimited, SoldOut
from api.services.bookings import memory
from api.services.bookings.memory import SHORTAGE_S, Memory, Server
from api.services.bookings.model import Declined, NewOrder, Refused, Tier
from tests.clock import Clock
from tests.unit.services.bookings.values import part, request, tier

VIP = [tier()]
SERVER = (7_000_000_000, 1)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def known(clock: Clock) -> Memory:
    known = Memory(clock)
    known.update_tiers([request()], VIP, SERVER)
    return known


def includes(known: Memory, *batch: NewOrder, server: Server | None = SERVER) -> bool:
    return all(known.tiers(server).include(each) for each in batch)


def found(known: Memory) -> list[Tier]:
    return list(known.tiers(SERVER))


def test_a_request_is_known_if_all_its_tiers_are(known: Memory) -> None:
    assert includes(known, request(), request())
    assert found(known) == VIP
    assert not includes(known, request(tier="GA"))


def test_a_request_that_only_names_tickets_is_known(known: Memory) -> None:
    assert includes(known, request(tier=None, ticket_ids=(1, 2)))


def test_a_tier_that_no_longer_exists_is_forgotten(known: Memory) -> None:
    known.update_tiers([request()], [], SERVER)
    assert not includes(known, request())


@pytest.mark.parametrize("other", [(7_000_000_000, 2), (7_000_000_001, 1), None])
def test_the_tiers_of_another_server_are_forgotten(known: Memory, other: Server | None) -> None:
    assert not includes(known, request(), server=other)
    assert not includes(known, request())
    known.update_tiers([request()], VIP, SERVER)
    known.update_tiers([request(tier="GA")], [tier(tier="GA")], other)
    assert not includes(known, request(), server=other)


def test_too_many_tiers_are_forgotten(known: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TIERS_MAX", 1)
    known.update_tiers([request(tier="GA")], [tier(seated=False)], SERVER)
    assert includes(known, request(), request(tier="GA"))
    known.update_tiers([request(tier="GA")], [tier(seated=False)], SERVER)
    assert not includes(known, request())


def test_a_decided_reference_is_remembered(known: Memory) -> None:
    decided = request(reference="decided", user_id="other")
    known.note(request(reference="refused"), Refused(SoldOut("VIP", 0)))
    known.note(decided, Declined(PaymentDeclined("decided")))
    known.note(request(reference="reused"), Refused(KeyReused("reused")))
    assert known.forbids(decided)
    assert known.forbids(request(reference="reused"))
    assert not known.forbids(request(reference="refused"))


def test_a_buyer_is_remembered_until_the_limit_admits_a_booking(known: Memory, clock: Clock) -> None:
    known.note(request(), Refused(RateLimited("bookings", quota=10, window_s=60, retry_after_s=20)))
    clock.now += 19.9
    assert known.forbids(request(reference="other"))
    assert not known.forbids(request(user_id="other"))
    clock.now += 0.2
    assert not known.forbids(request(reference="other"))


def test_a_standing_tier_is_short_for_a_moment(known: Memory, clock: Clock) -> None:
    standing, seated = (part(tier(seated=False)),), (part(),)
    known.note_shortage(standing + seated)
    assert known.is_short(standing)
    assert not known.is_short(seated)
    clock.now += SHORTAGE_S
    assert not known.is_short(standing)


def test_the_oldest_references_are_forgotten(known: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ENTRIES_MAX", 2)
    for reference in ("a", "b", "a", "c"):
        known.note(request(reference=reference), Declined(PaymentDeclined(reference)))
    assert [known.forbids(request(reference=reference)) for reference in "abc"] == [True, False, True]
