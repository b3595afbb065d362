"""The words of the pages: every one of them stands in `webapp/strings`, in English and in other languages.

The browser picks the language and writes them (language.js). A page says which text, by its key, and with which values.
"""

import json
import re
from pathlib import Path
from typing import Any

import reflex as rx
from reflex.vars import VarData
from reflex.vars.function import FunctionVar

STRINGS = Path(__file__).parent.parent / "strings"
LANGUAGES = {"en": "English", "de": "Deutsch", "ar": "العربية"}
"""Each language in its own words."""

_MODULE = "$/utils/language"
_TEXTS: dict[str, str] = json.loads((STRINGS / "en.json").read_text(encoding="utf-8"))
_ARGUMENT = re.compile(r"\{\s*(\w+)\s*[,}]")


def arguments(message: str) -> set[str]:
    """Return the names of the values that an ICU message wants."""
    return set(_ARGUMENT.findall(message))


# Each component that uses the var brings the hook along, wherever the compiler places it.
_words: Any = rx.Var(
    "words",
    _var_type=Any,
    _var_data=VarData(
        imports={_MODULE: [rx.ImportVar(tag="useWords")]},
        hooks={"const words = useWords();": None},
    ),
)


def _call(name: str, *values: Any) -> Any:
    function = rx.Var(f"words.{name}", _var_data=_words._get_all_var_data()).to(FunctionVar)  # noqa: SLF001
    return function.call(*values).to(str)


def in_english(key: str) -> str:
    """Return a text without values as the build writes it into a page's head.

    Raises:
        KeyError: there is no such text.
    """
    return _TEXTS[key]


def say(key: str, **values: Any) -> Any:
    """Return a text in the visitor's language.

    Raises:
        KeyError: there is no such text.
        TypeError: it wants other values.
    """
    if arguments(_TEXTS[key]) != set(values):
        raise TypeError(f"The text {key!r} wants {sorted(arguments(_TEXTS[key]))}, not {sorted(values)}.")
    return _call("say", key, values) if values else _call("say", key)


def money(amount: Any, currency: Any) -> Any:
    """Write an amount in the visitor's locale, with its currency."""
    return _call("money", amount, currency)


def number(value: Any) -> Any:
    """Write a count in the visitor's locale."""
    return _call("number", value)


def span(seconds: Any) -> Any:
    """Write a time that is left: minutes and seconds, and hours and days if there are any."""
    return _call("span", seconds)


def moment(time: Any) -> Any:
    """Write when something happened, by the visitor's own clock."""
    return _call("moment", time)


def local(style: str, time: Any, time_zone: Any) -> Any:
    """Write a part of a time by the clock of a place.

    `style` is `weekday`, `date`, `shortDate`, `day`, `month`, `shortMonth` or `hour`, which names a zone that is not
    the visitor's.
    """
    return _call(style, time, time_zone)


language: Any = rx.Var("words.language", _var_type=str, _var_data=_words._get_all_var_data()).guess_type()  # noqa: SLF001
"""The code of the language that the page is shown in."""

choose_language: Any = rx.Var(
    "chooseLanguage", _var_data=VarData(imports={_MODULE: [rx.ImportVar(tag="chooseLanguage")]})
).to(FunctionVar)
"""The browser's function that shows the pages in another language, and keeps that."""
