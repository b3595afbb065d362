"""Money: whole minor units inside the system, the currency's major unit on the wire (ISO 4217)."""

_ZERO_DECIMAL_CURRENCIES = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX",
                                      "UYI", "VND", "VUV", "XAF", "XOF", "XPF"})  # fmt: skip
_THREE_DECIMAL_CURRENCIES = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


def to_major(amount_minor: int, currency: str) -> int | float:
    """Return an amount in the currency's major unit: 1250 US cents are 12.5, 10000 are 100."""
    if currency in _ZERO_DECIMAL_CURRENCIES:
        return amount_minor
    scale = 1000 if currency in _THREE_DECIMAL_CURRENCIES else 100
    whole, rest = divmod(amount_minor, scale)
    return amount_minor / scale if rest else whole
