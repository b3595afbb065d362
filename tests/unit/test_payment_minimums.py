"""Totals that the payment provider does not charge are refused before a sale."""

import pytest

from api.config import Settings
from api.errors import AmountTooSmall
from api.services.bookings.model import BookingPolicy
from api.services.bookings.refusals import refuse_charge
from tests.unit.services.bookings.values import part, tier

MINIMUMS = "USD=0.50, JPY=50,KWD=0.1"


@pytest.mark.parametrize(
    ("currency", "price_minor", "quantity", "shown"),
    [
        ("USD", 49, 1, ("0.49 USD", "0.50 USD")),
        ("USD", 24, 2, ("0.48 USD", "0.50 USD")),
        ("JPY", 49, 1, ("49 JPY", "50 JPY")),
        ("KWD", 99, 1, ("0.099 KWD", "0.100 KWD")),
    ],
)
def test_a_total_below_the_minimum_of_its_currency_is_refused(
    currency: str, price_minor: int, quantity: int, shown: tuple[str, str]
) -> None:
    policy = BookingPolicy.of(Settings(payment_minimums=MINIMUMS))
    refusal = refuse_charge((part(tier(price_minor=price_minor, currency=currency), quantity),), policy)
    assert isinstance(refusal, AmountTooSmall)
    assert (refusal.status, refusal.code) == (409, "amount_too_small")
    assert all(amount in refusal.message for amount in shown)


@pytest.mark.parametrize(
    ("currency", "price_minor", "quantity"),
    [("USD", 50, 1), ("USD", 25, 2), ("USD", 0, 1), ("JPY", 50, 1), ("KWD", 100, 1), ("EUR", 1, 1)],
)
def test_other_totals_are_possible(currency: str, price_minor: int, quantity: int) -> None:
    policy = BookingPolicy.of(Settings(payment_minimums=MINIMUMS))
    assert refuse_charge((part(tier(price_minor=price_minor, currency=currency), quantity),), policy) is None


def test_every_total_is_possible_by_default() -> None:
    assert refuse_charge((part(tier(price_minor=1)),), BookingPolicy.of(Settings())) is None
