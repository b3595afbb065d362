"""The forms of accounts: a link by e-mail, a passkey, a password, and the account of a signed-in buyer."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import Part, action, hooked
from webapp.components.email import email_field
from webapp.components.language import name, say
from webapp.components.layout import Ui, spinner
from webapp.components.passkeys import passkey_section

_SIGN_IN = "$/utils/account/sign_in"
_OWN = "$/utils/account/own_account"
PASSWORD_MIN, PASSWORD_MAX = 10, 128
"""Lengths of a password in characters, as in `api/account_schemas.py`."""


@dataclass(frozen=True)
class SignIn:
    """The state of the page that signs in, as webapp/js/account/sign_in.js keeps it.

    A phase is `idle`, `sending`, `sent`, `invalid` (the address), `refused`, `limited`, `failed` or `done`. That of a
    passkey may be `cancelled`.
    """

    has_link: bool
    """True if a link opened the page and may still be used."""
    link: str
    """Phase of the sign-in with the link."""
    mail: str
    """Phase of the request for a link."""
    password: str
    """Phase of the sign-in with a password."""
    passkey: str
    """Phase of the sign-in with a passkey."""
    has_passkeys: bool
    """True if the browser can sign in with a passkey."""
    mail_refusals: int
    """Number of refused addresses in the form that requests a link."""
    password_refusals: int
    """Number of refused addresses in the form with a password."""


@dataclass(frozen=True)
class OwnAccount:
    """The state of the account on the page of its bookings, as webapp/js/account/own_account.js keeps it."""

    leaving: str
    """`idle`, `sending`, `refused`, `limited`, `failed` or `done`."""
    saving: str
    """Phase of the new password. `invalid` stands for its length, `refused` for an old session; see `SignIn`."""


sign_in: Any = hooked(_SIGN_IN, "signIn", "useSignIn()", SignIn)
own_account: Any = hooked(_OWN, "ownAccount", "useOwnAccount()", OwnAccount)


class SignInFeed(Part):
    """Takes the link out of the page's address. Place it once on a page."""

    library = _SIGN_IN
    tag = "SignInFeed"


class LinkForm(Part):
    """The form with the field `email` that requests a link."""

    library = _SIGN_IN
    tag = "LinkForm"


class PasswordForm(Part):
    """The form with the fields `email` and `password`."""

    library = _SIGN_IN
    tag = "PasswordForm"


class NewPasswordForm(Part):
    """The form with the field `password`."""

    library = _OWN
    tag = "NewPasswordForm"


def open_link() -> Ui:
    """Return the button that signs in with the link in the page's address."""
    return rx.el.div(
        rx.el.p(say("sign_in.link_text")),
        rx.el.button(
            _or_sending(sign_in.link, say("sign_in.do")),
            type="button",
            on_click=action(_SIGN_IN, "openLink"),
            class_name="submit",
            aria_busy=sign_in.link == "sending",
        ),
        _outcome(
            ("limited", say("sign_in.limited")),
            ("failed", say("sign_in.failed")),
            phase=sign_in.link,
        ),
        class_name="sign-in",
    )


def request_link() -> Ui:
    """Return the form that requests a link, and the form with a password, folded below its title."""
    return rx.fragment(
        rx.el.p(
            rx.cond(sign_in.link == "refused", say("sign_in.link_refused"), ""),
            role="alert",
            class_name="sign-in-refused",
        ),
        rx.el.p(say("sign_in.text")),
        rx.el.div(
            LinkForm.create(
                _email_field(sign_in.mail, sign_in.mail_refusals),
                _submit(sign_in.mail, say("sign_in.send")),
            ),
            _outcome(
                ("sent", say("sign_in.sent")),
                ("limited", say("links.limited")),
                ("failed", say("links.failed")),
                phase=sign_in.mail,
            ),
            class_name="sign-in by-link",
        ),
        rx.cond(sign_in.has_passkeys, _by_passkey()),
        rx.el.details(
            rx.el.summary(say("sign_in.by_password")),
            PasswordForm.create(
                _email_field(sign_in.password, sign_in.password_refusals),
                _password_field(say("sign_in.password"), autocomplete="current-password"),
                _submit(sign_in.password, say("sign_in.do")),
            ),
            _outcome(
                ("refused", say("sign_in.password_refused")),
                ("limited", say("sign_in.limited")),
                ("failed", say("sign_in.failed")),
                phase=sign_in.password,
            ),
            class_name="sign-in by-password",
        ),
    )


def _by_passkey() -> Ui:
    """Return the button that signs in with a passkey."""
    return rx.el.div(
        rx.el.button(
            _or_sending(sign_in.passkey, say("sign_in.by_passkey"), say("passkeys.waiting")),
            type="button",
            on_click=action(_SIGN_IN, "enterWithPasskey"),
            class_name="button",
            aria_busy=sign_in.passkey == "sending",
        ),
        _outcome(
            ("refused", say("sign_in.passkey_refused")),
            ("cancelled", say("sign_in.passkey_cancelled")),
            ("limited", say("sign_in.limited")),
            ("failed", say("sign_in.failed")),
            phase=sign_in.passkey,
        ),
        class_name="sign-in by-passkey",
    )


def account_section(address: Any) -> Ui:
    """Return the address of a signed-in buyer, the buttons that sign out, the form for a password, and the passkeys."""
    return rx.el.section(
        rx.el.p(say("account.signed_in"), " ", name(address, class_name="account-address")),
        rx.el.div(
            _leave_button(say("account.sign_out"), is_everywhere=False),
            _leave_button(say("account.sign_out_everywhere"), is_everywhere=True),
            class_name="actions",
        ),
        _outcome(
            ("refused", say("sign_in.failed")),
            ("limited", say("sign_in.limited")),
            ("failed", say("sign_in.failed")),
            phase=own_account.leaving,
        ),
        rx.el.details(
            rx.el.summary(say("account.set_password")),
            NewPasswordForm.create(
                # Password managers store the password under the address.
                rx.el.input(
                    type="email",
                    name="email",
                    value=address,
                    read_only=True,
                    auto_complete="username",
                    hidden=True,
                ),
                _password_field(
                    say("account.new_password"),
                    autocomplete="new-password",
                    hint=say("account.password_hint", fewest=PASSWORD_MIN),
                    invalid=own_account.saving == "invalid",
                ),
                _submit(own_account.saving, say("account.save_password")),
            ),
            _outcome(
                ("done", say("account.password_saved")),
                ("invalid", say("account.password_hint", fewest=PASSWORD_MIN)),
                ("refused", say("account.password_refused")),
                ("limited", say("sign_in.limited")),
                ("failed", say("sign_in.failed")),
                phase=own_account.saving,
            ),
        ),
        passkey_section(),
        class_name="sign-in account",
        aria_label=say("account.label"),
    )


def _leave_button(words: Any, *, is_everywhere: bool) -> Ui:
    return rx.el.button(
        words,
        type="button",
        on_click=action(_OWN, "leave", is_everywhere),
        disabled=own_account.leaving == "sending",
        class_name="button",
    )


def _email_field(phase: Any, refusals: Any) -> Ui:
    return email_field(rx.cond(phase == "invalid", "email_invalid", ""), refusals, label=say("links.address"))


def _password_field(label: Any, *, autocomplete: str, hint: Any = "", invalid: Any = False) -> Ui:
    return rx.el.label(
        rx.el.span(label, class_name="label"),
        rx.el.input(
            type="password",
            name="password",
            auto_complete=autocomplete,
            max_length=PASSWORD_MAX,
            custom_attrs={"dir": "ltr", "aria-invalid": invalid},
        ),
        rx.cond(hint != "", rx.el.span(hint, class_name="small")),
        class_name="field grow",
    )


def _submit(phase: Any, words: Any) -> Ui:
    return rx.el.button(_or_sending(phase, words), type="submit", class_name="button", aria_busy=phase == "sending")


def _or_sending(phase: Any, words: Any, sending: Any = None) -> Any:
    shown = say("sign_in.sending") if sending is None else sending
    return rx.cond(phase == "sending", rx.fragment(spinner(), shown), words)


def _outcome(*texts: tuple[str, Any], phase: Any) -> Ui:
    return rx.el.p(rx.match(phase, *texts, ""), role="status", aria_live="polite")
