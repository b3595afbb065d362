"""The payment simulator: exact at its ends, a function of the reference, fair in between."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.payments.simulator import decide

REFERENCES = st.text(min_size=1, max_size=128)
RATES = st.floats(0, 1)


@given(REFERENCES)
def test_a_rate_of_0_declines_every_payment_and_1_captures_every_one(reference: str) -> None:
    assert (decide(reference, 0), decide(reference, 1)) == ("declined", "captured")


@given(REFERENCES, RATES)
def test_a_reference_has_one_outcome_however_often_it_is_charged(reference: str, rate: float) -> None:
    assert len({decide(reference, rate) for _ in range(3)}) == 1


@given(REFERENCES, RATES, RATES)
def test_a_higher_rate_never_declines_what_a_lower_one_captures(reference: str, one: float, other: float) -> None:
    if decide(reference, min(one, other)) == "captured":
        assert decide(reference, max(one, other)) == "captured"


@pytest.mark.parametrize("rate", [0.01, 0.5, 0.9, 0.99])
def test_the_share_of_captured_payments_is_the_rate(rate: float) -> None:
    references = 20_000
    captured = sum(decide(f"bk_{number}", rate) == "captured" for number in range(references))
    deviation = math.sqrt(references * rate * (1 - rate))
    assert abs(captured - references * rate) < 5 * deviation
