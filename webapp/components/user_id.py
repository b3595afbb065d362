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


def user_id_field(hint: Any = None, refused: Any = 0) -> Ui:
    """Return the labelled input for the user id. After a refusal (see `RememberedInput`), `hint` is its reason."""
    return rx.el.label(
        rx.el.span(say("user.label"), class_name="label"),
        RememberedInput.create(
            storage_key=USER_ID_KEPT_AS,
            refused=refused,
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
        rx.fragment() if hint is None else rx.el.span(hint, class_name="small"),
        class_name="field grow",
    )
