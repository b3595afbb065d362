"""Cancelling a booking: its State, the question before it, and what became of it; for its own page and the list."""

import time
from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.client import api
from webapp.components.arrival import Arrival
from webapp.components.browser import Part, action, hooked
from webapp.components.language import money, say
from webapp.components.layout import Ui, notice_box

_MODULE = "$/utils/cancelling"

# Longer than the client waits for an answer: past this it was cut short, and the page is free again.
_SENDING_S_MAX = 25


class Cancelling(Arrival, rx.State):
    """One visitor's cancelling of a booking. The truth is in the API; this is what the page says about it."""

    phase: str = "idle"
    """`idle`, `sending`, `done`, or why it was not done, as the client's `Problem.kind`."""
    reference: str = ""
    """The booking that it is about."""
    turn: int = 0
    _sending_until: float = 0

    @rx.event
    def arrive(self) -> None:
        """Start clean; what is under way goes on, and what was told outlives a connection."""
        if not self._has_only_reconnected() and not self._under_way():
            self._show("idle")

    @rx.event(background=True)
    async def cancel(self, reference: str, user_id: str) -> None:
        """Cancel a booking for its buyer; while one is being cancelled, another click does nothing.

        Cancelling twice is harmless.
        """
        async with self:
            if self._under_way():
                return
            self._sending_until = time.time() + _SENDING_S_MAX
            self.reference = reference
            self._show("sending")
        problem = (await api().cancel(reference, user_id)).problem
        async with self:
            # Past its time it may have made room for another.
            if self.reference == reference:
                self._show("done" if problem is None else problem.kind)

    def _under_way(self) -> bool:
        return self.phase == "sending" and time.time() < self._sending_until

    def _show(self, phase: str) -> None:
        self.phase = phase
        self.turn += 1


class CancellingFeed(Part):
    """Tells the browser what the State says. Place it once on a page."""

    library = _MODULE
    tag = "CancellingFeed"

    phase: rx.Var[str]
    reference: rx.Var[str]
    turn: rx.Var[int]
    """Changes whenever the State has dealt with a click."""


@dataclass(frozen=True)
class _Shown:
    """What became of the last click, as cancelling.js knows it."""

    reference: str
    phase: str
    """As the State's, or `unheard`: the page's server did not take it up."""


_cancelling: Any = hooked(_MODULE, "cancelling", "useCancelling()", _Shown)


def cancelling_feed() -> Ui:
    """Return what a page that cancels needs once."""
    return CancellingFeed.create(phase=Cancelling.phase, reference=Cancelling.reference, turn=Cancelling.turn)


def cancel_button(order: Any, words: Any, *, concert: Any = None, class_name: str) -> Ui:
    """Return the button that asks whether an order shall be cancelled; with the concert it is told from others."""
    under_way = _cancelling.phase == "sending"
    this_one = _cancelling.reference == order.reference
    return rx.el.button(
        rx.cond(under_way & this_one, say("booking.cancel.sending"), words),
        type="button",
        on_click=action(_MODULE, "ask", order.reference),
        # The one that is under way keeps its focus.
        disabled=under_way & ~this_one,
        aria_label=None
        if concert is None
        else rx.cond(
            under_way & this_one,
            say("bookings.cancelling_of", concert=concert, reference=order.reference),
            say("bookings.cancel_of", concert=concert, reference=order.reference),
        ),
        aria_busy=under_way & this_one,
        aria_haspopup="dialog",
        class_name=class_name,
    )


def cancel_dialog(order: Any) -> Ui:
    """Return the question before an order is cancelled, which names it and what goes back."""
    return rx.el.dialog(
        rx.el.h2(say("booking.cancel.title"), id="cancel-title"),
        rx.el.div(
            rx.el.p(
                rx.el.strong(order.event.name),
                rx.el.span(say("summary.tickets", quantity=order.quantity, tier=order.tier)),
                rx.el.bdi(order.reference, class_name="small"),
                class_name="dialog-order",
            ),
            rx.el.p(
                rx.cond(
                    order.admits,
                    say("booking.cancel.confirmed", total=money(order.total, order.currency)),
                    say("booking.cancel.pending"),
                )
            ),
            id="cancel-text",
        ),
        rx.el.div(
            rx.el.button(
                say("booking.cancel.keep"),
                type="button",
                auto_focus=True,
                on_click=action(_MODULE, "keep"),
            ),
            rx.el.button(
                say("booking.cancel.do"),
                type="button",
                on_click=[
                    action(_MODULE, "confirm", order.reference),
                    Cancelling.cancel(order.reference, order.user_id),  # type: ignore[misc]
                ],
                class_name="danger",
            ),
            class_name="actions",
        ),
        id="cancel-dialog",
        aria_labelledby="cancel-title",
        aria_describedby="cancel-text",
        class_name="dialog",
    )


def cancel_outcome(order: Any, done: Any) -> Ui:
    """Return what became of cancelling an order: `done`, or why it was not cancelled."""
    return rx.el.div(
        rx.cond(
            _cancelling.reference == order.reference,
            rx.match(
                _cancelling.phase,
                ("idle", rx.fragment()),
                ("sending", rx.fragment()),
                ("done", done),
                (
                    "unheard",
                    notice_box(_cancelling.phase, say("attempt.unheard.title"), say("booking.cancel.unheard")),
                ),
                # Unless the page has seen what became of it. The API may be busy with this very cancelling.
                (
                    "unreachable",
                    "busy",
                    rx.cond(
                        order.cancellable,
                        notice_box(_cancelling.phase, say("booking.cancel.unknown"), say("booking.cancel.unreachable")),
                    ),
                ),
                notice_box(_cancelling.phase, say("booking.cancel.refused"), _refusal(order)),
            ),
        ),
        role="status",
        aria_live="polite",
    )


def cancelled_words(order: Any) -> Any:
    """Say of a cancelled order what goes back."""
    return rx.cond(
        order.state == "cancelled_refunded",
        say("booking.cancelled.refunded", refund=money(order.refund, order.currency)),
        say("booking.cancelled.text"),
    )


def _refusal(order: Any) -> Any:
    too_late = rx.cond(order.admits, say("booking.cancel.begun"), say("booking.cancel.not_cancellable"))
    return rx.match(
        _cancelling.phase,
        ("not_cancellable", too_late),
        ("rate_limited", say("booking.cancel.busy")),
        say("booking.cancel.not_cancellable"),
    )
