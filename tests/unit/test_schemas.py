"""The text fields of requests: every accepted text can be stored and shown."""

import string

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.schemas import BookingRequest
from api.text import TEXT_MAX

CONTROL = st.characters(codec="utf-8", categories=["Cc"])
LINE_SEPARATORS = "\u2028\u2029"
DIRECTION = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters=LINE_SEPARATORS + DIRECTION)
INVISIBLE = st.sampled_from(" \u00a0\u00ad\u115f\u2007\u200b\u200d\u2060\u2800\u3000\u3164\ufe0f\ufeff\uffa0")
REFUSED = CONTROL | st.sampled_from(LINE_SEPARATORS + DIRECTION)
REFERENCE_CHARACTERS = string.ascii_letters + string.digits + "._:~+=@-"


def request(**fields: str) -> BookingRequest:
    body = {"tier": "VIP", "quantity": 1, "userId": "user-123", **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=BookingRequest)


@given(st.text(PRINTABLE, max_size=TEXT_MAX - 1).map(lambda text: f"{text}a"))
def test_a_name_is_accepted_unchanged(name: str) -> None:
    taken = request(tier=name, userId=name)
    assert (taken.tier, taken.user_id) == (name, name)


@example("userId", "a", "\n", "")  # the $ of a pattern also matches before a final newline
@given(st.sampled_from(["tier", "userId"]), st.text(PRINTABLE, max_size=20), REFUSED, st.text(PRINTABLE, max_size=20))
def test_a_name_with_a_control_or_direction_character_is_refused(
    field: str, before: str, control: str, after: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        request(**{field: before + control + after})


@given(st.sampled_from(["tier", "userId"]), st.text(INVISIBLE, min_size=1, max_size=20))
def test_a_name_without_a_visible_character_is_refused(field: str, blank: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        request(**{field: blank})


@pytest.mark.parametrize("reference", [".", ".."])
def test_a_reference_that_browsers_remove_from_a_path_is_refused(reference: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="bookingReference"):
        request(bookingReference=reference)


@example("...")
@example(".a")
@given(st.text(REFERENCE_CHARACTERS, min_size=1, max_size=TEXT_MAX).filter(lambda text: text not in (".", "..")))
def test_a_reference_of_path_characters_is_accepted(reference: str) -> None:
    assert request(bookingReference=reference).booking_reference == reference


@example("a", "\n", "")  # the $ of a pattern also matches before a final newline
@given(
    st.text(REFERENCE_CHARACTERS, max_size=20),
    st.characters(codec="utf-8", exclude_characters=REFERENCE_CHARACTERS),
    st.text(REFERENCE_CHARACTERS, max_size=20),
)
def test_a_reference_with_any_other_character_is_refused(before: str, odd: str, after: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="bookingReference"):
        request(bookingReference=before + odd + after)
