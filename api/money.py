"""Money: whole minor units inside the system, the currency's major unit on the wire.

The decimal places are those of ISO 4217, which `iso4217` contains as published. CLDR, and therefore babel, has other
ones for everyday prices: none for HUF, IDR or IQD, for example. Payment providers charge in the units of ISO 4217.
"""

import functools

from iso4217 import Currency

_DECIMALS_DEFAULT = 2
"""Decimal places of a code that ISO 4217 does not list, or lists without any, such as XAU for gold."""


def to_major(amount_minor: int, currency: str) -> int | float:
    """Return an amount in the currency's major unit: 1250 US cents are 12.5, 10000 are 100."""
    scale = _scale(currency)
    whole, rest = divmod(amount_minor, scale)
    return amount_minor / scale if rest else whole


@functools.cache
def _scale(currency: str) -> int:
    """Return the number of minor units in a major unit."""
    try:
        decimals = Currency(currency).exponent
    except ValueError:
        decimals = None
    scale: int = 10 ** (_DECIMALS_DEFAULT if decimals is None else decimals)
    return scale
