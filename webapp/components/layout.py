"""The frame of every page, and parts that several pages share."""

from typing import Any

import reflex as rx
from reflex.style import toggle_color_mode
from reflex.vars.function import ArgsFunctionOperation, FunctionVar
from reflex_components_core.el.elements.inline import A  # type: ignore[import-untyped]
from reflex_components_core.react_router import link  # type: ignore[import-untyped]

from webapp.components.language import LANGUAGES, choose_language, in_every_language, language, say
from webapp.components.page import PageLoader
from webapp.prerendered import DEMONSTRATION

__all__ = ["Ui", "away_notice", "away_page", "link", "message_page", "notice_box", "page", "spinner"]

# The return type of functions that build a part of a page: Reflex's element functions have no types.
Ui = Any


def page(*content: rx.Component) -> Ui:
    """Return a page with the site's header and footer around `content`."""
    return rx.fragment(
        # A plain link moves the focus. The router's link, which `rx.el.a` is, would only scroll.
        A.create(say("skip"), href="#content", class_name="skip"),
        rx.el.header(
            link(say("site.name"), to="/", class_name="brand"),
            rx.el.nav(
                link(say("nav.events"), to="/"),
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
        rx.el.footer(
            rx.el.p(rx.el.span(say("site.demonstration"), " ", class_name=DEMONSTRATION), say("site.times")),
            class_name="foot",
        ),
        rx.el.noscript(*[rx.el.p(text, lang=code) for code, text in in_every_language("site.needs_scripts").items()]),
        PageLoader.create(),
    )


def message_page(title: Any, text: Any, *actions: rx.Component) -> Ui:
    """Return the content of a page that consists of a text and actions."""
    return rx.el.div(
        rx.el.h1(title),
        rx.el.p(text, class_name="message-text"),
        rx.el.p(*actions, class_name="actions"),
        class_name="sheet",
    )


def notice_box(kind: Any, title: Any, text: Any, *more: rx.Component) -> Ui:
    """Return a notice about the outcome of a click; the style sheet depends on `kind`."""
    return rx.el.div(
        rx.el.p(title, class_name="notice-title"),
        rx.cond(text != "", rx.el.p(text)),
        *more,
        class_name="notice",
        data_kind=kind,
    )


def away_page(*actions: rx.Component) -> Ui:
    """Return the content of a page while the API is out of reach."""
    return message_page(say("away.title"), rx.fragment(spinner(), say("away.text")), *actions)


def away_notice() -> Ui:
    """Return the notice of a part of a page while the API is out of reach."""
    return rx.el.div(
        rx.el.p(say("away.title"), class_name="notice-title"),
        rx.el.p(spinner(), say("away.text"), class_name="message-text"),
        class_name="notice",
        role="status",
    )


def spinner() -> Ui:
    """Return an animation that shows activity. The text beside it names the activity."""
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
