"""Money: whole minor units inside the system, the currency's major unit on the wire.

The decimal places are those of ISO 4217, which `iso4217` contains as published. CLDR, and therefore babel, has other
ones for everyday prices: none for HUF, IDR or IQD, for example. Payment providers charge in the units of ISO 4217.
"""

import functools
from decimal import Decimal

from iso4217 import Currency

_DIGITS_DEFAULT = 2
"""Decimal places of a code that ISO 4217 does not list, or lists without any, such as XAU for gold."""


def to_major(amount_minor: int, currency: str) -> int | float:
    """Return an amount in the currency's major unit: 1250 US cents are 12.5, 10000 are 100."""
    scale: int = 10 ** currency_digits(currency)
    whole, rest = divmod(amount_minor, scale)
    return amount_minor / scale if rest else whole


def format_amount(amount_minor: int, currency: str) -> str:
    """Return an amount with all decimal places and its currency, for messages: "12.50 USD"."""
    return f"{Decimal(amount_minor).scaleb(-currency_digits(currency)):,f} {currency}"


@functools.cache
def currency_digits(currency: str) -> int:
    """Return the number of decimal places of amounts in a currency."""
    try:
        digits: int | None = Currency(currency).exponent
    except ValueError:
        digits = None
    return _DIGITS_DEFAULT if digits is None else digits
