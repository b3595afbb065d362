"""Returning one ticket of an order: the button, the dialog and the outcome, on the order's page."""

from typing import Any

import reflex as rx

from webapp.components.browser import action
from webapp.components.cancelling import MODULE, cancelling, confirm_dialog
from webapp.components.language import money, name, number, say
from webapp.components.layout import Ui, notice_box
from webapp.components.order import OrderTicket, order

Ticket = rx.vars.ObjectVar[OrderTicket]


def return_button(ticket: Ticket, place: Any) -> Ui:
    """Return the button that opens the dialog about a ticket, if its order keeps another one."""
    under_way = cancelling.phase == "sending"
    this_one = (cancelling.reference == order.reference) & (cancelling.ticket == ticket.booking)
    return rx.cond(
        order.cancellable & (order.quantity > 1),
        rx.el.button(
            rx.cond(under_way & this_one, say("booking.return.sending"), say("booking.return")),
            type="button",
            on_click=action(MODULE, "openDialog", order.reference, ticket.booking),
            # The button whose request is under way keeps its focus.
            disabled=under_way & ~this_one,
            # The name of a button contains its visible text.
            aria_label=rx.cond(
                under_way & this_one,
                say("booking.return.sending"),
                say("booking.return.of", line=number(ticket.line), place=place),
            ),
            aria_busy=under_way & this_one,
            aria_haspopup="dialog",
            class_name="text-button pass-return",
        ),
    )


def return_dialog(place_of: Any) -> Ui:
    """Return the dialog that confirms the return of a ticket. It names the ticket and the refund."""
    return confirm_dialog(
        "return",
        rx.foreach(
            order.tickets,
            lambda ticket: rx.cond(ticket.booking == cancelling.dialogTicket, _question(ticket, place_of(ticket))),
        ),
        title=say("booking.return.title"),
        keep=say("booking.return.keep"),
        do=say("booking.return.do"),
        confirmed=(order.reference, order.user_id, cancelling.dialogTicket),
    )


def _question(ticket: Ticket, place: Any) -> Ui:
    return rx.fragment(
        rx.el.p(
            rx.el.strong(name(order.event.name)),
            rx.el.span(name(ticket.tier), " · ", place),
            class_name="dialog-order",
        ),
        rx.el.p(
            rx.cond(
                ticket.price == 0,
                say("booking.return.free"),
                say("booking.return.text", refund=money(ticket.price, order)),
            )
        ),
    )


def return_outcome() -> Ui:
    """Return the outcome of the last return of a ticket."""
    title = rx.match(
        cancelling.phase,
        ("offline", say("checkout.offline.title")),
        ("unreachable", "busy", say("booking.return.unknown")),
        say("booking.return.refused"),
    )
    text = rx.match(
        cancelling.phase,
        ("offline", say("booking.return.offline")),
        ("unreachable", "busy", say("booking.return.unreachable")),
        ("rate_limited", say("booking.cancel.busy")),
        say("booking.return.not_returnable"),
    )
    is_kept = order.kept.contains(cancelling.ticket)
    return rx.el.div(
        rx.cond(
            (cancelling.reference == order.reference) & (cancelling.ticket > 0),
            rx.match(
                cancelling.phase,
                ("idle", rx.fragment()),
                ("sending", rx.fragment()),
                ("done", rx.cond(is_kept | ~order.valid, rx.fragment(), rx.el.p(say("booking.return.done")))),
                # The order may show the outcome already.
                rx.cond(is_kept & order.valid, notice_box(cancelling.phase, title, text)),
            ),
        ),
        role="status",
        aria_live="polite",
    )
