"""The memory of tiers, and the pauses after wrong assumptions."""

from api.services.bookings.prefetch import KnownTiers
from tests.unit.services.bookings.values import request, tier

VIP = {("show", "VIP"): tier()}


def known_tiers() -> KnownTiers:
    known = KnownTiers()
    known.update([request()], VIP)
    return known


def test_a_batch_is_known_if_all_its_tiers_are() -> None:
    known = known_tiers()
    assert known.find([request(), request()]) == VIP
    assert known.find([request(), request(tier="GA")]) is None


def test_a_tier_that_no_longer_exists_is_forgotten() -> None:
    known = known_tiers()
    known.update([request()], {})
    assert known.find([request()]) is None


def test_each_further_wrong_assumption_doubles_the_pause() -> None:
    known = known_tiers()
    pauses = []
    for _ in range(6):
        known.note(correct=False)
        pauses.append(next(number for number in range(100) if known.find([request()])))
    assert pauses == [1, 3, 7, 15, 15, 15]


def test_a_correct_assumption_ends_the_pauses() -> None:
    known = known_tiers()
    known.note(correct=False)
    known.note(correct=True)
    assert known.find([request()]) == VIP
    known.note(correct=False)
    assert known.find([request()]) is None
    assert known.find([request()]) == VIP
