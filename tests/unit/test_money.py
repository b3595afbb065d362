"""Amounts in the major unit of their currency."""

import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.money import to_major

SCALES = {"USD": 100, "EUR": 100, "JPY": 1, "KRW": 1, "BHD": 1000, "KWD": 1000}
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
