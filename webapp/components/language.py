"""The texts of the pages, from `webapp/strings`, in English and other languages.

The browser selects the language and formats the texts (language.js). A page names a text by its key, with its values.
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
"""The name of each language in that language."""

_MODULE = "$/utils/language"
_TEXTS: dict[str, str] = json.loads((STRINGS / "en.json").read_text(encoding="utf-8"))
_ARGUMENT = re.compile(r"\{\s*(\w+)\s*[,}]")


def arguments(message: str) -> set[str]:
    """Return the names of an ICU message's values."""
    return set(_ARGUMENT.findall(message))


# Each component that uses such a var has the hook, wherever the compiler places the component.
_WORDS = VarData(
    imports={_MODULE: [rx.ImportVar(tag="useWords")]},
    hooks={"const words = useWords();": None},
)


def _call(name: str, *values: Any) -> Any:
    function = rx.Var(f"words.{name}", _var_data=_WORDS).to(FunctionVar)
    return function.call(*values).to(str)


def in_every_language(key: str) -> dict[str, str]:
    """Return a text without values by language, for pages that the browser cannot translate.

    Raises:
        KeyError: there is no such text.
    """
    return {code: json.loads((STRINGS / f"{code}.json").read_text(encoding="utf-8"))[key] for code in LANGUAGES}


def in_english(key: str) -> str:
    """Return a text without values, for the head of a page, which the build writes.

    Raises:
        KeyError: there is no such text.
    """
    return _TEXTS[key]


def say(key: str, **values: Any) -> Any:
    """Return a text in the visitor's language.

    Raises:
        KeyError: there is no such text.
        TypeError: the text has other values.
    """
    if arguments(_TEXTS[key]) != set(values):
        raise TypeError(f"The text {key!r} has the values {sorted(arguments(_TEXTS[key]))}, not {sorted(values)}.")
    return _call("say", key, values) if values else _call("say", key)


def name(text: Any, **props: Any) -> Any:
    """Return an inline element with a name as it was entered.

    The name has its own direction, and translators leave it alone.
    """
    return rx.el.span(text, dir="auto", custom_attrs={"translate": "no"}, **props)


def free_text(text: Any) -> Any:
    """Return an inline element with a text of the organiser, which has its own direction."""
    return rx.el.span(text, dir="auto")


def money(amount: Any, priced: Any) -> Any:
    """Format an amount in the visitor's locale, in the currency of `priced`, which is an event or an order."""
    return _call("money", amount, priced)


def price(amount: Any, priced: Any) -> Any:
    """Format a price or a total. The price of free tickets is a text without an amount."""
    return rx.cond(amount == 0, say("price.free"), money(amount, priced))


def currency_code(amount: Any, priced: Any) -> Any:
    """Return the code of the currency of `priced`, or "" if a price in the visitor's locale contains it or is free."""
    return rx.cond(amount == 0, "", _call("currencyCode", priced))


def number(value: Any) -> Any:
    """Format a count in the visitor's locale."""
    return _call("number", value)


def span(seconds: Any) -> Any:
    """Format the time until an event, in seconds: whole days, or hours, minutes and seconds within the last day."""
    return _call("span", seconds)


def moment(time: Any, time_zone: Any) -> Any:
    """Format a point in time by the clock of a place; its zone is named if the visitor's clock shows another time."""
    return _call("moment", time, time_zone)


def local(style: str, time: Any, time_zone: Any) -> Any:
    """Format a part of a time by the clock of a place.

    `style` is `weekday`, `date`, `shortDate`, `day`, `month`, `shortMonth` or `hour`, which names a zone that is not
    the visitor's.
    """
    return _call(style, time, time_zone)


language: Any = rx.Var("words.language", _var_type=str, _var_data=_WORDS).guess_type()
"""The code of the page's language."""

choose_language: Any = rx.Var(
    "chooseLanguage", _var_data=VarData(imports={_MODULE: [rx.ImportVar(tag="chooseLanguage")]})
).to(FunctionVar)
"""The browser's function that changes the language of the pages and stores the choice."""
