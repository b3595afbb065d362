"""The memory of tiers, and the pauses after wrong assumptions."""

import pytest

from api.services.bookings.model import NewOrder, Tier
from api.services.bookings.prefetch import KnownTiers, Server
from tests.unit.services.bookings.values import request, tier

VIP = [tier()]
SERVER = (7_000_000_000, 1)


def known_tiers() -> KnownTiers:
    known = KnownTiers()
    known.update([request()], VIP, SERVER)
    return known


def found(known: KnownTiers, *batch: NewOrder) -> list[Tier]:
    return list(known.find(batch, SERVER) or [])


def test_a_batch_is_known_if_all_its_tiers_are() -> None:
    known = known_tiers()
    assert found(known, request(), request()) == VIP
    assert known.find([request(), request(tier="GA")], SERVER) is None


def test_a_tier_that_no_longer_exists_is_forgotten() -> None:
    known = known_tiers()
    known.update([request()], [], SERVER)
    assert known.find([request()], SERVER) is None


def test_each_further_wrong_assumption_doubles_the_pause() -> None:
    known = known_tiers()
    pauses = []
    for _ in range(6):
        known.note(correct=False)
        pauses.append(next(number for number in range(100) if known.find([request()], SERVER)))
    assert pauses == [1, 3, 7, 15, 15, 15]


def test_a_correct_assumption_ends_the_pauses() -> None:
    known = known_tiers()
    known.note(correct=False)
    known.note(correct=True)
    assert found(known, request()) == VIP
    known.note(correct=False)
    assert known.find([request()], SERVER) is None
    assert found(known, request()) == VIP


@pytest.mark.parametrize("other", [(7_000_000_000, 2), (7_000_000_001, 1), None])
def test_the_tiers_of_another_server_are_forgotten(other: Server | None) -> None:
    known = known_tiers()
    assert known.find([request()], other) is None
    assert known.find([request()], SERVER) is None
    known.update([request()], VIP, SERVER)
    known.update([request(tier="GA")], [tier(tier="GA")], other)
    assert known.find([request()], other) is None
