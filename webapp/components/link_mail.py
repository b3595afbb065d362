"""The form that requests an e-mail: with the link to one order, or with the links to all orders of an address."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, hooked
from webapp.components.email import email_field
from webapp.components.language import say
from webapp.components.layout import Ui, spinner

_MODULE = "$/utils/orders/link_mail"


@dataclass(frozen=True)
class LinkMail:
    """The state of the form, as webapp/js/orders/link_mail.js keeps it."""

    phase: str
    """`idle`, `sending`, `invalid` (the address), `sent`, `limited` or `failed`."""
    refusals: int
    """Number of refused addresses."""


link_mail: Any = hooked(_MODULE, "linkMail", "useLinkMail()", LinkMail)


class LinkMailForm(Part):
    """The form with the field `email`. An empty `reference` stands for all orders of the address."""

    library = _MODULE
    tag = "LinkMailForm"

    reference: rx.Var[str]


def undelivered_notice(address: Any) -> Ui:
    """Return the notice about an address that got no e-mail; `address` is empty without one."""
    return rx.cond(
        (address != "") & (link_mail.phase != "sent"),
        rx.el.p(say("links.undelivered", address=address), class_name="stale undelivered", role="status"),
    )


def link_mail_form(title: Any, *, reference: Any, sent: Any, is_open: Any = False) -> Ui:
    """Return the form, folded below its title.

    Args:
        title: Text that opens the form.
        reference: Reference of the order whose link is sent; empty for all orders of the address.
        sent: Text about a sent request.
        is_open: Unfold the form.
    """
    sending = link_mail.phase == "sending"
    return rx.el.details(
        rx.el.summary(title),
        LinkMailForm.create(
            email_field(
                rx.cond(link_mail.phase == "invalid", "email_invalid", ""),
                link_mail.refusals,
                label=say("links.address"),
            ),
            rx.el.button(
                rx.cond(sending, rx.fragment(spinner(), say("links.sending")), say("links.send")),
                type="submit",
                class_name="button",
                aria_busy=sending,
            ),
            reference=reference,
        ),
        rx.el.p(
            rx.match(
                link_mail.phase,
                ("sent", sent),
                ("limited", say("links.limited")),
                ("failed", say("links.failed")),
                "",
            ),
            role="status",
            aria_live="polite",
        ),
        open=is_open,
        class_name="link-mail",
        data_phase=link_mail.phase,
    )
