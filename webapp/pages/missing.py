"""The page for an unknown address."""

import reflex as rx

from webapp.components.language import in_english, say
from webapp.components.layout import Ui, link, message_page, page
from webapp.components.page import PageTitle


@rx.page(  # type: ignore[untyped-decorator]
    route="/404",
    image="/favicon.svg",
    title=in_english("missing.title"),
    description=in_english("missing.text"),
)
def missing_page() -> Ui:
    """Return the page for an unknown address, with links to other pages."""
    return page(
        PageTitle.create(text=say("missing.title")),
        message_page(
            say("missing.title"),
            say("missing.text"),
            link(say("nav.all_events"), to="/", class_name="button"),
            link(say("nav.bookings"), to="/bookings", class_name="button"),
        ),
    )
