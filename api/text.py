"""Names that people type: one spelling for storage and comparison, and one key for limits. The form of addresses.

`webapp/js/text.js` has the same `normalize` and refuses the same names. Tests compare the two.
"""

import re
import unicodedata

TEXT_MAX = 128
"""Maximum length of a tier name, user id or reference, in characters."""

_BIDI_CONTROLS = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Unicode's property Bidi_Control. These characters can make a name look like another one."""
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
)
"""Unicode's property Default_Ignorable_Code_Point within the basic plane, and the blank of Braille."""
_INVISIBLE_BEYOND = r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
"""The same property beyond the basic plane."""

TEXT_PATTERN = (
    # Generators of texts ignore a negative lookahead, but take a positive one for a part of the text.
    rf"^(?![\s{_INVISIBLE}]*(?![\s\S]))"
    rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029{_BIDI_CONTROLS}]{{1,{TEXT_MAX}}}(?![\s\S])"
    # The last lookahead replaces $, which also matches before a final line feed.
)
"""At least one visible character; no control character, line separator or direction character.

The pattern regards invisible characters beyond the basic plane as visible, because JSON Schema defines no escape for
them. `limit_key` recognizes them.
"""
TEXT_RULE = "must have a visible character, and no control or direction characters"
"""The rule of the pattern in words."""

EMAIL_MAX = 254
"""Maximum length of an e-mail address in characters, by RFC 5321."""
EMAIL_PATTERN = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@"
    r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*(?![\s\S])"
)
"""An address that a browser's field for e-mail addresses accepts, by the HTML standard.

It has ASCII characters only. Browsers convert the name of an international domain.
"""

_LOOK_ALIKE = re.compile(rf"[\s{_INVISIBLE}{_INVISIBLE_BEYOND}]+")
_BLANKS = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""The characters that JavaScript's `trim` removes."""


def normalize(text: str) -> str:
    """Return a name as it is stored and compared: composed (NFC) and without blanks around it."""
    return unicodedata.normalize("NFC", text).strip(_BLANKS)


def limit_key(name: str) -> str:
    """Return the key under which a buyer's limits count.

    Names that differ only in case, width, blanks or invisible characters share a key. The key of a name without a
    visible character is empty.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return _LOOK_ALIKE.sub("", folded)[:TEXT_MAX]  # NFKC can make a name eighteen times as long.
