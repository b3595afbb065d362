"""The input for the buyer's e-mail address, which is optional. The browser stores it between visits."""

from typing import Any

import reflex as rx

from webapp.components.language import say
from webapp.components.layout import Ui
from webapp.components.page import RememberedInput

_EMAIL_KEPT_AS = "email"
"""The name in the browser's local storage. `webapp/js/email.js` has the same."""
EMAIL_LENGTH_MAX = 254
"""Characters that the API allows."""


def is_email_fault(fault: Any) -> Any:
    """Return whether the code of a fault is about the address; see `readEmail` in webapp/js/email.js."""
    return fault == "email_invalid"


def email_field(fault: Any, refusal: Any, *, label: Any, hint: Any = "", keeps_draft: bool = False) -> Ui:
    """Return the labelled input for the address.

    Args:
        fault: Code of the last refusal. Codes that are not about the address have no effect.
        refusal: Number of the last refusal.
        label: Text above the input.
        hint: Text without a fault.
        keeps_draft: Keep the typed text for the tab until an address is stored.
    """
    text = rx.cond(is_email_fault(fault), say("email.invalid"), hint)
    return rx.el.label(
        rx.el.span(label, class_name="label"),
        RememberedInput.create(
            storage_key=_EMAIL_KEPT_AS,
            keeps_draft=keeps_draft,
            refused=rx.cond(is_email_fault(fault), refusal, 0),
            custom_attrs={
                "type": "email",
                "name": "email",
                "maxLength": EMAIL_LENGTH_MAX,
                "autoComplete": "email",
                "dir": "ltr",
                "placeholder": say("email.example"),
            },
        ),
        rx.cond(text != "", rx.el.span(text, class_name="small")),
        class_name="field grow",
    )
