"""The passkeys of a signed-in buyer: their list, and the form that adds one."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked
from webapp.components.language import local, name, say
from webapp.components.layout import Ui, spinner

_MODULE = "$/utils/account/passkeys"
_NAME_MAX = 128
"""Characters of a name that the API allows."""


@dataclass(frozen=True)
class Passkey:
    """A passkey; its times are RFC 3339, and "" stands for none."""

    id: str
    name: str
    created_at: str
    last_used_at: str


@dataclass(frozen=True)
class Passkeys:
    """The passkeys of the account, as webapp/js/account/passkeys.js keeps them."""

    able: bool
    """True if the browser can make passkeys."""
    full: bool
    """True if the account has the most passkeys."""
    list: list[Passkey]
    phase: str
    """Phase of the last change: `idle`, `sending` (a new one), `deleting`, `done`, `deleted` or a fault."""
    time_zone: str
    """The visitor's time zone."""


passkeys: Any = hooked(_MODULE, "passkeys", "usePasskeys()", Passkeys)


class PasskeyDetails(Part):
    """A folded section that reads the passkeys when the visitor opens it."""

    library = _MODULE
    tag = "PasskeyDetails"


class PasskeyForm(Part):
    """The form with the field `name`."""

    library = _MODULE
    tag = "PasskeyForm"

    default_name: rx.Var[str]
    """Name of a passkey without another one."""


def passkey_section() -> Ui:
    """Return the list of the passkeys and the form that adds one, folded below their title."""
    return PasskeyDetails.create(
        rx.el.summary(say("passkeys.title")),
        rx.el.p(say("passkeys.text")),
        rx.cond(
            passkeys.list.length() > 0,
            rx.el.ul(rx.foreach(passkeys.list, _passkey), aria_label=say("passkeys.list")),
        ),
        rx.cond(passkeys.full, rx.el.p(say("passkeys.full")), rx.cond(passkeys.able, _form())),
        rx.el.p(
            rx.match(
                passkeys.phase,
                ("done", say("passkeys.done")),
                ("deleted", say("passkeys.deleted")),
                ("refused", say("passkeys.refused")),
                ("unrecognised", say("passkeys.unrecognised")),
                ("known", say("passkeys.known")),
                ("cancelled", say("passkeys.cancelled")),
                ("limited", say("sign_in.limited")),
                ("failed", say("sign_in.failed")),
                "",
            ),
            role="status",
            aria_live="polite",
        ),
        class_name="passkeys",
    )


def _passkey(passkey: Any) -> Ui:
    added = say("passkeys.added", date=local("date", passkey.created_at, passkeys.time_zone))
    used = say("passkeys.used", date=local("date", passkey.last_used_at, passkeys.time_zone))
    return rx.el.li(
        rx.el.span(
            rx.el.span(name(passkey.name), class_name="passkey-name"),
            rx.el.span(
                added,
                " ",
                rx.cond(passkey.last_used_at == "", say("passkeys.unused"), used),
                class_name="small",
            ),
            class_name="passkey-words",
        ),
        rx.el.button(
            say("passkeys.delete"),
            type="button",
            on_click=action(_MODULE, "deletePasskey", passkey.id),
            aria_label=say("passkeys.delete_named", name=passkey.name),
            class_name="button",
        ),
    )


def _form() -> Ui:
    return PasskeyForm.create(
        rx.el.label(
            rx.el.span(say("passkeys.name"), class_name="label"),
            rx.el.input(
                type="text",
                name="name",
                auto_complete="off",
                max_length=_NAME_MAX,
                placeholder=say("passkeys.example"),
            ),
            class_name="field grow",
        ),
        rx.el.button(
            rx.cond(
                passkeys.phase == "sending",
                rx.fragment(spinner(), say("passkeys.waiting")),
                say("passkeys.add"),
            ),
            type="submit",
            class_name="button",
            aria_busy=passkeys.phase == "sending",
        ),
        default_name=say("passkeys.default"),
    )
