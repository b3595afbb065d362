"""The text fields of requests: every accepted text can be stored and shown."""

import string

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.schemas import TEXT_MAX, BookingRequest

CONTROL = st.characters(codec="utf-8", max_codepoint=0x1F) | st.just("\x7f")
PRINTABLE = st.characters(codec="utf-8", min_codepoint=0x20, exclude_characters="\x7f")
REFERENCE_CHARACTERS = string.ascii_letters + string.digits + "._:~+=@-"


def request(**fields: str) -> BookingRequest:
    body = {"tier": "VIP", "quantity": 1, "userId": "user-123", **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=BookingRequest)


@given(st.text(PRINTABLE, min_size=1, max_size=TEXT_MAX))
def test_a_name_is_accepted_unchanged(name: str) -> None:
    taken = request(tier=name, userId=name)
    assert (taken.tier, taken.user_id) == (name, name)


@example("userId", "a", "\n", "")  # the $ of a pattern also matches before a final newline
@given(st.sampled_from(["tier", "userId"]), st.text(PRINTABLE, max_size=20), CONTROL, st.text(PRINTABLE, max_size=20))
def test_a_name_with_a_control_character_anywhere_is_refused(field: str, before: str, control: str, after: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        request(**{field: before + control + after})


@given(st.text(REFERENCE_CHARACTERS, min_size=1, max_size=TEXT_MAX))
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
