"""The texts of e-mails in each language, and amounts, dates and times in its format."""

import functools
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import msgspec
from babel import Locale as Formats
from babel.dates import format_date, format_time
from babel.numbers import format_currency

from api.money import currency_digits
from api.schemas import Locale

_DIRECTORY = Path(__file__).with_name("texts")
_DECIMALS = re.compile(r"0\.00")
ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"
"""Control characters of Unicode: a value between them does not change the direction of the text around it."""


@functools.cache
def load(locale: Locale) -> Mapping[str, str]:
    """Return the texts of a language by their keys."""
    texts: dict[str, str] = msgspec.json.decode((_DIRECTORY / f"{locale}.json").read_bytes(), type=dict[str, str])
    return texts


class Texts:
    """The texts and formats of one language."""

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self._formats = Formats.parse(locale)
        self._texts = load(locale)

    @property
    def direction(self) -> str:
        """Return `rtl` or `ltr`, the direction of the language's script."""
        return self._formats.text_direction

    def get(self, key: str, **values: str) -> str:
        """Return a text with the values of its placeholders."""
        return self._texts[key].format_map(values)

    def isolated(self, value: str) -> str:
        """Return a value for a plain text. In a text from right to left it is isolated from its surroundings."""
        return f"{ISOLATE}{value}{_END_OF_ISOLATE}" if self.direction == "rtl" else value

    def amount(self, amount_minor: int, currency: str) -> str:
        """Return an amount with the decimal places of its currency; `amount_minor` is in minor units."""
        digits = currency_digits(currency)
        pattern = _DECIMALS.sub(
            f"0.{'0' * digits}" if digits else "0", self._formats.currency_formats["standard"].pattern
        )
        value = Decimal(amount_minor).scaleb(-digits)
        return format_currency(value, currency, pattern, self._formats, currency_digits=False)

    def date(self, time: datetime) -> str:
        """Return the date of a local time, with the day of the week."""
        return format_date(time, "full", self._formats)

    def time(self, time: datetime) -> str:
        """Return the hour and minute of a local time."""
        return format_time(time, "short", locale=self._formats)
