"""The tickets of a valid order: their seats and their QR codes."""

from typing import Any

import reflex as rx

from webapp.components.events import when_and_where
from webapp.components.full_screen import full_screen_button, full_screen_dialog
from webapp.components.language import name, number, say
from webapp.components.layout import Ui
from webapp.components.order import OrderTicket, TicketCode, order
from webapp.components.returning import return_button, return_dialog

_CODE_SIZE = 164
"""Width and height of a QR code in CSS pixels."""


def tickets() -> Ui:
    """Return the tickets of a valid order, each with its QR code."""
    return rx.fragment(
        rx.el.h2(say("booking.passes", quantity=order.quantity), class_name="unseen"),
        rx.el.ul(rx.foreach(order.tickets, _ticket), class_name="passes"),
        return_dialog(place_of),
        full_screen_dialog(place_of),
    )


def place_of(ticket: rx.vars.ObjectVar[OrderTicket]) -> Any:
    """Return the seat of a ticket as text, or the word for a standing place."""
    return rx.cond(
        ticket.row != "",
        say("seat.name", row=ticket.row, number=ticket.seat),
        say("booking.standing"),
    )


def _ticket(ticket: rx.vars.ObjectVar[OrderTicket], index: Any) -> Ui:
    return rx.el.li(
        rx.el.div(
            # Each ticket names its event, because visitors cut printed tickets apart.
            rx.cond(
                order.event.name != "",
                rx.fragment(
                    rx.el.span(name(order.event.name), class_name="pass-event"),
                    when_and_where(order.event, class_name="small pass-when"),
                ),
                rx.fragment(
                    rx.el.span("\u00a0", class_name="bone bone-line pass-event"),
                    rx.el.span("\u00a0", class_name="bone bone-words small pass-when"),
                ),
            ),
            rx.el.span(say("booking.pass", line=number(ticket.line), of=number(order.lines)), class_name="small"),
            rx.el.span(place_of(ticket), class_name="place"),
            rx.el.span(name(ticket.tier), class_name="pass-tier"),
            full_screen_button(ticket, index, place_of(ticket)),
            return_button(ticket, place_of(ticket)),
            class_name="pass-words",
        ),
        rx.el.div(
            TicketCode.create(
                path=ticket.code,
                alt=say("booking.code", line=number(ticket.line), place=place_of(ticket)),
                width=_CODE_SIZE,
                height=_CODE_SIZE,
            ),
            class_name="pass-code",
        ),
        class_name="pass",
    )
