"""What crosses the wire: money in the major unit, and text that can be stored and shown."""

import re
import string
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.schemas import TEXT_MAX, BookingRequest, to_major

SCALES = {"USD": 100, "EUR": 100, "JPY": 1, "KRW": 1, "BHD": 1000, "KWD": 1000}
AMOUNTS_MINOR = st.integers(0, 10**13)

CONTROL = st.characters(codec="utf-8", max_codepoint=0x1F) | st.just("\x7f")
PRINTABLE = st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f")
REFERENCE_CHARACTERS = string.ascii_letters + string.digits + "._:~+=@-"


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


def request(**fields: str) -> BookingRequest:
    body = {"tier": "VIP", "quantity": 1, "userId": "user-123", **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=BookingRequest)


@given(st.text(PRINTABLE, min_size=1, max_size=TEXT_MAX))
def test_a_name_is_taken_as_it_is(name: str) -> None:
    taken = request(tier=name, userId=name)
    assert (taken.tier, taken.user_id) == (name, name)


@example("userId", "a", "\n", "")  # a pattern's $ also stands before a newline at the end
@given(st.sampled_from(["tier", "userId"]), st.text(PRINTABLE, max_size=20), CONTROL, st.text(PRINTABLE, max_size=20))
def test_a_name_with_a_control_character_anywhere_is_refused(field: str, before: str, control: str, after: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        request(**{field: before + control + after})


@given(st.text(REFERENCE_CHARACTERS, min_size=1, max_size=TEXT_MAX))
def test_a_reference_of_characters_that_a_path_may_have_is_taken(reference: str) -> None:
    assert request(bookingReference=reference).booking_reference == reference


@example("a", "\n", "")  # a pattern's $ also stands before a newline at the end
@given(
    st.text(REFERENCE_CHARACTERS, max_size=20),
    st.characters(codec="utf-8", exclude_characters=REFERENCE_CHARACTERS),
    st.text(REFERENCE_CHARACTERS, max_size=20),
)
def test_a_reference_with_any_other_character_is_refused(before: str, odd: str, after: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="bookingReference"):
        request(bookingReference=before + odd + after)
