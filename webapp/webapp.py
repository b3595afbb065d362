"""The web app: its pages, style and frame."""

import reflex as rx

from webapp.pages import booking, bookings, event, home, missing
from webapp.pages.broken import boundary
from webapp.prerendered import SETTINGS_ID

__all__ = ["app", "booking", "bookings", "event", "home", "missing"]

app = rx.App(
    # Pages are files: what a visitor does stays in the browser, or goes to the API.
    enable_state=False,
    html_lang="en",
    stylesheets=["/app.css"],
    head_components=[
        # The server fills it: webapp/prerendered.py.
        rx.el.script(id=SETTINGS_ID, type="application/json", custom_attrs={"data-settings": "{}"}),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.meta(name="color-scheme", content="light dark"),
    ],
    toaster=None,
)
# Reflex's own overlay shows toasts in a style and words of its own; each page's frame says it instead.
app.app_wraps.pop((5, "Overlay"), None)
# Nor its own page for errors, which shows where in the code they are.
app.app_wraps[55, "ErrorBoundary"] = lambda _stateful: boundary()
