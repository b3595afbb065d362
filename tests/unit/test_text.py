"""Names: one spelling for storage, the same in Python and JavaScript, and one limit for look-alike names."""

import json
import sys
import unicodedata
from pathlib import Path

import pytest

from api.text import limit_key, normalize

CASES = json.loads((Path(__file__).with_name("names.json")).read_text(encoding="utf-8"))
"""Names as typed and as stored. tests/webapp/js/text.test.js reads the same file."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["typed"]))
def test_a_name_is_stored_composed_and_without_blanks_around_it(case: dict[str, str]) -> None:
    assert normalize(case["typed"]) == case["normalized"]
    assert normalize(case["normalized"]) == case["normalized"]


@pytest.mark.parametrize(
    "look_alike",
    [
        "SAM.RIVERA@EXAMPLE.ORG",
        "sam.rivera@example.org ",
        "sam.riv\u200bera@example.org",
        "sam.rivera@example.org\ufeff",
        "sa\u00adm.rivera@example.org",
        "\uff53am.rivera@example.org",
        "sam .rivera@example.org",
        "sam.rivera@example.org\U000e0041",
        "sam.rivera\u2060@example.org",
    ],
    ids=ascii,
)
def test_look_alike_names_share_a_limit(look_alike: str) -> None:
    assert limit_key(look_alike) == limit_key("sam.rivera@example.org")


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("Σίσυφος", "ΣΊΣΥΦΟΣ"), ("Zoe\u0308", "ZOË")])
def test_names_that_differ_in_case_share_a_limit(one: str, other: str) -> None:
    assert limit_key(one) == limit_key(other)


@pytest.mark.parametrize(("one", "other"), [("user-1", "user-11"), ("Zoë", "Zoe"), ("가나", "가니")])
def test_other_names_have_limits_of_their_own(one: str, other: str) -> None:
    assert limit_key(one) != limit_key(other)


def test_the_longest_key_fits_into_an_index() -> None:
    assert len(unicodedata.normalize("NFKC", "\ufdfa" * 128)) > 2000
    assert len(limit_key("\ufdfa" * 128).encode()) < 2704, "PostgreSQL's limit of an index entry"


def test_every_invisible_character_is_left_out_of_a_key() -> None:
    """Unicode's format characters (Cf) are a subset of the invisible ones, except for visible marks of some scripts."""
    visible = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    formats = {code for code in range(sys.maxunicode) if unicodedata.category(chr(code)) == "Cf"} - visible
    kept = {hex(code) for code in formats if limit_key(f"a{chr(code)}b") != "ab"}
    assert kept <= {hex(code) for code in range(0xFFF9, 0xFFFC)}
