"""The web app: its pages, style and frame."""

import reflex as rx

from webapp import reflex_patch
from webapp.pages import booking, bookings, event, home, missing, sign_in
from webapp.pages.broken import boundary
from webapp.prerendered import SETTINGS_ID

__all__ = ["app", "booking", "bookings", "event", "home", "missing", "sign_in"]

app = rx.App(
    # Pages are files. The browser keeps the visitor's state and sends requests to the API.
    enable_state=False,
    html_lang="en",
    stylesheets=["/app.css"],
    head_components=[
        # webapp/prerendered.py fills in the settings.
        rx.el.script(id=SETTINGS_ID, type="application/json", custom_attrs={"data-settings": "{}"}),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(rel="manifest", href="/manifest.json"),
        rx.el.meta(name="color-scheme", content="light dark"),
    ],
    toaster=None,
)
reflex_patch.replace_wraps(app, boundary)
