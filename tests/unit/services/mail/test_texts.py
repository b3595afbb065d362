"""The texts of e-mails: complete in each language, with the formats of amounts and times of that language."""

import re
from datetime import datetime
from typing import get_args

import pytest

from api.schemas import Locale
from api.services.mail.outbox import Kind
from api.services.mail.texts import Texts, load

LOCALES: tuple[Locale, ...] = get_args(Locale)
PLACEHOLDER = re.compile(r"\{(\w*)\}")
MARKS = re.compile("[\u200e\u200f]")
"""Invisible characters that set the direction of a number."""


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_the_same_texts_with_the_same_placeholders(locale: Locale) -> None:
    english, texts = load("en"), load(locale)
    assert texts.keys() == english.keys()
    for key, text in texts.items():
        assert text == text.strip() != "", key
        assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(english[key])), key
        assert PLACEHOLDER.sub("", text).count("{") == 0, key


def test_every_message_has_a_subject_a_heading_and_a_text() -> None:
    for kind in get_args(Kind):
        assert {f"{kind}.subject", f"{kind}.heading", f"{kind}.text"} <= load("en").keys()


@pytest.mark.parametrize(
    ("locale", "amount_minor", "currency", "expected"),
    [
        ("en", 1_250_050, "USD", "$12,500.50"),
        ("en", 1250, "JPY", "¥1,250"),
        ("en", 1250, "KWD", "KWD1.250"),
        ("en", 1250, "HUF", "HUF12.50"),
        ("de", 1_250_050, "EUR", "12.500,50\u00a0€"),
        ("de", 0, "EUR", "0,00\u00a0€"),
        ("ar", 1_250_050, "USD", "12,500.50\u00a0US$"),
    ],
)
def test_an_amount_has_the_decimal_places_of_its_currency(
    locale: Locale, amount_minor: int, currency: str, expected: str
) -> None:
    shown = MARKS.sub("", Texts(locale).amount(amount_minor, currency))
    assert shown.replace("KWD\u00a0", "KWD").replace("HUF\u00a0", "HUF") == expected


@pytest.mark.parametrize(
    ("locale", "date", "time"),
    [
        ("en", "Friday, June 18, 2027", "8:30\u202fPM"),
        ("de", "Freitag, 18. Juni 2027", "20:30"),
        ("ar", "الجمعة، 18 يونيو 2027", "8:30 م"),
    ],
)
def test_dates_and_times_are_those_of_the_language(locale: Locale, date: str, time: str) -> None:
    texts, starts_at = Texts(locale), datetime(2027, 6, 18, 20, 30)  # noqa: DTZ001 - a local time
    assert (texts.date(starts_at), texts.time(starts_at).replace("\u00a0", " ")) == (date, time)


def test_a_value_is_not_a_template() -> None:
    assert Texts("en").get("confirmed.subject", event="{total} {0} %s") == "Your tickets for {total} {0} %s"


@pytest.mark.parametrize(("locale", "direction"), [("en", "ltr"), ("de", "ltr"), ("ar", "rtl")])
def test_values_in_a_text_from_right_to_left_are_isolated(locale: Locale, direction: str) -> None:
    texts = Texts(locale)
    assert texts.direction == direction
    assert texts.isolated("bk_1") == ("\u2068bk_1\u2069" if direction == "rtl" else "bk_1")
