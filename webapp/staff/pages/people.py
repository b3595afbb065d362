"""The page of the roles: an admin sees, grants and revokes them."""

from typing import Any

import reflex as rx

from webapp.staff import texts
from webapp.staff.frame import Ui, field, staff_page
from webapp.staff.session import StaffState

_GRANTS = "/api/desk/grants"


class PeopleState(StaffState):
    """The roles of all accounts."""

    grants: list[dict[str, str]] = []  # noqa: RUF012 - Reflex copies the default
    outcome: str = ""
    """The text about the last change."""

    @rx.event
    async def load(self) -> None:
        """Read the roles."""
        self.failure = self.outcome = ""
        await self._read()

    @rx.event
    async def grant(self, form: dict[str, Any]) -> None:
        """Grant the role of the form."""
        self.failure = self.outcome = ""
        event = str(form.get("event", "")).strip() or None
        await self._call(
            "POST", _GRANTS, {"email": form.get("email", ""), "role": form.get("role", ""), "event": event}
        )
        await self._read()
        self.outcome = texts.GRANTED

    @rx.event
    async def revoke(self, grant_id: str) -> None:
        """Revoke a role."""
        self.failure = self.outcome = ""
        await self._call("DELETE", f"{_GRANTS}/{int(grant_id)}")
        await self._read()
        self.outcome = texts.REVOKED

    async def _read(self) -> None:
        listed = await self._call("GET", _GRANTS)
        self.grants = [
            {
                "id": str(grant["id"]),
                "email": grant["email"],
                "role": texts.ROLES[grant["role"]],
                "scope": grant["event"] or texts.ALL_EVENTS,
            }
            for grant in listed["grants"]
        ]


@staff_page("/people", texts.PEOPLE, PeopleState.load)
def people() -> Ui:
    """Show the roles, and the form that grants one."""
    return rx.fragment(
        rx.el.p(PeopleState.outcome, role="status", class_name="staff-outcome"),
        rx.el.table(
            rx.el.thead(
                rx.el.tr(
                    rx.el.th(texts.COLUMN_EMAIL, scope="col"),
                    rx.el.th(texts.COLUMN_ROLE, scope="col"),
                    rx.el.th(texts.COLUMN_SCOPE, scope="col"),
                    rx.el.th(texts.COLUMN_ACTION, scope="col"),
                )
            ),
            rx.el.tbody(rx.foreach(PeopleState.grants, _row)),
            class_name="staff-table",
        ),
        rx.el.h2(texts.GRANT),
        rx.el.form(
            field(texts.EMAIL, rx.el.input(name="email", type="email", required=True, auto_complete="off")),
            field(
                texts.ROLE,
                rx.el.select(*[rx.el.option(name, value=role) for role, name in texts.ROLES.items()], name="role"),
            ),
            field(
                texts.EVENT,
                rx.el.input(name="event", type="text", auto_complete="off"),
                rx.el.span(texts.EVENT_HINT, class_name="small"),
            ),
            rx.el.button(texts.GRANT, type="submit", class_name="button first"),
            on_submit=PeopleState.grant,
            reset_on_submit=True,
            class_name="staff-form",
        ),
    )


def _row(grant: Any) -> Ui:
    revoke: Any = PeopleState.revoke
    return rx.el.tr(
        rx.el.td(grant["email"], dir="auto"),
        rx.el.td(grant["role"]),
        rx.el.td(grant["scope"]),
        rx.el.td(
            rx.el.button(
                texts.REVOKE,
                rx.el.span(" ", grant["role"], ", ", grant["email"], class_name="unseen"),
                type="button",
                on_click=revoke(grant["id"]),
                class_name="button",
            )
        ),
    )
