"""What every page has around it."""

from typing import Any

import reflex as rx
from reflex.style import toggle_color_mode
from reflex_components_core.core.banner import has_too_many_connection_errors  # type: ignore[import-untyped]
from reflex_components_core.react_router import link  # type: ignore[import-untyped]

from webapp.models import CONCERT

__all__ = ["Ui", "link", "page"]

# What a function that builds a part of a page returns: Reflex's element functions have no types.
Ui = Any


def page(*content: rx.Component) -> Ui:
    """Return a page with the site's header and footer around `content`."""
    return rx.fragment(
        # Followed by the browser itself, which moves the focus along; the router would only scroll.
        link("Skip to the content", to="#content", reload_document=True, class_name="skip"),
        rx.el.header(
            link(f"{CONCERT.title}", to="/", class_name="brand"),
            rx.el.nav(
                link("Tickets", to="/"),
                link("My bookings", to="/bookings"),
                aria_label="Site",
            ),
            rx.el.button(
                rx.el.span(class_name="half", aria_hidden="true"),
                type="button",
                class_name="mode",
                aria_label="Switch between light and dark",
                on_click=toggle_color_mode,
            ),
            class_name="top",
        ),
        rx.el.main(*content, id="content", tab_index=-1),
        rx.el.footer(
            rx.el.p("A demonstration: no money is taken. Times are those of the venue."),
            class_name="foot",
        ),
        _connection_notice(),
    )


def _connection_notice() -> Ui:
    """Return what takes the place of Reflex's own toasts while the page's server cannot be reached."""
    return rx.el.div(
        rx.cond(
            has_too_many_connection_errors,
            rx.el.p("The connection to this site is lost. Trying again by itself.", class_name="lost"),
        ),
        role="status",
        aria_live="polite",
    )
