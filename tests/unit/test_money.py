"""Amounts in the major unit of their currency."""

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from api.money import to_major

ZERO_DECIMALS = [
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
]
THREE_DECIMALS = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]
FOUR_DECIMALS = ["CLF", "UYW"]
TWO_DECIMALS = ["USD", "EUR", "GBP", "CHF", "HUF", "IDR", "COP", "CRC", "LBP", "MGA", "TWD"]
"""Among them currencies for which CLDR has no decimals or a payment provider has rules of its own."""
SCALES = {
    **dict.fromkeys(ZERO_DECIMALS, 1),
    **dict.fromkeys(TWO_DECIMALS, 100),
    **dict.fromkeys(THREE_DECIMALS, 1_000),
    **dict.fromkeys(FOUR_DECIMALS, 10_000),
}
AMOUNTS_MINOR = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [
        (10_000, "USD", b"100"),
        (1_250, "USD", b"12.5"),
        (1, "USD", b"0.01"),
        (0, "USD", b"0"),
        (1_999, "EUR", b"19.99"),
        (1_250, "JPY", b"1250"),
        (1_250, "BHD", b"1.25"),
        (1_000, "BHD", b"1"),
    ],
)
def test_a_price_is_written_in_the_major_unit_of_its_currency(amount_minor: int, currency: str, written: bytes) -> None:
    assert msgspec.json.encode(to_major(amount_minor, currency)) == written


@given(AMOUNTS_MINOR, st.sampled_from(sorted(SCALES)))
def test_no_amount_loses_a_cent_on_the_wire(amount_minor: int, currency: str) -> None:
    written = msgspec.json.encode(to_major(amount_minor, currency)).decode()
    assert Decimal(written) * SCALES[currency] == amount_minor


@given(AMOUNTS_MINOR)
def test_a_whole_amount_is_written_without_a_fraction(amount: int) -> None:
    assert re.fullmatch(rb"\d+", msgspec.json.encode(to_major(amount * 100, "USD")))


@pytest.mark.parametrize("currency", SCALES)
def test_a_currency_has_the_decimals_of_iso_4217(currency: str) -> None:
    assert to_major(1, currency) == 1 / SCALES[currency]
    assert to_major(SCALES[currency], currency) == 1


def test_every_other_currency_has_two_decimals() -> None:
    others = {each.code for each in Currency} - SCALES.keys()
    assert len(others) > 100
    assert {to_major(1, code) for code in others} == {0.01}


@pytest.mark.parametrize("code", ["XAU", "XXX", "ABC", "", "usd"])
def test_a_code_without_decimals_has_two(code: str) -> None:
    assert to_major(1_250, code) == 12.5
