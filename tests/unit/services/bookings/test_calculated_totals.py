"""Clients may calculate the expected total in floating-point numbers."""

import itertools

import pytest

from api.money import is_amount, to_major
from tests.unit.services.bookings.values import refusal, request, tier

PRICES_MINOR = range(1, 20_000)
QUANTITIES = range(2, 11)


def calculated(price_minor: int, quantity: int) -> list[float]:
    """Return a total as clients calculate it: by a product, and by a sum."""
    price = price_minor / 100
    return [quantity * price, [*itertools.accumulate([price] * quantity)][-1]]  # `sum` would compensate the errors.


def test_every_product_and_sum_of_prices_is_the_total() -> None:
    refused = [
        (price_minor, quantity)
        for price_minor in PRICES_MINOR
        for quantity in QUANTITIES
        if not all(is_amount(total, quantity * price_minor, "USD") for total in calculated(price_minor, quantity))
    ]
    assert refused == []


def test_no_neighbour_of_a_calculated_total_is_accepted() -> None:
    accepted = [
        (price_minor, quantity, difference)
        for price_minor in PRICES_MINOR
        for quantity in QUANTITIES
        for difference in (-1, -0.5, 0.5, 1)
        if is_amount(calculated(price_minor, quantity)[0] + difference / 100, quantity * price_minor, "USD")
    ]
    assert accepted == []


@pytest.mark.parametrize("currency", ["JPY", "USD", "KWD", "CLF"])
@pytest.mark.parametrize("total_minor", [10**9 + 1, 10**12 + 7, 10**15 - 1, 10**15])
def test_half_a_unit_of_the_largest_totals_is_a_difference(currency: str, total_minor: int) -> None:
    total = to_major(total_minor, currency)
    assert is_amount(total, total_minor, currency)
    assert not is_amount(total, total_minor - 1, currency)
    assert currency != "JPY" or not is_amount(total - 0.5, total_minor, currency)


def test_a_booking_accepts_a_calculated_total() -> None:
    wanted = request(quantity=3, expected_total=3 * 0.1)
    assert wanted.expected_total != 0.3
    assert refusal(wanted, tier(price_minor=10)) is None


def test_totals_that_differ_by_a_rounding_error_make_equal_requests() -> None:
    different = [
        (price_minor, quantity)
        for price_minor in PRICES_MINOR[::7]
        for quantity in QUANTITIES
        if request(quantity=quantity, expected_total=quantity * (price_minor / 100)).digest
        != request(quantity=quantity, expected_total=quantity * price_minor / 100).digest
    ]
    assert different == []
    assert request(expected_total=0.3).digest != request(expected_total=0.31).digest
