"""Money: whole minor units inside the system, the currency's major unit on the wire.

The decimal places are those of ISO 4217, which `iso4217` contains as published. CLDR, and therefore babel, has other
ones for everyday prices: none for HUF, IDR or IQD, for example. Payment providers charge in the units of ISO 4217.
"""

import functools
import re
import sys
from decimal import Decimal

from iso4217 import Currency

_ROUNDING_MINOR, _ROUNDING_SHARE = 1e-6, 4e-16
"""The tolerance for a client's rounding errors, in minor units, and as a share of the amount.

The share is less than half a minor unit up to the largest total of a request, 10^15.
"""
_AMOUNT = re.compile(r"(?P<currency>[A-Z]{3})=(?P<major>[0-9]{1,12}(\.[0-9]{1,4})?)")
_AMOUNTS = "amounts by currency, separated by commas, such as USD=0.50,JPY=50"
_DIGITS_DEFAULT = 2
"""Decimal places of a code that ISO 4217 does not list, or lists without any, such as XAU for gold."""


def to_major(amount_minor: int, currency: str) -> int | float:
    """Return an amount in the currency's major unit: 1250 US cents are 12.5, 10000 are 100."""
    scale: int = 10 ** currency_digits(currency)
    whole, rest = divmod(amount_minor, scale)
    return amount_minor / scale if rest else whole


def is_amount(stated: float, amount_minor: int, currency: str) -> bool:
    """Return True if a client's floating-point number in the major unit means an amount, such as 3 * 0.1 for 30 cents.

    Args:
        stated: the client's number, in the currency's major unit.
        amount_minor: the amount, in minor units.
        currency: the code of the currency.
    """
    difference: float = abs(stated * 10 ** currency_digits(currency) - amount_minor)
    return difference <= _ROUNDING_MINOR + _ROUNDING_SHARE * amount_minor


def without_rounding_error(stated: float) -> float:
    """Return a number with the 15 significant digits that floating-point numbers preserve: 0.3 for 3 * 0.1."""
    return float(f"{stated:.{sys.float_info.dig}g}")


def format_amount(amount_minor: int, currency: str) -> str:
    """Return an amount with all decimal places and its currency, for messages: "12.50 USD"."""
    return f"{Decimal(amount_minor).scaleb(-currency_digits(currency)):,f} {currency}"


def parse_amounts(text: str) -> dict[str, int]:
    """Return the amounts of a text such as `USD=0.50,JPY=50` in minor units, by currency.

    Raises:
        ValueError: the text does not have this form, or a currency has fewer decimal places.
    """
    amounts: dict[str, int] = {}
    for part in text.split(","):
        if not (found := _AMOUNT.fullmatch(part.strip())) or found["currency"] in amounts:
            raise ValueError(_AMOUNTS)
        minor = Decimal(found["major"]).scaleb(currency_digits(found["currency"]))
        if minor != minor.to_integral_value():
            raise ValueError(_AMOUNTS)
        amounts[found["currency"]] = int(minor)
    return amounts


@functools.cache
def currency_digits(currency: str) -> int:
    """Return the number of decimal places of amounts in a currency."""
    try:
        digits: int | None = Currency(currency).exponent
    except ValueError:
        digits = None
    return _DIGITS_DEFAULT if digits is None else digits
