"""The app of the staff pages: its pages, its style, and the gate in front of its event handlers."""

import reflex as rx
from reflex.vars.function import FunctionVar
from reflex_components_core.base.error_boundary import ErrorBoundary  # type: ignore[import-untyped]

from webapp import reflex_patch
from webapp.apps import STAFF
from webapp.prerendered import SETTINGS_ID
from webapp.staff import texts
from webapp.staff.frame import Ui, message, reload_link
from webapp.staff.pages import orders, overview, people
from webapp.staff.session import SessionGate, report_failure

__all__ = ["app", "orders", "overview", "people"]


_WITH_SLASH = (
    f'location.pathname === "{STAFF.path}" && '
    f'history.replaceState(history.state, "", "{STAFF.path}/" + location.search + location.hash);'
)
"""The router matches only addresses that begin with the app's path and a slash."""


def _boundary() -> Ui:
    """Return the boundary around every page, which catches errors of rendering."""
    # React logs the error to the console. Reflex's default would show the source code.
    ignore = rx.Var("(() => {})").to(FunctionVar, rx.EventChain)
    broken = rx.el.main(message(*texts.BROKEN, reload_link()), role="alert", class_name="staff")
    return ErrorBoundary.create(fallback_render=rx.Var.create(broken), on_error=ignore)


app = rx.App(
    html_lang="en",
    stylesheets=["/app.css", "/staff.css"],
    head_components=[
        rx.el.script(_WITH_SLASH),
        # webapp/prerendered.py fills in the settings.
        rx.el.script(id=SETTINGS_ID, type="application/json", custom_attrs={"data-settings": "{}"}),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.meta(name="color-scheme", content="light dark"),
        rx.el.meta(name="robots", content="noindex"),
    ],
    toaster=None,
    backend_exception_handler=report_failure,
)
app.add_middleware(SessionGate())
reflex_patch.replace_wraps(app, _boundary)
