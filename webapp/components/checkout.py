"""The checkout on a page: thin wrappers around the browser's modules, and the texts for each phase of a purchase."""

import functools
import operator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components import browser
from webapp.components.language import say, span
from webapp.components.layout import Ui, link, notice_box, spinner
from webapp.components.user_id import USER_ID_LENGTH_MAX

_MODULE = "$/utils/checkout_feed"


@dataclass(frozen=True)
class Checkout:
    """The purchase of the tab, as checkout.js derives it."""

    phase: str
    """`idle`, `sending`, `done` (the order's page follows), `invalid`, or the last outcome; see checkout.js."""
    detail: str
    attempt: int
    """Number of the current try of `tries`."""
    tries: int
    patience: str
    """`explain` and then `check`, as sending takes longer."""
    event: str
    """Slug of the event, tier and number of tickets of the last purchase."""
    tier: str
    quantity: int
    left: int
    """Tickets that are left of the tier, after `sold_out` or `fewer_left`."""
    reference: str
    """Of the order, once done."""
    seats_gone: list[int]
    """Tickets that others have, after `seat_taken`."""
    turn: int
    """Counts the phases."""
    sending: bool
    """Whether a purchase is being sent, so that a click does nothing."""
    offline: bool
    """Whether the purchase waits for the network."""
    wait: int
    """Seconds until another try makes sense."""
    locked: bool


checkout: Any = browser.watched(_MODULE, "checkout", "useCheckout", Checkout)


class CheckoutFeed(browser.Part):
    """Follows the checkout. Place it once on a page that books."""

    library = _MODULE
    tag = "CheckoutFeed"


class CheckoutForm(browser.Part):
    """The form that books its fields `event`, `tier`, `quantity`, `ticket_ids` and `user_id`.

    It stores the buyer's name under `storage_key` in the browser's local storage.
    """

    library = _MODULE
    tag = "CheckoutForm"

    storage_key: rx.Var[str]


def book_again(reference: Any) -> Any:
    """Return an event that books the tickets of an order once more."""
    return browser.action(_MODULE, "again", reference)


def sending_words() -> Ui:
    """Return the button's label while a purchase is being sent."""
    return rx.fragment(spinner(), rx.cond(checkout.offline, say("book.unheard"), say("book.sending")))


@dataclass(frozen=True)
class Place:
    """Where the notice stands: that page's own ways on."""

    locked: Any
    about: Any
    """Whether what is chosen now is what was tried for; else what is said of it is over."""
    leads: Any
    """Whether the notice has the button that books."""
    again: dict[str, Any]
    """Properties of a button that tries the same again."""
    before_fewer: list[Any]
    """Events before as many are booked as are left."""
    waits: Any
    """Whether it can be tried again after a while."""
    hindered: Any
    """Whether it cannot be tried again just now, for the box office cannot be reached."""
    total_left: Any
    """What as many as are left cost, in words."""
    other: Ui
    """A way to other tickets."""
    seat_taken: Any
    """What to do about seats that others have."""
    way_from_seat_taken: Ui


def phase_is(*phases: str) -> Any:
    """Say whether the attempt is in one of these phases."""
    return functools.reduce(operator.or_, (checkout.phase == phase for phase in phases))


def user_id_fault() -> Any:
    """Say what is wrong with the user id that was typed, which stands at its field; "": nothing."""
    return rx.match(
        checkout.detail,
        ("user_missing", say("attempt.invalid.user_missing")),
        ("user_too_long", say("attempt.invalid.user_too_long", most=USER_ID_LENGTH_MAX)),
        "",
    )


def notice(place: Place) -> Ui:
    """Everything that can be said about an attempt, below the button that started it."""
    return rx.el.div(
        rx.cond(
            checkout.offline,
            notice_box("unheard", say("attempt.unheard.title"), say("attempt.unheard.text")),
            rx.cond(
                (checkout.phase != "idle") & place.about,
                notice_box(
                    checkout.phase,
                    _title(),
                    _text(place),
                    _patience(),
                    rx.cond(
                        place.hindered,
                        rx.el.p(say("counts.unreachable")),
                        rx.cond(
                            place.waits & (checkout.wait > 0),
                            rx.el.p(say("attempt.wait", time=span(checkout.wait)), role="timer"),
                        ),
                    ),
                    _ways_on(place),
                ),
            ),
        ),
        class_name="notice-place",
        role="status",
        aria_live="polite",
    )


def _title() -> Any:
    return rx.match(
        checkout.phase,
        ("sending", say("attempt.sending.title")),
        ("done", say("attempt.done.title")),
        ("invalid", say("attempt.invalid.title")),
        ("declined", say("attempt.declined.title")),
        ("fewer_left", say("attempt.fewer_left.title", left=checkout.left)),
        ("sold_out", say("attempt.sold_out.title", tier=checkout.tier)),
        ("all_held", say("attempt.all_held.title")),
        ("seat_taken", say("attempt.seat_taken.title", seats=checkout.seats_gone.length())),
        ("not_on_sale", say("attempt.not_on_sale.title")),
        ("rate_limited", say("attempt.rate_limited.title")),
        ("busy", say("attempt.busy.title")),
        ("away", say("away.title")),
        ("unreachable", say("attempt.unreachable.title")),
        ("not_found", say("attempt.not_found.title")),
        say("attempt.refused.title"),
    )


def _text(place: Place) -> Any:
    return rx.match(
        checkout.phase,
        (
            "sending",
            rx.match(
                checkout.detail,
                ("busy", say("attempt.sending.busy", attempt=checkout.attempt, of=checkout.tries)),
                ("asking", say("attempt.sending.asking", attempt=checkout.attempt, of=checkout.tries)),
                ("no_answer", say("attempt.sending.no_answer")),
                "",
            ),
        ),
        ("done", ""),
        (
            "invalid",
            rx.match(
                checkout.detail,
                ("tier_missing", say("attempt.invalid.tier_missing")),
                ("quantity_missing", say("attempt.invalid.quantity_missing")),
                say("attempt.refused.text"),
            ),
        ),
        ("declined", say("attempt.declined.text")),
        ("fewer_left", say("attempt.fewer_left.text", quantity=checkout.quantity, tier=checkout.tier)),
        ("sold_out", say("attempt.sold_out.text")),
        ("all_held", say("attempt.all_held.text", tier=checkout.tier)),
        ("seat_taken", place.seat_taken),
        ("not_on_sale", say("attempt.not_on_sale.text")),
        ("rate_limited", say("attempt.rate_limited.text")),
        ("busy", "away", say("attempt.busy.text")),
        ("unreachable", say("attempt.unreachable.text")),
        ("not_found", rx.cond(place.leads, say("attempt.not_found.text"), say("attempt.not_found.over"))),
        say("attempt.refused.text"),
    )


def _patience() -> Ui:
    return rx.match(
        checkout.patience,
        ("explain", rx.el.p(say("attempt.patience.explain"))),
        ("check", rx.fragment(rx.el.p(say("attempt.patience.check")), _check())),
        rx.fragment(),
    )


def _ways_on(place: Place) -> Ui:
    again = rx.cond(place.leads, rx.el.button(say("attempt.again"), disabled=place.locked, **place.again))
    book_left = rx.cond(
        place.leads,
        rx.el.button(
            say("attempt.book_left", left=checkout.left, total=place.total_left),
            type="button",
            on_click=[*place.before_fewer, browser.action(_MODULE, "bookLeft")],
            disabled=place.locked,
        ),
    )
    return rx.match(
        checkout.phase,
        ("declined", again),
        ("busy", "away", again),
        ("all_held", rx.fragment(again, place.other)),
        ("rate_limited", again),
        ("unreachable", _check()),
        ("not_found", again),
        ("fewer_left", rx.fragment(book_left, place.other)),
        ("sold_out", place.other),
        ("seat_taken", place.way_from_seat_taken),
        ("done", link(say("attempt.done.see"), to=f"/booking/{checkout.reference}", class_name="button")),
        ("sending", rx.fragment()),
        ("invalid", rx.fragment()),
        place.other,
    )


def _check() -> Ui:
    checking = checkout.detail == "checking"
    return rx.el.button(
        rx.cond(checking, rx.fragment(spinner(), say("attempt.checking")), say("attempt.check")),
        type="button",
        on_click=browser.action(_MODULE, "check"),
        aria_busy=checking,
    )
