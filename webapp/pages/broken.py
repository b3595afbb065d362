"""The page that replaces a page with an error."""

import reflex as rx
from reflex.vars.function import FunctionVar
from reflex_components_core.base.error_boundary import ErrorBoundary  # type: ignore[import-untyped]

from webapp.components.language import say
from webapp.components.layout import Ui, link, message_page
from webapp.components.page import PageTitle, reload_page


def boundary() -> Ui:
    """Return the boundary around every page, which catches errors of rendering."""
    # React logs the error to the console. Reflex's default would send it to a server.
    ignore = rx.Var("(() => {})").to(FunctionVar, rx.EventChain)
    return ErrorBoundary.create(fallback_render=rx.Var.create(_broken_page()), on_error=ignore)


def _broken_page() -> Ui:
    """Return a page that uses no state. Its links reload the document."""
    return rx.fragment(
        PageTitle.create(text=say("error.title")),
        rx.el.header(link(say("site.name"), to="/", reload_document=True, class_name="brand"), class_name="top"),
        rx.el.main(
            rx.el.div(
                message_page(
                    say("error.title"),
                    say("error.text"),
                    rx.el.button(say("error.reload"), type="button", on_click=reload_page()),
                    link(say("nav.bookings"), to="/bookings", reload_document=True, class_name="button"),
                    link(say("nav.all_events"), to="/", reload_document=True, class_name="button"),
                ),
                role="alert",
            ),
            id="content",
        ),
    )
