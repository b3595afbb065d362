"""Cancelling an order: the button, the dialog and the outcome, on the order's page and in the list."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked
from webapp.components.language import money, name, say
from webapp.components.layout import Ui, notice_box
from webapp.components.order import tickets_text

MODULE = "$/utils/orders/cancelling"


class CancellingFeed(Part):
    """Forgets the last outcome on another page. Place it once on a page that cancels."""

    library = MODULE
    tag = "CancellingFeed"


@dataclass(frozen=True)
class Cancelling:
    """The last cancelling, as orders/cancelling_store.js has it."""

    dialogTicket: int  # noqa: N815 - the store's own name
    """The id of the ticket's booking that the dialog names; 0: the whole order."""
    reference: str
    ticket: int
    """The id of the returned ticket's booking; 0: the whole order."""
    phase: str
    """`idle`, `sending`, `offline` (it is repeated once the network is back), `done`, or the problem's kind."""


cancelling: Any = hooked(MODULE, "cancelling", "useCancelling()", Cancelling)


def cancel_button(order: Any, words: Any, *, event: Any = None, class_name: str) -> Ui:
    """Return the button that opens the dialog. In a list, its label names the event as well."""
    under_way = cancelling.phase == "sending"
    this_one = (cancelling.reference == order.reference) & (cancelling.ticket == 0)
    return rx.el.button(
        rx.cond(under_way & this_one, say("booking.cancel.sending"), words),
        type="button",
        on_click=action(MODULE, "openDialog", order.reference),
        # The button whose request is under way keeps its focus.
        disabled=under_way & ~this_one,
        aria_label=None
        if event is None
        else rx.cond(
            under_way & this_one,
            say("bookings.cancelling_of", event=event, reference=order.reference),
            say("bookings.cancel_of", event=event, reference=order.reference),
        ),
        aria_busy=under_way & this_one,
        aria_haspopup="dialog",
        class_name=class_name,
    )


def cancel_dialog(order: Any) -> Ui:
    """Return the dialog that confirms a cancellation. It names the order and the refund."""
    return confirm_dialog(
        "cancel",
        rx.el.p(
            rx.el.strong(name(order.event.name)),
            rx.el.span(tickets_text(order.parts)),
            name(order.reference, class_name="small"),
            class_name="dialog-order",
        ),
        rx.el.p(
            rx.cond(
                order.valid,
                rx.cond(
                    order.total == 0,
                    say("booking.cancel.free"),
                    say("booking.cancel.confirmed", total=money(order.total, order)),
                ),
                say("booking.cancel.pending"),
            )
        ),
        title=say("booking.cancel.title"),
        keep=say("booking.cancel.keep"),
        do=say("booking.cancel.do"),
        confirmed=(order.reference, order.user_id),
    )


def confirm_dialog(kind: str, *text: Ui, title: Any, keep: Any, do: Any, confirmed: tuple[Any, ...]) -> Ui:
    """Return a dialog with the button `keep`, which has the focus, and the button `do`.

    Args:
        kind: the start of the ids of the dialog and of its parts.
        text: the question.
        title: the heading.
        keep: text of the button that closes the dialog.
        do: text of the button that confirms.
        confirmed: arguments of `confirm` in webapp/js/orders/cancelling.js.
    """
    return rx.el.dialog(
        rx.el.h2(title, id=f"{kind}-title"),
        rx.el.div(*text, id=f"{kind}-text"),
        rx.el.div(
            rx.el.button(keep, type="button", auto_focus=True, on_click=action(MODULE, "closeDialog")),
            rx.el.button(do, type="button", on_click=action(MODULE, "confirm", *confirmed), class_name="danger"),
            class_name="actions",
        ),
        id=f"{kind}-dialog",
        aria_labelledby=f"{kind}-title",
        aria_describedby=f"{kind}-text",
        class_name="dialog",
    )


def cancel_outcome(order: Any, done: Any) -> Ui:
    """Return the outcome of a cancellation: `done`, or the reason of a refusal."""
    return rx.el.div(
        rx.cond(
            (cancelling.reference == order.reference) & (cancelling.ticket == 0),
            rx.match(
                cancelling.phase,
                ("idle", rx.fragment()),
                ("sending", rx.fragment()),
                ("done", done),
                (
                    "offline",
                    notice_box(cancelling.phase, say("checkout.offline.title"), say("booking.cancel.offline")),
                ),
                # The order may show the outcome already. The API may be busy with this very request.
                (
                    "unreachable",
                    "busy",
                    rx.cond(
                        order.cancellable,
                        notice_box(cancelling.phase, say("booking.cancel.unknown"), say("booking.cancel.unreachable")),
                    ),
                ),
                notice_box(cancelling.phase, say("booking.cancel.refused"), _refusal(order)),
            ),
        ),
        role="status",
        aria_live="polite",
    )


def cancelled_text(order: Any) -> Any:
    """Return the text about the refund of a cancelled order, if there is anything to refund."""
    return rx.cond(
        order.state == "cancelled_refunded",
        say("booking.cancelled.refunded", refund=money(order.refund, order)),
        rx.cond(order.total == 0, say("booking.cancelled.free"), say("booking.cancelled.text")),
    )


def _refusal(order: Any) -> Any:
    too_late = rx.cond(order.valid, say("booking.cancel.begun"), say("booking.cancel.not_cancellable"))
    return rx.match(
        cancelling.phase,
        ("not_cancellable", too_late),
        ("rate_limited", say("booking.cancel.busy")),
        say("booking.cancel.not_cancellable"),
    )
