"""The frame of every staff page, which shows the page only to a session with a role."""

from collections.abc import Callable
from typing import Any

import reflex as rx
from reflex.style import toggle_color_mode
from reflex_components_core.core.banner import has_connection_errors  # type: ignore[import-untyped]
from reflex_components_core.el.elements.inline import A  # type: ignore[import-untyped]
from reflex_components_core.react_router import link  # type: ignore[import-untyped]

from webapp.apps import STAFF
from webapp.components.browser import Part
from webapp.staff import texts
from webapp.staff.session import StaffState

Ui = Any
"""The return type of functions that build a part of a page: Reflex's element functions have no types."""

_SESSION = "$/utils/account/staff_session"
_SIGN_IN = f"/sign-in?to={STAFF.path}"
_PAGES = (("/", texts.OVERVIEW), ("/orders", texts.ORDERS), ("/people", texts.PEOPLE))
"""The pages in the navigation, with their addresses below that of the app."""


class StaffSignOutButton(Part):
    """The button that signs out, after which the browser forgets the account."""

    library = _SESSION
    tag = "StaffSignOutButton"


class StaffSessionEnd(Part):
    """Forgets the account in the browser after its sign-out."""

    library = _SESSION
    tag = "StaffSessionEnd"

    access: rx.Var[str]


def staff_page(route: str, title: str, on_load: Any) -> Callable[[Callable[[], Ui]], Any]:
    """Return the decorator that makes a staff page of a function, which returns the page's content.

    Args:
        route: the address below that of the app.
        title: the heading of the page.
        on_load: the handler that reads the page's data.
    """

    def decorate(content: Callable[[], Ui]) -> Any:
        def framed() -> Ui:
            return _frame(title, content())

        framed.__name__ = content.__name__
        return rx.page(route=route, title=f"{title} · {texts.SITE}", on_load=on_load)(framed)

    return decorate


def failure() -> Ui:
    """Return the reason for which the last action failed."""
    return rx.el.p(StaffState.failure, role="alert", class_name="staff-failure")


def field(label: str, *control: Ui) -> Ui:
    """Return a control of a form with its label."""
    return rx.el.label(rx.el.span(label, class_name="label"), *control, class_name="field")


def message(title: str, text: str, *actions: rx.Component) -> Ui:
    """Return the content of a page without access to its data."""
    return rx.el.div(rx.el.h1(title), rx.el.p(text, class_name="message-text"), rx.el.p(*actions, class_name="actions"))


def reload_link() -> Ui:
    """Return a link that loads the page anew."""
    return A.create(texts.TRY_AGAIN, href="", class_name="button")


def _frame(title: str, content: Ui) -> Ui:
    return rx.fragment(
        A.create(texts.SKIP, href="#content", class_name="skip"),
        rx.el.header(
            link(texts.SITE, to="/", class_name="brand"),
            rx.el.nav(*[link(name, to=path) for path, name in _PAGES], aria_label=texts.NAVIGATION),
            rx.el.button(
                rx.el.span(class_name="half", aria_hidden="true"),
                type="button",
                class_name="mode",
                aria_label=texts.MODE,
                on_click=toggle_color_mode,
            ),
            class_name="top",
        ),
        rx.el.main(
            rx.el.p(rx.cond(has_connection_errors, texts.OFFLINE, ""), role="status", class_name="staff-offline"),
            rx.match(
                StaffState.access,
                ("granted", rx.fragment(rx.el.h1(title), _account(), failure(), content)),
                ("signed_out", message(*texts.SIGNED_OUT, _sign_in_link())),
                ("no_role", message(*texts.NO_ROLE, _sign_in_link(), _sign_out_button())),
                ("away", message(*texts.AWAY, reload_link())),
                rx.el.h1(texts.CHECKING),
            ),
            id="content",
            tab_index=-1,
            class_name="staff",
        ),
        StaffSessionEnd.create(access=StaffState.access),
        rx.el.footer(A.create(texts.TO_BUYERS, href="/"), class_name="foot"),
    )


def _account() -> Ui:
    return rx.el.p(
        texts.SIGNED_IN_AS, " ", rx.el.b(StaffState.email, dir="auto"), _sign_out_button(), class_name="staff-account"
    )


def _sign_in_link() -> Ui:
    # A plain link loads the page, so that the next connection has the cookie of the new session.
    return A.create(texts.SIGN_IN, href=_SIGN_IN, class_name="button first")


def _sign_out_button() -> Ui:
    return StaffSignOutButton.create(texts.SIGN_OUT, on_click=StaffState.sign_out, class_name="button")
