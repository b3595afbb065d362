"""Small things that any page may need of the browser (page.js)."""

from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked

_MODULE = "$/utils/page"


class RememberedInput(Part):
    """A text input that starts with what the browser kept under `storage_key`."""

    library = _MODULE
    tag = "RememberedInput"

    storage_key: rx.Var[str]
    """The name in the browser's local storage."""
    refused: rx.Var[int]
    """Changes, and is not 0, whenever what it holds was refused: then it is marked and takes the focus."""


class PageTitle(Part):
    """Names the browser's tab in the visitor's language; "" leaves it. It draws nothing."""

    library = _MODULE
    tag = "PageTitle"

    text: rx.Var[str]


copied: Any = hooked(_MODULE, "copied", "useCopied()", str)
"""What became of the last copying, for a few seconds: `done`, or `select` where it is not possible."""


def copy_text(text: Any) -> Any:
    """Return an event that copies a text."""
    return action(_MODULE, "copyText", text)


def print_page() -> Any:
    """Return an event that prints the page."""
    return action(_MODULE, "printPage")


def reload_page() -> Any:
    """Return an event that loads the page anew."""
    return action(_MODULE, "reloadPage")
