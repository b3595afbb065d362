"""The input for the user id, which the browser stores between visits. There is no sign-in."""

from typing import Any

import reflex as rx

from webapp.components.language import say
from webapp.components.layout import Ui
from webapp.components.page import RememberedInput

USER_ID_KEPT_AS = "user-id"
"""The name in the browser's local storage."""
USER_ID_LENGTH_MAX = 128
"""Characters that the API allows."""


def is_user_id_fault(fault: Any) -> Any:
    """Return whether the code of a fault is about the user id; see `readName` in webapp/js/text.js."""
    return (fault == "user_missing") | (fault == "user_too_long") | (fault == "user_invalid")


def user_id_field(fault: Any, refusal: Any, *, missing: Any, hint: Any = "", keeps_draft: bool = False) -> Ui:
    """Return the labelled input for the user id.

    Args:
        fault: Code of the last refusal. Codes that are not about the user id have no effect.
        refusal: Number of the last refusal.
        missing: Text about a missing name.
        hint: Text without a fault.
        keeps_draft: Keep the typed text for the tab until a name is stored.
    """
    text = rx.match(
        fault,
        ("user_missing", missing),
        ("user_too_long", say("user.too_long", most=USER_ID_LENGTH_MAX)),
        ("user_invalid", say("user.invalid")),
        hint,
    )
    return rx.el.label(
        rx.el.span(say("user.label"), class_name="label"),
        RememberedInput.create(
            storage_key=USER_ID_KEPT_AS,
            keeps_draft=keeps_draft,
            refused=rx.cond(is_user_id_fault(fault), refusal, 0),
            custom_attrs={
                "type": "text",
                "name": "user_id",
                "required": True,
                "maxLength": USER_ID_LENGTH_MAX,
                "autoComplete": "username",
                "autoCapitalize": "none",
                "spellCheck": False,
                "placeholder": say("user.example"),
            },
        ),
        rx.cond(text != "", rx.el.span(text, class_name="small")),
        class_name="field grow",
    )
