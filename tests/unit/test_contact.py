"""The address and the language of a booking request: accepted, refused with a clear error, and part of its digest."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import InvalidRequest, invalid
from api.schemas import BookingRequest, Locale
from api.services.access import digest
from api.services.bookings.model import Item, NewOrder
from api.text import EMAIL_MAX, EMAIL_PATTERN
from tests.stack import ROOT

ADDRESS = "ann@example.org"
LONGEST = f"{'a' * 242}@example.org"


def request(**fields: Any) -> BookingRequest:
    body = {"tier": "GA", "quantity": 1, "userId": "u", **fields}
    return msgspec.json.decode(msgspec.json.encode(body), type=BookingRequest)


def refusal(**fields: Any) -> InvalidRequest:
    """Return the refusal of a body."""
    with pytest.raises(msgspec.ValidationError) as error:
        request(**fields)
    return invalid(str(error.value))


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        "Ann.O'Neil+tickets@mail.example.co.uk",
        "a@localhost",
        "a@xn--bcher-kva.example",
        f"a@{'b' * 63}.example",
        LONGEST,
        "..@example.org",
        None,
    ],
)
def test_an_address_is_accepted_unchanged(address: str | None) -> None:
    assert request(email=address).email == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@@example.org",
        "ann@example..org",
        "ann@-example.org",
        "ann@example-.org",
        "ann@example.org.",
        f"a@{'b' * 64}.example",
        "ann@example.org\n",
        "ann@example.org\r\nBcc: all@example.org",
        "ann @example.org",
        " ann@example.org",
        "ann@example.org, bob@example.org",
        "Ann <ann@example.org>",
        "ann@b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example",
        "\N{LATIN SMALL LETTER A WITH DIAERESIS}nn@example.org",
    ],
)
def test_a_text_that_is_no_address_is_refused(address: str) -> None:
    error = refusal(email=address)
    assert error.details["errors"] == [
        {"field": "email", "message": "must be an e-mail address, such as ann@example.org"}
    ]


def test_an_address_has_a_greatest_length() -> None:
    assert len(LONGEST) == EMAIL_MAX
    error = refusal(email=f"a{LONGEST}")
    assert error.details["errors"] == [{"field": "email", "message": "must have at most 254 characters"}]


@given(st.from_regex(EMAIL_PATTERN).filter(lambda address: len(address) <= EMAIL_MAX))
def test_an_address_has_no_blanks_and_one_at_sign(address: str) -> None:
    assert request(email=address).email == address
    assert address.isascii()
    assert address.isprintable()
    assert " " not in address
    assert address.count("@") == 1


@pytest.mark.parametrize("locale", [*get_args(Locale), None])
def test_a_language_is_accepted(locale: str | None) -> None:
    assert request(locale=locale).locale == locale


def test_the_languages_are_those_of_the_web_app() -> None:
    assert set(get_args(Locale)) == {path.stem for path in (ROOT / "webapp" / "strings").glob("*.json")}


@pytest.mark.parametrize("locale", ["fr", "EN", "de-AT", ""])
def test_any_other_language_is_refused(locale: str) -> None:
    (error,) = refusal(locale=locale).details["errors"]
    assert error == {"field": "locale", "message": "must be one of the values in the API's reference"}


def test_requests_with_different_buyers_have_different_digests() -> None:
    contacts: list[dict[str, Any]] = [
        {},
        {"email": ADDRESS},
        {"email": "bob@example.org"},
        {"locale": "en"},
        {"locale": "de"},
        {"email": ADDRESS, "locale": "de"},
        {"account_id": 1},
        {"account_id": 2, "email": ADDRESS},
        {"access_digest": digest("s" * 43)},
        {"access_digest": digest("s" * 43), "email": ADDRESS},
    ]
    new = NewOrder(reference="r", event="e", items=(Item(tier="GA", quantity=1),), user_id="u")
    digests = {msgspec.structs.replace(new, **contact).digest for contact in contacts}
    assert len(digests) == len(contacts)
    assert msgspec.structs.replace(new, email=ADDRESS).digest in digests
