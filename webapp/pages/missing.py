"""The page for an address that is none of ours."""

import reflex as rx

from webapp.components.layout import Ui, link, page


@rx.page(route="/404", image="/favicon.svg", title="No such page")  # type: ignore[untyped-decorator]
def missing_page() -> Ui:
    """Say that there is nothing here, and where there is something."""
    return page(
        rx.el.div(
            rx.el.h1("There is nothing here"),
            rx.el.p("The address may be mistyped, or the page was never there."),
            rx.el.p(
                link("See the tickets", to="/", class_name="button"),
                link("My bookings", to="/bookings", class_name="button"),
                class_name="actions",
            ),
            class_name="sheet",
        )
    )
