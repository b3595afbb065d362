"""Who the visitor says they are: a mocked user id, kept in the browser between visits."""

from typing import Any

import reflex as rx

from webapp.components.language import say
from webapp.components.layout import Ui
from webapp.components.page import RememberedInput
from webapp.purchase import USER_ID_LENGTH_MAX

_STORAGE_KEY = "user-id"


class Visitor(rx.State):
    """The one thing that several pages share. The API decides what the id may do."""

    user_id: str = rx.LocalStorage("", name=_STORAGE_KEY)


def user_id_field(hint: Any = None) -> Ui:
    """Return the labelled input for the user id."""
    return rx.el.label(
        rx.el.span(say("user.label"), class_name="label"),
        RememberedInput.create(
            storage_key=_STORAGE_KEY,
            custom_attrs={
                "type": "text",
                "name": "user_id",
                "required": True,
                "maxLength": USER_ID_LENGTH_MAX,
                "autoComplete": "username",
                "autoCapitalize": "none",
                "spellCheck": False,
                "placeholder": "user-123",
            },
        ),
        rx.fragment() if hint is None else rx.el.span(hint, class_name="small"),
        class_name="field grow",
    )


def chosen_user_id(form: dict[str, Any]) -> str:
    """Return the form's user id, or "" if it is none that the API would take."""
    user_id = str(form.get("user_id") or "").strip()
    return user_id if len(user_id) <= USER_ID_LENGTH_MAX else ""
