"""The codes of the tickets on the full screen, one at a time."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked
from webapp.components.language import name, number, say
from webapp.components.layout import Ui
from webapp.components.order import OrderTicket, TicketCode, order

_MODULE = "$/utils/orders/full_screen"
_CODE_SIZE = 320
"""Width and height of a QR code in CSS pixels. The style sheet fits it to the screen."""


@dataclass(frozen=True)
class FullScreen:
    """The shown code, as webapp/js/orders/full_screen.js keeps it."""

    open: bool
    index: int
    """Number of the ticket among the shown ones, from 0."""


_shown: Any = hooked(_MODULE, "fullScreen", "useFullScreen()", FullScreen)


class CodeStrip(Part):
    """The list of codes, which the visitor swipes."""

    library = _MODULE
    tag = "CodeStrip"

    label: rx.Var[str]
    """The name of the list for screen readers."""


def full_screen_button(ticket: rx.vars.ObjectVar[OrderTicket], index: Any, place: Any) -> Ui:
    """Return the button that shows the code of a ticket on the full screen."""
    return rx.el.button(
        say("booking.full_screen"),
        type="button",
        on_click=action(_MODULE, "openCodes", index),
        # The name of a button contains its visible text.
        aria_label=say("booking.full_screen.of", line=number(ticket.line), place=place),
        aria_haspopup="dialog",
        class_name="text-button",
    )


def full_screen_dialog(place_of: Any) -> Ui:
    """Return the dialog with the codes of all tickets. `place_of` returns the seat of a ticket as text."""
    return rx.el.dialog(
        rx.cond(
            _shown.open,
            rx.fragment(
                rx.el.div(
                    rx.el.p(
                        say("booking.pass", line=number(_shown.index + 1), of=number(order.tickets.length())),
                        role="status",
                        aria_live="polite",
                    ),
                    rx.el.button(say("codes.close"), type="button", on_click=action(_MODULE, "closeCodes")),
                    class_name="codes-head",
                ),
                CodeStrip.create(
                    rx.foreach(order.tickets, lambda ticket: _code(ticket, place_of(ticket))),
                    id="codes-strip",
                    label=say("booking.passes", quantity=order.quantity),
                    class_name="codes-strip",
                ),
                rx.cond(
                    order.tickets.length() > 1,
                    rx.el.div(
                        _step("codes.previous", -1, is_last=_shown.index == 0),
                        _step("codes.next", 1, is_last=_shown.index + 1 == order.tickets.length()),
                        class_name="codes-steps",
                    ),
                ),
            ),
        ),
        id="codes-dialog",
        aria_label=say("booking.passes", quantity=order.quantity),
        class_name="codes",
    )


def _step(key: str, by: int, *, is_last: Any) -> Ui:
    return rx.el.button(
        say(key),
        type="button",
        on_click=action(_MODULE, "stepCodes", by),
        # A disabled button would lose the focus.
        aria_disabled=is_last,
    )


def _code(ticket: rx.vars.ObjectVar[OrderTicket], place: Any) -> Ui:
    return rx.el.li(
        TicketCode.create(
            path=ticket.code,
            alt=say("booking.code", line=number(ticket.line), place=place),
            width=_CODE_SIZE,
            height=_CODE_SIZE,
        ),
        rx.el.p(place, class_name="place"),
        rx.el.p(name(ticket.tier)),
        class_name="code-slide",
    )
