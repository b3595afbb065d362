"""A user's bookings, newest first."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.account import account_section
from webapp.components.browser import Part, action, hooked
from webapp.components.cancelling import (
    CancellingFeed,
    cancel_button,
    cancel_dialog,
    cancel_outcome,
    cancelled_text,
)
from webapp.components.events import when_and_where
from webapp.components.language import currency_code, in_english, name, price, say
from webapp.components.layout import Ui, away_notice, link, page
from webapp.components.link_mail import link_mail_form
from webapp.components.order import Described, status_text, tickets_text
from webapp.components.page import PageTitle
from webapp.components.user_id import USER_ID_KEPT_AS, user_id_field

_MODULE = "$/utils/orders/list"
_SKELETONS = 3


@dataclass(frozen=True)
class Bookings:
    """The list (`deriveList` in webapp/js/orders/list_view.js)."""

    user: str
    account: str
    """Address of the account whose bookings are listed; "": a guest's page."""
    fault: str
    """Code of the fault of the last typed name; "": none."""
    refusals: int
    """Number of refused names."""

    phase: str
    """`idle` (no user is named), `loading`, `listed` or `away` (the API does not respond)."""
    away: bool
    """True if the list shows the last known data because the API does not respond."""
    show: str
    """`upcoming`, `past` or `cancelled`."""
    orders: list[Described]
    dialog_order: Described
    """The order that the cancel dialog names."""
    more: bool
    """True if there is another page."""
    adding: bool
    """True while the next page is being fetched."""
    open: bool
    """True if everybody may see the orders that were made without a secret."""


bookings: Any = hooked(_MODULE, "bookings", "useBookings()", Bookings)


class BookingsFeed(Part):
    """Polls the list while the tab is visible. Place it once on a page."""

    library = _MODULE
    tag = "BookingsFeed"


class UserForm(Part):
    """The form that names the user; the browser remembers the name under `storage_key`."""

    library = _MODULE
    tag = "UserForm"

    storage_key: rx.Var[str]


@rx.page(  # type: ignore[untyped-decorator]
    route="/bookings",
    image="/favicon.svg",
    title=in_english("bookings.head"),
    description=in_english("bookings.description"),
)
def bookings_page() -> Ui:
    """List the bookings of the account, or of the user whose id a guest types."""
    return page(
        BookingsFeed.create(),
        CancellingFeed.create(),
        PageTitle.create(text=say("bookings.head")),
        rx.el.div(
            rx.el.h1(say("bookings.title")),
            rx.cond(bookings.account != "", account_section(bookings.account), _of_guest()),
            rx.el.nav(
                _filter("upcoming", say("bookings.upcoming"), "/bookings"),
                _filter("past", say("bookings.past"), "/bookings?show=past"),
                _filter("cancelled", say("bookings.cancelled"), "/bookings?show=cancelled"),
                class_name="filters",
                aria_label=say("bookings.filters"),
            ),
            rx.el.p(
                rx.cond(bookings.phase == "listed", say("bookings.count", count=bookings.orders.length()), ""),
                class_name="unseen",
                role="status",
                aria_live="polite",
            ),
            rx.cond(bookings.away, rx.el.p(say("away.stale"), class_name="stale", role="status")),
            rx.match(
                bookings.phase,
                ("idle", rx.el.p(say("bookings.idle"), class_name="empty")),
                ("listed", rx.cond(bookings.orders.length() > 0, _list(), _empty())),
                ("away", away_notice()),
                rx.el.ul(
                    *[rx.el.li(rx.el.div(class_name="bone bone-booking")) for _ in range(_SKELETONS)],
                    class_name="bookings",
                    aria_busy="true",
                    aria_label=say("bookings.loading"),
                ),
            ),
            cancel_dialog(bookings.dialog_order),
            class_name="sheet",
        ),
    )


def _of_guest() -> Ui:
    return rx.fragment(
        UserForm.create(
            user_id_field(bookings.fault, bookings.refusals, missing=say("bookings.idle")),
            rx.el.button(say("bookings.show"), type="submit", class_name="submit"),
            storage_key=USER_ID_KEPT_AS,
            class_name="who",
        ),
        link_mail_form(say("links.all"), reference="", sent=say("links.all_sent")),
        rx.el.p(link(say("sign_in.title"), to="/sign-in"), " ", say("sign_in.why"), class_name="sign-in-link"),
        rx.cond(bookings.open, rx.el.p(say("bookings.open"), class_name="small open-orders")),
    )


def _filter(name: str, words: Any, address: str) -> Ui:
    return link(words, to=address, custom_attrs={"aria-current": rx.cond(bookings.show == name, "page", "false")})


def _list() -> Ui:
    return rx.fragment(
        rx.el.ul(rx.foreach(bookings.orders, _card), class_name="bookings"),
        rx.cond(
            bookings.more,
            rx.el.button(
                rx.cond(bookings.adding, say("bookings.adding"), say("bookings.more")),
                type="button",
                on_click=action(_MODULE, "showMore"),
                disabled=bookings.adding,
                class_name="button",
            ),
        ),
    )


def _card(order: rx.vars.ObjectVar[Described]) -> Ui:
    event, quantity = order.event, order.quantity
    # None are known of one that was declined before anything was held.
    tickets = tickets_text(order.parts)
    title = rx.cond(event.name != "", event.name, rx.cond(quantity.to(int) > 0, tickets, say("booking.head")))
    return rx.el.li(
        link(
            rx.el.span(
                rx.el.span(rx.cond(event.name != "", name(event.name), title), class_name="event-name"),
                rx.cond(event.name != "", when_and_where(event, class_name="small")),
                rx.cond(order.called_off, rx.el.span(_called_off(order), class_name="small")),
                name(order.reference, class_name="small booking-reference"),
                class_name="booking-words",
            ),
            rx.el.span(
                rx.el.span(status_text(order.state), class_name="status", data_status=order.state),
                rx.el.span(tickets, class_name="small booking-tickets"),
                rx.match(
                    order.state,
                    ("declined", "cancelled", rx.el.span(say("bookings.not_charged"), class_name="small")),
                    rx.el.span(
                        rx.el.bdi(price(order.total, order)),
                        " ",
                        rx.el.bdi(currency_code(order.total, order), class_name="currency"),
                        class_name="booking-total",
                    ),
                ),
                rx.cond(order.valid, rx.el.span(say("bookings.show_tickets"), class_name="booking-show")),
                class_name="booking-stub",
            ),
            to=f"/booking/{order.reference}",
        ),
        rx.cond(
            order.cancellable,
            cancel_button(
                order,
                say("bookings.cancel"),
                event=title,
                class_name="button cancel",
            ),
        ),
        cancel_outcome(order, _cancelled(order)),
        # The reference keeps the focus and the outcome with the booking when its place in the list changes.
        key=order.reference,
        class_name="booking",
        data_state=order.state,
    )


def _called_off(order: rx.vars.ObjectVar[Described]) -> Any:
    """Return the text about an order of a cancelled event and its refund."""
    return rx.match(
        order.state,
        ("confirmed", "paid_late", say("booking.called_off")),
        ("cancelled_refunded", cancelled_text(order)),
        say("booking.called_off.title"),
    )


def _cancelled(order: rx.vars.ObjectVar[Described]) -> Ui:
    """Return the text about a cancelled booking. The next read of the list moves the booking to another tab."""
    return rx.cond(~order.cancellable, rx.el.p(cancelled_text(order), class_name="booking-cancelled"))


def _empty() -> Ui:
    return rx.el.div(
        rx.el.p(
            rx.match(
                bookings.show,
                ("past", say("bookings.none_past")),
                ("cancelled", say("bookings.none_cancelled")),
                say("bookings.none_upcoming"),
            ),
            class_name="notice-title",
        ),
        rx.cond(
            bookings.show == "upcoming",
            rx.fragment(
                rx.el.p(rx.cond(bookings.account != "", say("account.none_text"), say("bookings.none_text"))),
                rx.el.p(link(say("nav.all_events"), to="/", class_name="button"), class_name="actions"),
            ),
        ),
        class_name="empty",
    )
