"""The characters that printed tickets can show: those of the embedded fonts."""

import contextlib
import functools
import re
import unicodedata
from pathlib import Path

import fontpkg
from fontTools.ttLib import TTFont

FAMILIES = ("Noto Sans", "Noto Sans Arabic")
"""The families of the embedded fonts, by preference. They have Latin, Greek, Cyrillic and Arabic letters."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

HEADING_RUN_MAX = 24
"""The most characters without a space that stay on one line of a heading."""
FACT_RUN_MAX = 30
"""The same for a fact, which has smaller letters. A reference that the API has made has 27: a copy of it is whole."""
_BREAK = "\N{ZERO WIDTH SPACE}"
_CONTROLS = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
"""Characters that would change the direction or the lines of the text around them, or that no PDF may contain."""
_INVISIBLE = frozenset({"Cf", "Mn", "Me"})
"""The categories of marks and of other controls. Without a glyph they are dropped."""


def font_files() -> list[Path]:
    """Return the files of the embedded fonts, in the order of `FAMILIES`."""
    return [fontpkg.path(family) for family in FAMILIES]


def printable(text: str, run_max: int = FACT_RUN_MAX) -> str:
    """Return a text in which every character has a glyph, and in which a word of more than `run_max` can be broken.

    A visible character without a glyph becomes `REPLACEMENT`, and so does a text without a visible character.
    """
    characters = map(_printable, _CONTROLS.sub("", unicodedata.normalize("NFC", text)))
    return " ".join(_breakable(word, run_max) for word in "".join(characters).split()) or REPLACEMENT


@functools.cache
def _glyphs() -> frozenset[int]:
    with contextlib.ExitStack() as stack:
        fonts = [stack.enter_context(TTFont(file, lazy=True)) for file in font_files()]
        return frozenset().union(*(font.getBestCmap() for font in fonts))


def _printable(character: str) -> str:
    if character.isspace():
        return " "
    if ord(character) in _glyphs():
        return character
    return "" if unicodedata.category(character) in _INVISIBLE else REPLACEMENT


def _breakable(word: str, run_max: int) -> str:
    return _BREAK.join(word[start : start + run_max] for start in range(0, len(word), run_max))
