"""Short references: the eight characters by which a buyer names an order on the phone or at the box office.

A short reference consists of the order's id, scattered so that it does not reveal the number of orders, and a check
character. The alphabet is Crockford's base32, which has no I, L, O and U. A short reference is no secret, and gives no
access to its order.
"""

LENGTH = 8
IDS = 2**35
"""The number of ids that seven characters can represent. Orders whose ids differ by this number share a reference."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_BITS = 5
_IGNORED = str.maketrans("", "", "- ")

_LARGEST = IDS - 1
_MULTIPLIER = 0x5_9E37_79B1
"""An odd number, so that the multiplication modulo a power of two has an inverse."""
_INVERSE = pow(_MULTIPLIER, -1, IDS)
_FOLD = 18
"""At least half of the 35 bits, so that folding them is its own inverse."""

_TIMES_X = tuple(value << 1 ^ (0b100101 if value & 0b10000 else 0) for value in range(1 << _BITS))
"""Each element of the field GF(32) times the generator x, with x⁵ = x² + 1.

The position of a character gives it a power of x as its weight in the check character. All weights differ, so that the
check character reveals each wrong character and each exchange of two characters.
"""

_PAIRS = tuple(one + other for one in _ALPHABET for other in _ALPHABET)
"""Two characters by their ten bits."""
_CHECKS = tuple(_TIMES_X[_TIMES_X[pair >> _BITS] ^ pair & 31] for pair in range(1 << 2 * _BITS))
"""The check value of two characters by their ten bits. A check value in front of them is part of the first one."""
_ENDS = tuple(
    digit + _ALPHABET[_TIMES_X[check ^ value]] for check in range(1 << _BITS) for value, digit in enumerate(_ALPHABET)
)
"""The last two characters by the check value of the first six and the five bits of the seventh."""


def short_reference(order_id: int) -> str:
    """Return the short reference of an order."""
    value = order_id * _MULTIPLIER & _LARGEST
    value = (value ^ value >> _FOLD) * _MULTIPLIER & _LARGEST
    first, second, third = value >> 25, value >> 15 & 1023, value >> 5 & 1023
    check = _CHECKS[_CHECKS[_CHECKS[first] << _BITS ^ second] << _BITS ^ third]
    return _PAIRS[first] + _PAIRS[second] + _PAIRS[third] + _ENDS[check << _BITS | value & 31]


def order_id_of(text: str) -> int | None:
    """Return the id of the order, modulo `IDS`, from a typed short reference; None if the text is none.

    The case of letters, spaces and hyphens make no difference. The letter O stands for 0, the letters I and L for 1.
    """
    value = 0
    characters = text.translate(_IGNORED).upper()
    for character in characters[:-1]:
        value = value << _BITS | _VALUES.get(character, 0)
    value = value * _INVERSE & _LARGEST
    order_id = (value ^ value >> _FOLD) * _INVERSE & _LARGEST
    return order_id if _canonical(characters) == short_reference(order_id) else None


def grouped(reference: str) -> str:
    """Return a short reference in two groups of characters, which are easier to read."""
    return f"{reference[: LENGTH // 2]}-{reference[LENGTH // 2 :]}"


def _canonical(characters: str) -> str:
    return "".join(_ALPHABET[_VALUES[each]] if each in _VALUES else each for each in characters)
