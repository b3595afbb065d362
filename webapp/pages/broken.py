"""What is shown in place of a page that could not be drawn."""

import reflex as rx
from reflex_components_core.base.error_boundary import ErrorBoundary  # type: ignore[import-untyped]

from webapp.components.language import say
from webapp.components.layout import Ui, link, message_page
from webapp.components.page import PageTitle, reload_page


def boundary() -> Ui:
    """Return what is put around every page: it catches what goes wrong while one is drawn, and logs it."""
    return ErrorBoundary.create(fallback_render=rx.Var.create(_broken_page()))


def _broken_page() -> Ui:
    """Return a page that needs none of what may be broken; its links load the next page anew."""
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
                    link(say("nav.all_concerts"), to="/", reload_document=True, class_name="button"),
                ),
                role="alert",
            ),
            id="content",
        ),
    )
