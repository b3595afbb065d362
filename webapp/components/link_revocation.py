"""The part of an order's page that makes the links to the order invalid."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import action, hooked
from webapp.components.language import say
from webapp.components.layout import Ui, spinner

_MODULE = "$/utils/orders/link_revocation"


@dataclass(frozen=True)
class Revocation:
    """The last revocation, as webapp/js/orders/link_revocation.js keeps it."""

    reference: str
    phase: str
    """`idle`, `sending`, `done` or `failed`."""


revocation: Any = hooked(_MODULE, "revocation", "useRevocation()", Revocation)


def link_revocation(reference: Any) -> Ui:
    """Return the explanation and the button, folded below their title."""
    phase = rx.cond(revocation.reference == reference, revocation.phase, "idle")
    sending = phase == "sending"
    return rx.el.details(
        rx.el.summary(say("revoke.title")),
        rx.el.p(say("revoke.text"), class_name="small"),
        rx.el.button(
            rx.cond(sending, rx.fragment(spinner(), say("revoke.sending")), say("revoke.do")),
            type="button",
            on_click=action(_MODULE, "revokeLinks", reference),
            class_name="button",
            aria_busy=sending,
        ),
        rx.el.p(
            rx.match(phase, ("done", say("revoke.done")), ("failed", say("revoke.failed")), ""),
            role="status",
            aria_live="polite",
        ),
        class_name="link-mail",
        data_phase=phase,
    )
