"""The shares of standing tiers: batches in flight get different ones, and a batch continues where another ended."""

import contextlib

import pytest

from api.services.bookings.shares import RENEWAL_S, SHARES_MAX, TAKEN_MAX, WIDTH_MIN, Shares, share_width
from tests.clock import Clock
from tests.unit.services.bookings.values import tier

SMALL = tier(tier_id=1, seated=False, last_position=10 * WIDTH_MIN - 1)
LARGE = tier(tier_id=2, seated=False, last_position=50_000)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def shares(clock: Clock) -> Shares:
    return Shares(clock)


def spend_all(shares: Shares) -> None:
    """Spend all shares of the small tier."""
    while shares.find(SMALL).free:
        with shares.batch() as batch:
            batch.note_spent([SMALL.tier_id], [len(batch.take(SMALL, 1))])


def test_shares_cover_each_position_of_a_tier_once() -> None:
    for each in (SMALL, LARGE, tier(seated=False, last_position=1), tier(seated=False, last_position=1_000_000)):
        width = share_width(each)
        firsts = sorted(Shares().find(each).free)
        assert firsts == list(range(1, each.last_position + 1, width))
        assert len(firsts) <= SHARES_MAX
        assert firsts[-1] <= each.last_position < firsts[-1] + width


def test_batches_in_flight_have_different_shares(shares: Shares) -> None:
    with shares.batch() as one, shares.batch() as other:
        taken, others = one.take(LARGE, 2), other.take(LARGE, 2)
    assert len(taken) == len(others) == TAKEN_MAX
    assert set(taken).isdisjoint(others)


def test_a_batch_leaves_half_of_the_last_shares_to_another_one(shares: Shares) -> None:
    with shares.batch() as one, shares.batch() as other:
        assert len(one.take(SMALL, 1)) == 5
        assert len(other.take(SMALL, 1)) == 2


def test_a_batch_takes_as_many_shares_as_its_quantity_needs(shares: Shares) -> None:
    with shares.batch() as batch:
        assert len(batch.take(SMALL, 7 * WIDTH_MIN)) == 8
    with shares.batch() as batch:
        assert len(batch.take(SMALL, 70 * WIDTH_MIN)) == 10
    with shares.batch() as batch:
        assert batch.take(SMALL, 0) == []


def test_the_next_batch_continues_with_the_shares_of_the_last_one(shares: Shares) -> None:
    with shares.batch() as batch:
        taken = batch.take(SMALL, 1)
        batch.note_spent([SMALL.tier_id], [2])
    with shares.batch() as batch:
        assert batch.take(SMALL, 1)[:3] == taken[2:]


def test_a_failed_batch_returns_all_of_its_shares(shares: Shares) -> None:
    with contextlib.suppress(RuntimeError), shares.batch() as failed:
        taken = failed.take(SMALL, 1)
        raise RuntimeError
    with shares.batch() as batch:
        assert batch.take(SMALL, 1) == taken


def test_spent_shares_return_after_a_while(shares: Shares, clock: Clock) -> None:
    spend_all(shares)
    with shares.batch() as batch:
        assert batch.take(SMALL, 1) == []
    clock.now += RENEWAL_S / 2
    with shares.batch() as batch:
        assert batch.take(SMALL, 1) == []
    clock.now += RENEWAL_S
    with shares.batch() as batch:
        assert len(batch.take(SMALL, 1)) == 5


def test_a_batch_from_before_a_renewal_returns_no_share_twice(shares: Shares, clock: Clock) -> None:
    with shares.batch() as batch:
        batch.take(SMALL, 1)
        spend_all(shares)
        shares.find(SMALL)
        clock.now += 2 * RENEWAL_S
        shares.find(SMALL)
    free = shares.find(SMALL).free
    assert len(set(free)) == len(free) == 10


def test_a_larger_tier_has_new_shares(shares: Shares) -> None:
    spend_all(shares)
    assert len(shares.find(tier(tier_id=1, seated=False, last_position=20 * WIDTH_MIN)).free) == 20
