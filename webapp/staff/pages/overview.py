"""The first page: the roles of the account, and the concerts with their available tickets."""

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import reflex as rx

from webapp.staff import texts
from webapp.staff.frame import Ui, staff_page
from webapp.staff.session import StaffState


class OverviewState(StaffState):
    """The concerts with their available tickets."""

    events: list[dict[str, str]] = []  # noqa: RUF012 - Reflex copies the default

    @rx.event
    async def load(self) -> None:
        """Read the concerts."""
        listed = await self._call("GET", "/api/events")
        self.events = await asyncio.gather(*[self._row(event) for event in listed["events"]])

    async def _row(self, event: dict[str, Any]) -> dict[str, str]:
        """Return the texts of an event's row; the time is that of the venue."""
        tiers = (await self._call("GET", f"/api/tickets/availability?event={event['slug']}")).values()
        starts = datetime.fromisoformat(event["startsAt"]).astimezone(ZoneInfo(event["timeZone"]))
        return {
            "name": event["name"],
            "starts": f"{starts:%d %b %Y, %H:%M}",
            "state": texts.STATES[event["state"]],
            "available": texts.AVAILABLE.format(
                available=sum(tier["available"] for tier in tiers), total=sum(tier["total"] for tier in tiers)
            ),
        }


@staff_page("/", texts.OVERVIEW, OverviewState.load)
def overview() -> Ui:
    """Show the roles and the concerts."""
    return rx.fragment(
        rx.el.h2(texts.YOUR_ROLES),
        rx.el.ul(
            rx.foreach(StaffState.roles, lambda role: rx.el.li(role["name"], ", ", role["scope"])),
            class_name="staff-roles",
        ),
        rx.el.h2(texts.CONCERTS),
        rx.el.table(
            rx.el.thead(
                rx.el.tr(
                    *[
                        rx.el.th(name, scope="col")
                        for name in (
                            texts.COLUMN_EVENT,
                            texts.COLUMN_STARTS,
                            texts.COLUMN_STATE,
                            texts.COLUMN_AVAILABLE,
                        )
                    ]
                )
            ),
            rx.el.tbody(
                rx.foreach(
                    OverviewState.events,
                    lambda event: rx.el.tr(
                        rx.el.td(event["name"], dir="auto"),
                        rx.el.td(event["starts"]),
                        rx.el.td(event["state"]),
                        rx.el.td(event["available"]),
                    ),
                )
            ),
            class_name="staff-table",
        ),
    )
