"""The limit per buyer: committed bookings refuse, and the batch's own requests are only delayed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.services.bookings.allowance import Allowance, RecentBookings
from tests.unit.services.bookings.values import NOW

LIMIT = 3


def recent(*ages_s: float, user_id: str = "ada") -> RecentBookings:
    return RecentBookings(user_id, NOW, [NOW - timedelta(seconds=age) for age in sorted(ages_s, reverse=True)])


def test_a_buyer_without_recent_bookings_takes_the_whole_limit() -> None:
    allowance = Allowance([], LIMIT)
    assert allowance.refusal("ada") is None
    assert [allowance.take("ada") for _ in range(LIMIT + 1)] == [True] * LIMIT + [False]
    assert allowance.refusal("ada") is None, "uncommitted bookings must not refuse"


def test_buyers_have_limits_of_their_own() -> None:
    allowance = Allowance([recent(1, 2, 3)], LIMIT)
    assert not allowance.take("ada")
    assert allowance.take("ben")
    assert allowance.refusal("ben") is None


@pytest.mark.parametrize(
    ("ages_s", "wait_s"),
    [((10, 20, 50), 10), ((10, 20, 59.9), 1), ((0, 0, 0), 60), ((5, 10, 20, 30), 40)],
)
def test_a_refusal_states_when_the_next_booking_is_possible(ages_s: tuple[float, ...], wait_s: int) -> None:
    refusal = Allowance([recent(*ages_s)], LIMIT).refusal("ada")
    assert refusal is not None
    assert refusal.headers() == {
        "Retry-After": str(wait_s),
        "RateLimit-Policy": '"bookings";q=3;w=60',
        "RateLimit": f'"bookings";r=0;t={wait_s}',
    }


@given(st.integers(0, 5), st.lists(st.floats(0, 59.9), max_size=5), st.integers(0, 8))
def test_a_batch_takes_what_committed_bookings_leave(limit: int, ages_s: list[float], requests: int) -> None:
    allowance = Allowance([recent(*ages_s)], limit)
    taken = sum(allowance.take("ada") for _ in range(requests))
    assert taken == (min(requests, max(0, limit - len(ages_s))) if limit else requests)
    assert (allowance.refusal("ada") is not None) == (0 < limit <= len(ages_s))
