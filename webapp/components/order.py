"""An order as a torn-off ticket; two pages show it."""

from typing import Any

import reflex as rx

from webapp.components.availability import money, when
from webapp.components.layout import Ui, link
from webapp.models import CONCERT, Order, Ticket

_STATUS_WORDS = {
    "confirmed": "Confirmed",
    "pending": "Waiting for payment",
    "declined": "Payment declined",
    "cancelled": "Cancelled",
    "expired": "Expired",
    "refunded": "Refunded",
}


def status_words(status: Any) -> Any:
    """Say an order's status in words."""
    return rx.match(status, *_STATUS_WORDS.items(), status)


def order_total(order: Any) -> Any:
    """Return the order's total in the visitor's locale."""
    return rx.el.span(money(order.total, order.currency), class_name="figures")


def ticket_row(ticket: rx.vars.ObjectVar[Ticket]) -> Ui:
    """Return one ticket of an order."""
    return rx.el.li(
        rx.el.span(ticket.place, class_name="place"),
        rx.el.span(ticket.tier, class_name="small"),
        rx.el.span(f"No. {ticket.id}", class_name="small figures"),
    )


def order_card(order: rx.vars.ObjectVar[Order]) -> Ui:
    """Return an order in a list, as a link to its own page."""
    return rx.el.li(
        link(
            rx.el.span(order.title, class_name="card-title"),
            rx.el.span(status_words(order.status), class_name="status", data_status=order.status),
            rx.el.span(order.reference, class_name="card-reference"),
            rx.el.span(when(order.booked_at), class_name="small figures"),
            order_total(order),
            to=f"/booking/{order.reference}",
        ),
        class_name="card",
    )


def concert_line() -> Ui:
    """Name the concert, its place and time in one line."""
    return rx.el.p(
        rx.el.strong(CONCERT.title),
        f", {CONCERT.venue}. {CONCERT.weekday} {CONCERT.day} {CONCERT.month} {CONCERT.year}, {CONCERT.time}",
        class_name="concert-line",
    )
