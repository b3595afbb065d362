"""Conversion between the minor units of ISO 4217 and the units in which Stripe states amounts.

Stripe's units differ from ISO 4217 for some currencies. https://docs.stripe.com/currencies lists them.
"""

from typing import Final

from api.money import currency_digits
from api.payments.provider import Amount

_NO_DECIMALS: Final = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
"""Currencies whose amounts Stripe states in the major unit. ISO 4217 gives MGA two decimal places."""
_THREE_DECIMALS: Final = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
"""Currencies with three decimal places, of which the last must be 0."""
_WHOLE_MAJOR: Final = frozenset(("ISK", "UGX"))
"""Currencies without decimal places whose amounts Stripe states in hundredths, as multiples of 100."""
_DIGITS_USUAL: Final = 2


class UnchargeableAmount(ValueError):
    """Stripe cannot charge an amount exactly."""


def to_stripe(amount: Amount) -> int:
    """Return an amount in Stripe's units.

    Raises:
        UnchargeableAmount: Stripe's units cannot express the amount, or Stripe does not accept the currency.
    """
    ours, theirs = currency_digits(amount.currency), _stripe_digits(amount.currency)
    if ours > theirs and amount.currency not in _NO_DECIMALS:
        raise UnchargeableAmount(f"Stripe does not charge {amount.currency}, which has {ours} decimal places.")
    units, rest = divmod(amount.minor * _power(theirs), _power(ours))
    if rest or units % stripe_step(amount.currency):
        raise UnchargeableAmount(f"Stripe cannot charge {amount} exactly.")
    return units


def from_stripe(units: int, currency: str) -> Amount:
    """Return an amount in minor units; `currency` may have small letters, as in Stripe's objects.

    Raises:
        UnchargeableAmount: the amount is no whole number of minor units.
    """
    code = currency.upper()
    minor, rest = divmod(units * _power(currency_digits(code)), _power(_stripe_digits(code)))
    if rest:
        raise UnchargeableAmount(f"{units} of Stripe's units in {code} are no whole number of minor units.")
    return Amount(minor, code)


def stripe_step(currency: str) -> int:
    """Return the number of which every amount in Stripe's units must be a multiple."""
    if currency in _WHOLE_MAJOR:
        return 100
    return 10 if currency in _THREE_DECIMALS else 1


def _stripe_digits(currency: str) -> int:
    if currency in _NO_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else _DIGITS_USUAL


def _power(digits: int) -> int:
    scale: int = 10**digits
    return scale
