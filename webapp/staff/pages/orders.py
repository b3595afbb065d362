"""The page of the box office: it finds the orders of an event, and shows the state of the last e-mail of each."""

from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import reflex as rx

from webapp.staff import texts
from webapp.staff.frame import Ui, field, staff_page
from webapp.staff.session import StaffState

_EVENTS = "staff-events"
"""The id of the list of events."""
_FAILED_MAIL = {"bounced", "dead"}
"""The states of an e-mail that its buyer does not have."""


class OrdersState(StaffState):
    """The orders that the last search has found."""

    events: list[dict[str, str]] = []  # noqa: RUF012 - Reflex copies the default
    orders: list[dict[str, str]] = []  # noqa: RUF012 - Reflex copies the default
    outcome: str = ""
    """The text about the last search."""

    @rx.event
    async def load(self) -> None:
        """Read the events, and forget the last search."""
        self.failure = self.outcome = ""
        self.orders = []
        listed = await self._call("GET", "/api/events")
        self.events = [{"slug": event["slug"], "name": event["name"]} for event in listed["events"]]

    @rx.event
    async def find(self, form: dict[str, Any]) -> None:
        """Find the orders of the form's event."""
        self.failure = self.outcome = ""
        self.orders = []
        event, search = (str(form.get(name, "")).strip() for name in ("event", "search"))
        path = f"/api/desk/events/{quote(event, safe='')}/orders?{urlencode({'search': search})}"
        found = await self._call("GET", path)
        self.orders = [_texts_of(order) for order in found["orders"]]
        self.outcome = texts.FOUND.format(number=len(self.orders)) if self.orders else texts.FOUND_NONE


def _texts_of(order: dict[str, Any]) -> dict[str, str]:
    """Return the texts of an order's row."""
    short, mail = order["shortReference"], order["mail"]
    booked = datetime.fromisoformat(order["createdAt"])
    return {
        "short": f"{short[:4]}-{short[4:]}",
        "reference": order["reference"],
        "buyer": order["userId"],
        "email": order["email"] or texts.NO_ADDRESS,
        "status": texts.ORDER_STATES[order["status"]],
        "booked": texts.BOOKED.format(tickets=order["quantity"], time=f"{booked:%d %b %Y, %H:%M} UTC"),
        "payment": texts.PAYMENT_STATES[order["payment"]],
        "total": f"{order['total']:.{order['currencyDigits']}f} {order['currency']}",
        "mail": texts.MAIL_STATES[mail["status"]] if mail else texts.NO_MAIL,
        "error": (mail["error"] or "") if mail and mail["status"] in _FAILED_MAIL else "",
    }


@staff_page("/orders", texts.ORDERS, OrdersState.load)
def orders() -> Ui:
    """Show the form that searches, and the orders that it has found."""
    return rx.fragment(
        rx.el.form(
            field(
                texts.EVENT,
                rx.el.input(name="event", list=_EVENTS, required=True, auto_complete="off"),
                rx.el.span(texts.EVENT_CHOICE, class_name="small"),
            ),
            rx.el.datalist(
                rx.foreach(OrdersState.events, lambda event: rx.el.option(event["name"], value=event["slug"])),
                id=_EVENTS,
            ),
            field(
                texts.SEARCH,
                rx.el.input(name="search", type="search", required=True, auto_complete="off", max_length=254),
                rx.el.span(texts.SEARCH_HINT, class_name="small"),
            ),
            rx.el.button(texts.FIND, type="submit", class_name="button first"),
            on_submit=OrdersState.find,
            class_name="staff-form",
        ),
        rx.el.p(OrdersState.outcome, role="status", class_name="staff-outcome"),
        rx.cond(
            OrdersState.orders,
            rx.el.table(
                rx.el.thead(rx.el.tr(*[rx.el.th(name, scope="col") for name in texts.ORDER_COLUMNS])),
                rx.el.tbody(rx.foreach(OrdersState.orders, _row)),
                class_name="staff-table",
            ),
        ),
    )


def _row(order: Any) -> Ui:
    return rx.el.tr(
        _cell(rx.el.b(order["short"]), rx.el.bdi(order["reference"])),
        _cell(rx.el.bdi(order["buyer"]), rx.el.bdi(order["email"])),
        _cell(order["status"], order["booked"]),
        _cell(order["total"], order["payment"]),
        _cell(order["mail"], rx.el.bdi(order["error"])),
    )


def _cell(first: Any, second: Any) -> Ui:
    """Return a cell with a value and a smaller one below it."""
    return rx.el.td(first, rx.el.span(second, class_name="small staff-second"))
