"""Small parts that any page may need, in the browser: wrappers of webapp/js/page.js."""

from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked

_MODULE = "$/utils/page"


class PageLoader(Part):
    """Loads the scripts of the other pages while the browser is idle."""

    library = _MODULE
    tag = "PageLoader"


class RememberedInput(Part):
    """An input that starts with its value of the last visit."""

    library = _MODULE
    tag = "RememberedInput"

    storage_key: rx.Var[str]
    """Name of the value in the browser's local storage."""
    keeps_draft: rx.Var[bool]
    """True if the tab keeps the typed text across a reload."""
    refused: rx.Var[int]
    """A refusal changes this to another number than 0. The input is then marked and takes the focus."""


class PageTitle(Part):
    """Sets the tab's title in the visitor's language; an empty text keeps the title."""

    library = _MODULE
    tag = "PageTitle"

    text: rx.Var[str]


copied: Any = hooked(_MODULE, "copied", "useCopied()", str)
"""Outcome of the last copying, for a few seconds: `done`, or `select` where the browser offers no clipboard."""


def copy_text(text: Any) -> Any:
    """Return an event that copies a text."""
    return action(_MODULE, "copyText", text)


def print_page() -> Any:
    """Return an event that prints the page."""
    return action(_MODULE, "printPage")


def reload_page() -> Any:
    """Return an event that reloads the page."""
    return action(_MODULE, "reloadPage")
