"""The pages' texts by their keys, so that a change of wording touches no test.

PyPI has no maintained formatter of ICU messages in pure Python. This one covers the forms that the string files use:
`{name}`, `{name, number}`, and `{name, plural, ...}` or `{name, select, ...}` whose forms contain no further one.
"""

import functools
import json
import re

from webapp.components.language import STRINGS

_ARGUMENT = re.compile(r"\{(\w+)(, number)?\}")
_FORM = re.compile(r" ?(=\d+|\w+) \{((?:[^{}]|\{[^{}]*\})*)\}")
_CHOICE = re.compile(rf"\{{(\w+), (?:plural|select),((?:{_FORM.pattern})+)\}}")


def words(key: str, language: str = "en", /, **values: int | str) -> str:
    """Return a text as a page shows it.

    English rules format numbers and choose plural forms. Pass a number as a string to insert it unchanged; it takes
    the plural form `other`.

    Raises:
        KeyError: the text or a value is missing.
    """

    def choose(choice: re.Match[str]) -> str:
        value = values[choice[1]]
        forms = {form[1]: form[2] for form in _FORM.finditer(choice[2])}
        names = (f"={value}", str(value), "one" if value == 1 else "other", "other")
        form = next(forms[name] for name in names if name in forms)
        return form.replace("#", _number(value))

    def insert(argument: re.Match[str]) -> str:
        value = values[argument[1]]
        return _number(value) if argument[2] else str(value)

    return _ARGUMENT.sub(insert, _CHOICE.sub(choose, texts(language)[key]))


def pattern(key: str, /, **values: str) -> re.Pattern[str]:
    """Return a pattern that matches a text in English; `values` are regular expressions."""
    # Characters for private use, which escaping leaves as they are and no text contains.
    marks = {name: chr(0xE000 + index) for index, name in enumerate(values)}
    escaped = re.escape(words(key, **marks))
    for name, mark in marks.items():
        escaped = escaped.replace(mark, values[name])
    return re.compile(escaped)


def _number(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


@functools.cache
def texts(language: str) -> dict[str, str]:
    """Return every text of a language, unformatted, by its key."""
    loaded: dict[str, str] = json.loads((STRINGS / f"{language}.json").read_text(encoding="utf-8"))
    return loaded
