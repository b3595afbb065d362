"""The page of one order, under its reference."""

from typing import Any

import reflex as rx

from webapp.components.cancelling import (
    CancellingFeed,
    cancel_button,
    cancel_dialog,
    cancel_outcome,
    cancelled_text,
)
from webapp.components.checkout import CheckoutFeed, phase_is
from webapp.components.events import when_and_where
from webapp.components.language import in_english, moment, money, name, say, span
from webapp.components.layout import Ui, away_page, link, message_page, page
from webapp.components.link_mail import link_mail_form, undelivered_notice
from webapp.components.link_revocation import link_revocation
from webapp.components.order import OrderFeed, download, order, save_calendar, save_printed, status_text
from webapp.components.order_again import again, to_event
from webapp.components.order_facts import facts
from webapp.components.order_tickets import tickets
from webapp.components.page import PageTitle, print_page
from webapp.components.returning import return_outcome


@rx.page(  # type: ignore[untyped-decorator]
    route="/booking/[reference]",
    image="/favicon.svg",
    title=in_english("booking.head"),
    description=in_english("booking.description"),
)
def booking_page() -> Ui:
    """Show one order."""
    return page(
        CheckoutFeed.create(),
        CancellingFeed.create(),
        OrderFeed.create(),
        PageTitle.create(
            text=rx.cond(order.event.name != "", say("booking.title", event=order.event.name), say("booking.head"))
        ),
        rx.el.p(
            rx.match(order.announcement, ("", ""), ("hurry", say("booking.hurry")), _title(order.announcement)),
            class_name="unseen",
            role="status",
            aria_live="polite",
        ),
        rx.match(
            order.page,
            ("found", _found()),
            (
                "missing",
                message_page(
                    say("booking.missing.title"),
                    say("booking.missing.text"),
                    link(say("nav.bookings"), to="/bookings", class_name="button"),
                    link(say("nav.all_events"), to="/", class_name="button"),
                ),
            ),
            ("away", away_page(link(say("nav.bookings"), to="/bookings", class_name="button"))),
            _loading(),
        ),
    )


def _loading() -> Ui:
    return rx.el.div(
        rx.el.h1(say("booking.loading"), class_name="unseen"),
        rx.el.div(
            rx.el.div(class_name="aurora"),
            rx.el.div(class_name="ticket-head"),
            rx.el.div(rx.el.span(class_name="bone bone-order"), class_name="ticket-body"),
            class_name="ticket",
            aria_hidden="true",
        ),
        class_name="sheet",
        aria_busy="true",
    )


def _found() -> Ui:
    return rx.el.div(
        rx.cond(
            order.away,
            rx.el.p(
                rx.cond(
                    order.kept_at != "",
                    say("booking.offline", time=moment(order.kept_at, order.event.timeZone)),
                    say("away.stale"),
                ),
                class_name="stale",
                role="status",
            ),
        ),
        rx.el.article(
            rx.el.div(class_name="aurora", aria_hidden="true"),
            _head(),
            _body(),
            class_name="ticket",
            data_state=order.state,
            data_void=order.called_off | ~(order.valid | (order.state == "pending") | (order.state == "overdue")),
            aria_labelledby="order-state",
        ),
        class_name="sheet",
    )


def _head() -> Ui:
    event = order.event
    return rx.el.header(
        # The heading names all other states.
        rx.cond(
            order.valid & ~order.called_off,
            rx.el.p(status_text(order.state), class_name="status", data_status=order.state),
        ),
        rx.el.h1(_title(order.state), id="order-state", tab_index=-1),
        rx.cond(
            event.name != "",
            rx.el.p(
                link(name(event.name), to=f"/event/{event.slug}", class_name="order-event-name"),
                when_and_where(event),
                class_name="order-event",
            ),
            rx.el.p(rx.el.span(class_name="bone bone-line"), class_name="order-event"),
        ),
        class_name="ticket-head",
    )


_IS_UNPAID = order.payment_url != ""
"""True while the buyer of a pending order still has to pay on a page of the provider."""


def _title(state: Any) -> Any:
    return rx.match(
        state,
        ("confirmed", rx.cond(order.called_off, say("booking.called_off.title"), say("booking.confirmed.title"))),
        ("paid_late", rx.cond(order.called_off, say("booking.called_off.title"), say("booking.paid_late.title"))),
        ("pending", rx.cond(_IS_UNPAID, say("booking.pay.title"), say("booking.pending.title"))),
        ("overdue", say("booking.overdue.title")),
        ("declined", say("booking.declined.title")),
        ("expired", say("booking.expired.title")),
        ("paid_too_late", say("booking.paid_too_late.title")),
        ("cancelled", "cancelled_refunded", _cancelled_title()),
        status_text(state),
    )


def _cancelled_title() -> Any:
    return rx.cond(order.called_off, say("booking.called_off.title"), say("booking.cancelled.title"))


def _body() -> Ui:
    return rx.el.div(
        # The heading names a cancelled order.
        cancel_outcome(order, rx.fragment()),
        return_outcome(),
        undelivered_notice(order.undelivered_to),
        rx.el.p(rx.cond(order.called_off & order.valid, say("booking.called_off"), _text()), class_name="order-text"),
        rx.cond(
            order.state == "pending",
            rx.el.p(
                rx.el.span(span(order.left), class_name="countdown", role="timer"),
                rx.cond(
                    order.hurry,
                    rx.el.span(say("booking.hurry"), class_name="hurry"),
                    rx.el.span(say("booking.left"), class_name="small"),
                ),
                class_name="order-left",
            ),
        ),
        rx.cond(_IS_UNPAID, rx.el.a(say("booking.pay"), href=order.payment_url, class_name="submit")),
        again(),
        rx.cond(
            order.anew,
            link(say("booking.choose_anew"), to=f"/event/{order.event.slug}", class_name="submit"),
        ),
        rx.cond(order.valid & ~order.called_off, tickets()),
        facts(),
        link_mail_form(
            rx.cond(order.undelivered_to != "", say("links.correct"), say("links.one")),
            reference=order.reference,
            sent=say("links.one_sent"),
            is_open=order.undelivered_to != "",
        ),
        link_revocation(order.reference),
        _actions(),
        class_name="ticket-body",
    )


def _text() -> Any:
    refund = money(order.refund, order)
    return rx.match(
        order.state,
        (
            "confirmed",
            rx.cond(
                order.begun,
                say("booking.confirmed.begun", quantity=order.quantity),
                say("booking.confirmed.text", quantity=order.quantity),
            ),
        ),
        ("paid_late", say("booking.paid_late.text", quantity=order.quantity)),
        ("pending", rx.cond(_IS_UNPAID, say("booking.pay.text"), say("booking.pending.text"))),
        ("overdue", say("booking.overdue.text")),
        (
            "declined",
            rx.cond(order.quantity > 0, say("booking.declined.text"), say("booking.declined.at_once")),
        ),
        ("expired", say("booking.expired.text")),
        ("paid_too_late", say("booking.paid_too_late.text", refund=refund)),
        ("cancelled", cancelled_text(order)),
        ("cancelled_refunded", cancelled_text(order)),
        "",
    )


def _actions() -> Ui:
    leads_there = order.repeatable & phase_is("fewer_left", "sold_out", "all_held", "seat_taken", "price_changed")
    return rx.fragment(
        rx.el.div(
            rx.cond(
                order.valid & ~order.called_off,
                rx.fragment(
                    rx.el.button(say("booking.calendar"), type="button", on_click=save_calendar()),
                    rx.el.button(say("booking.pdf"), type="button", on_click=save_printed()),
                    rx.el.button(say("booking.print"), type="button", on_click=print_page()),
                ),
            ),
            rx.cond(
                # While the payment is open, no link invites the buyer to book again.
                (order.state != "pending") & (order.state != "overdue") & ~order.valid & ~order.anew & ~leads_there,
                to_event(say("booking.to_event")),
            ),
            link(say("nav.bookings"), to="/bookings", class_name="button"),
            rx.cond(order.cancellable, cancel_button(order, say("booking.cancel"), class_name="cancel")),
            class_name="actions",
        ),
        rx.el.p(
            rx.cond(
                (download.failed == order.printed) | (download.failed == order.calendar),
                say("booking.document_failed"),
                "",
            ),
            class_name="small download-failed",
            role="status",
            aria_live="polite",
        ),
        rx.cond(order.cancellable, cancel_dialog(order)),
    )
