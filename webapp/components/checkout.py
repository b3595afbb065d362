"""The checkout on a page: thin wrappers around the browser's modules, and the texts for each phase of a purchase."""

import functools
import operator
from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components import browser
from webapp.components.language import money, price, say, span
from webapp.components.layout import Ui, link, notice_box, spinner

_MODULE = "$/utils/checkout/feed"


@dataclass(frozen=True)
class Checkout:
    """The purchase of the tab, as checkout/state.js derives it."""

    phase: str
    """`idle`, `sending`, `done` (the order's page follows), `invalid`, or the last outcome; see checkout/state.js."""
    detail: str
    attempt: int
    """Number of the current try of `tries`."""
    tries: int
    patience: str
    """`explain` and then `check`, as sending takes longer."""
    event: str
    """Slug of the event of the last purchase."""
    tickets: str
    """Its number of tickets of each tier, to compare with those of a page."""
    mixed: bool
    """True if it has several items."""
    tier: str
    """The tier of its only item, or of the item that was refused; empty if it has several."""
    quantity: int
    """The number of tickets of that item, else of all."""
    expected_total: float
    """The total that the last purchase expected, in the currency's major unit."""
    new_total: float
    """The present total after `price_changed`; otherwise 0."""
    left: int
    """The number of tickets available after `fewer_left`, or that the buyer may still book after `buyer_limit`."""
    reference: str
    """The order's reference, once done."""
    seats_gone: list[int]
    """Tickets that others have, after `seat_taken`."""
    turn: int
    """Counts the phases."""
    sending: bool
    """True: a purchase is being sent, and a click does nothing."""
    offline: bool
    """True: the purchase waits for the network."""
    wait: int
    """Seconds until another try makes sense."""
    locked: bool


checkout: Any = browser.watched(_MODULE, "checkout", "useCheckout", Checkout)


class CheckoutFeed(browser.Part):
    """Follows the checkout. Place it once on a page that books."""

    library = _MODULE
    tag = "CheckoutFeed"


class CheckoutForm(browser.Part):
    """The form that books its fields `event`, `items`, `total`, `user_id` and `email`.

    It stores the buyer's address, and the name under `storage_key`, in the browser's local storage.
    """

    library = _MODULE
    tag = "CheckoutForm"

    storage_key: rx.Var[str]


def book_again(reference: Any, *new_total: Any) -> Any:
    """Return an event that books the tickets of an order again, at its total or at a new one."""
    return browser.action(_MODULE, "again", reference, *new_total)


def book_left(price: Any, currency_digits: Any) -> Any:
    """Return an event that books as many tickets of the refused item as are left; `price` is that of one of them."""
    return browser.action(_MODULE, "bookLeft", price, currency_digits)


def sending_label() -> Ui:
    """Return the button's label while a purchase is being sent."""
    return rx.fragment(spinner(), rx.cond(checkout.offline, say("book.offline"), say("book.sending")))


@dataclass(frozen=True)
class NoticePlace:
    """The place of a notice on a page, and the actions of that page."""

    locked: Any
    applies: Any
    """True: the buyer's present choice is the one that the outcome is about."""
    books: Any
    """True: the notice has the button that books."""
    again: dict[str, Any]
    """Properties of the button for another try."""
    at_new_total: dict[str, Any]
    """Properties of the button that books at the new total."""
    book_left: dict[str, Any]
    """Properties of the button that books as many tickets as are left."""
    left_label: Any
    """Its label, with their total."""
    waits: Any
    """True: the notice counts down to the next try."""
    blocked: Any
    """True: the API is out of reach, so that another try is not possible now."""
    priced: Any
    """The event or the order, which has the currency."""
    other: Ui
    """Action that leads to other tickets."""
    seat_taken: Any
    """Advice after `seat_taken`."""
    after_seat_taken: Ui
    """Action after `seat_taken`."""


def phase_is(*phases: str) -> Any:
    """Return whether the checkout is in one of these phases."""
    return functools.reduce(operator.or_, (checkout.phase == phase for phase in phases))


def notice(place: NoticePlace) -> Ui:
    """Return the notice about the purchase, for the place below the button."""
    return rx.el.div(
        rx.cond(
            checkout.offline,
            notice_box("offline", say("checkout.offline.title"), say("checkout.offline.text")),
            rx.cond(
                (checkout.phase != "idle") & place.applies,
                notice_box(
                    checkout.phase,
                    _title(),
                    _text(place),
                    _patience(),
                    rx.cond(
                        place.blocked,
                        rx.el.p(say("counts.unreachable")),
                        rx.cond(
                            place.waits & (checkout.wait > 0),
                            rx.el.p(say("checkout.wait", time=span(checkout.wait)), role="timer"),
                        ),
                    ),
                    _actions(place),
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
        ("sending", say("checkout.sending.title")),
        ("done", say("checkout.done.title")),
        ("invalid", say("checkout.invalid.title")),
        ("declined", say("checkout.declined.title")),
        (
            "fewer_left",
            rx.cond(
                checkout.mixed,
                say("tier.only_left", left=checkout.left, tier=checkout.tier),
                say("checkout.fewer_left.title", left=checkout.left),
            ),
        ),
        ("sold_out", say("checkout.sold_out.title", tier=checkout.tier)),
        ("all_held", say("checkout.all_held.title")),
        ("seat_taken", say("checkout.seat_taken.title", seats=checkout.seats_gone.length())),
        ("price_changed", say("checkout.price_changed.title")),
        ("buyer_limit", say("checkout.buyer_limit.title")),
        ("not_on_sale", say("checkout.not_on_sale.title")),
        ("rate_limited", say("checkout.rate_limited.title")),
        ("busy", say("checkout.busy.title")),
        ("away", say("away.title")),
        ("unreachable", say("checkout.unreachable.title")),
        ("not_found", say("checkout.not_found.title")),
        say("checkout.refused.title"),
    )


def _text(place: NoticePlace) -> Any:
    return rx.match(
        checkout.phase,
        (
            "sending",
            rx.match(
                checkout.detail,
                ("busy", say("checkout.sending.busy", attempt=checkout.attempt, of=checkout.tries)),
                ("retrying", say("checkout.sending.retrying", attempt=checkout.attempt, of=checkout.tries)),
                ("no_response", say("checkout.sending.no_response")),
                "",
            ),
        ),
        ("done", ""),
        (
            "invalid",
            rx.match(
                checkout.detail,
                ("tickets_missing", say("checkout.invalid.tickets_missing")),
                say("checkout.refused.text"),
            ),
        ),
        ("declined", say("checkout.declined.text")),
        ("fewer_left", say("checkout.fewer_left.text", quantity=checkout.quantity)),
        ("sold_out", say("checkout.sold_out.text")),
        ("all_held", say("checkout.all_held.text", tier=checkout.tier)),
        ("seat_taken", place.seat_taken),
        (
            "price_changed",
            rx.cond(
                checkout.tier != "",
                say(
                    "checkout.price_changed.text",
                    quantity=checkout.quantity,
                    tier=checkout.tier,
                    old=price(checkout.expected_total, place.priced),
                    new=price(checkout.new_total, place.priced),
                ),
                say(
                    "checkout.price_changed.mixed",
                    quantity=checkout.quantity,
                    old=price(checkout.expected_total, place.priced),
                    new=price(checkout.new_total, place.priced),
                ),
            ),
        ),
        ("buyer_limit", say("checkout.buyer_limit.text", left=checkout.left)),
        ("not_on_sale", say("checkout.not_on_sale.text")),
        (
            "rate_limited",
            rx.match(
                checkout.detail,
                ("bookings", say("checkout.rate_limited.bookings")),
                ("held", say("checkout.rate_limited.held")),
                say("checkout.rate_limited.text"),
            ),
        ),
        ("busy", "away", say("checkout.busy.text")),
        ("unreachable", say("checkout.unreachable.text")),
        ("not_found", rx.cond(place.books, say("checkout.not_found.text"), say("checkout.not_found.over"))),
        say("checkout.refused.text"),
    )


def _patience() -> Ui:
    return rx.match(
        checkout.patience,
        ("explain", rx.el.p(say("checkout.patience.explain"))),
        ("check", rx.fragment(rx.el.p(say("checkout.patience.check")), _check())),
        rx.fragment(),
    )


def _actions(place: NoticePlace) -> Ui:
    again = rx.cond(place.books, rx.el.button(say("checkout.again"), disabled=place.locked, **place.again))
    book_left = rx.cond(
        place.books,
        rx.el.button(
            place.left_label,
            disabled=place.locked,
            **place.book_left,
        ),
    )
    at_new_total = rx.cond(
        place.books,
        rx.el.button(
            rx.cond(
                checkout.new_total == 0,
                say("book.free"),
                say("book.button", total=money(checkout.new_total, place.priced)),
            ),
            disabled=place.locked,
            **place.at_new_total,
        ),
    )
    return rx.match(
        checkout.phase,
        ("declined", again),
        ("price_changed", rx.fragment(at_new_total, place.other)),
        ("busy", "away", again),
        ("all_held", rx.fragment(again, place.other)),
        ("rate_limited", again),
        ("unreachable", _check()),
        ("not_found", again),
        ("fewer_left", rx.fragment(book_left, place.other)),
        ("sold_out", place.other),
        ("seat_taken", place.after_seat_taken),
        ("done", link(say("checkout.done.see"), to=f"/booking/{checkout.reference}", class_name="button")),
        ("sending", rx.fragment()),
        ("invalid", rx.fragment()),
        place.other,
    )


def _check() -> Ui:
    checking = checkout.detail == "checking"
    return rx.el.button(
        rx.cond(checking, rx.fragment(spinner(), say("checkout.checking")), say("checkout.check")),
        type="button",
        on_click=browser.action(_MODULE, "check"),
        aria_busy=checking,
    )
