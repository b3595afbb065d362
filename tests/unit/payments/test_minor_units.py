"""Amounts in Stripe's units, for every number of decimal places of ISO 4217."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.payments.minor_units import UnchargeableAmount, from_stripe, to_stripe
from api.payments.provider import Amount


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (Amount(1250, "USD"), 1250),  # two decimal places in both
        (Amount(500, "JPY"), 500),  # none in both
        (Amount(500, "ISK"), 50_000),  # none in ISO 4217, hundredths at Stripe
        (Amount(7000, "UGX"), 700_000),
        (Amount(12_340, "KWD"), 12_340),  # three, and the last one is 0
        (Amount(500, "MGA"), 5),  # two in ISO 4217, none at Stripe
        (Amount(1250, "HUF"), 1250),
        (Amount(0, "EUR"), 0),
    ],
)
def test_an_amount_has_the_units_of_stripe(amount: Amount, units: int) -> None:
    assert to_stripe(amount) == units
    assert from_stripe(units, amount.currency.lower()) == amount


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (Amount(12_345, "KWD"), "exactly"),  # the last of three decimal places must be 0
        (Amount(550, "MGA"), "exactly"),
        (Amount(10_000, "CLF"), "4 decimal places"),
        (Amount(10_000, "UYW"), "4 decimal places"),
        (Amount(1000, "IQD"), "3 decimal places"),
    ],
)
def test_an_amount_without_units_of_stripe_is_refused(amount: Amount, reason: str) -> None:
    with pytest.raises(UnchargeableAmount, match=reason):
        to_stripe(amount)


def test_a_fraction_of_a_minor_unit_is_refused() -> None:
    with pytest.raises(UnchargeableAmount, match="ISK"):
        from_stripe(50_050, "isk")


@given(st.integers(0, 10**12), st.sampled_from(("USD", "JPY", "ISK", "UGX", "KWD", "MGA", "BHD", "CLP")))
def test_a_conversion_can_be_reversed(minor: int, currency: str) -> None:
    amount = Amount(minor * 100, currency)
    assert from_stripe(to_stripe(amount), currency) == amount
