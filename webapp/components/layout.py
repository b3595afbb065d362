"""What every page has around it."""

from typing import Any

import reflex as rx
from reflex.style import toggle_color_mode
from reflex.vars.function import ArgsFunctionOperation, FunctionVar
from reflex_components_core.el.elements.inline import A  # type: ignore[import-untyped]
from reflex_components_core.react_router import link  # type: ignore[import-untyped]

from webapp.components.language import LANGUAGES, choose_language, language, say

__all__ = ["Ui", "away_notice", "away_page", "link", "message_page", "notice_box", "page", "spinner"]

# What a function that builds a part of a page returns: Reflex's element functions have no types.
Ui = Any


def page(*content: rx.Component) -> Ui:
    """Return a page with the site's header and footer around `content`."""
    return rx.fragment(
        # Not the router's link, which `rx.el.a` is: it would only scroll, and the browser itself moves the focus along.
        A.create(say("skip"), href="#content", class_name="skip"),
        rx.el.header(
            link(say("site.name"), to="/", class_name="brand"),
            rx.el.nav(
                link(say("nav.concerts"), to="/"),
                link(say("nav.bookings"), to="/bookings"),
                aria_label=say("nav.label"),
            ),
            _language_picker(),
            rx.el.button(
                rx.el.span(class_name="half", aria_hidden="true"),
                type="button",
                class_name="mode",
                aria_label=say("mode.switch"),
                on_click=toggle_color_mode,
            ),
            class_name="top",
        ),
        rx.el.main(*content, id="content", tab_index=-1),
        rx.el.footer(rx.el.p(say("site.demonstration")), class_name="foot"),
    )


def message_page(title: Any, text: Any, *actions: rx.Component) -> Ui:
    """Return the content of a page that has nothing to show but words and ways on."""
    return rx.el.div(
        rx.el.h1(title),
        rx.el.p(text, class_name="message-text"),
        rx.el.p(*actions, class_name="actions"),
        class_name="sheet",
    )


def notice_box(kind: Any, title: Any, text: Any, *more: rx.Component) -> Ui:
    """Return what became of a click; `kind` tells the style sheet."""
    return rx.el.div(
        rx.el.p(title, class_name="notice-title"),
        rx.cond(text != "", rx.el.p(text)),
        *more,
        class_name="notice",
        data_kind=kind,
    )


def away_page(*actions: rx.Component) -> Ui:
    """Return the content of a page that looks for the API, and shows that it does."""
    return message_page(say("away.title"), rx.fragment(spinner(), say("away.text")), *actions)


def away_notice() -> Ui:
    """Return the same for a part of a page."""
    return rx.el.div(
        rx.el.p(say("away.title"), class_name="notice-title"),
        rx.el.p(spinner(), say("away.text"), class_name="message-text"),
        class_name="notice",
        role="status",
    )


def spinner() -> Ui:
    """Return what shows that something goes on; the words beside it say what."""
    return rx.el.span(class_name="spinner", aria_hidden="true")


def _language_picker() -> Ui:
    picked = ArgsFunctionOperation.create(("code",), choose_language.call(rx.Var("code")))
    return rx.el.select(
        *[rx.el.option(name, value=code, lang=code) for code, name in LANGUAGES.items()],
        value=language,
        on_change=picked.to(FunctionVar, rx.EventChain),
        aria_label=say("language.label"),
        class_name="language",
    )
