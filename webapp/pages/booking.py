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
from webapp.components.checkout import CheckoutFeed, NoticePlace, book_again, checkout, notice, phase_is, sending_label
from webapp.components.events import when_and_where
from webapp.components.language import currency_code, in_english, moment, money, name, number, price, say, span
from webapp.components.layout import Ui, away_page, link, message_page, page
from webapp.components.order import OrderFeed, OrderTicket, TicketCode, order, status_text
from webapp.components.page import PageTitle, copied, copy_text, print_page

_CODE_SIZE = 164


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
            rx.el.p(say("away.stale"), class_name="stale", role="status"),
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
                rx.el.span(when_and_where(event)),
                class_name="order-event",
            ),
            rx.el.p(rx.el.span(class_name="bone bone-line"), class_name="order-event"),
        ),
        class_name="ticket-head",
    )


def _title(state: Any) -> Any:
    return rx.match(
        state,
        ("confirmed", rx.cond(order.called_off, say("booking.called_off.title"), say("booking.confirmed.title"))),
        ("paid_late", rx.cond(order.called_off, say("booking.called_off.title"), say("booking.paid_late.title"))),
        ("pending", say("booking.pending.title")),
        ("overdue", say("booking.overdue.title")),
        ("declined", say("booking.declined.title")),
        ("expired", say("booking.expired.title")),
        ("paid_too_late", say("booking.paid_too_late.title")),
        ("cancelled", say("booking.cancelled.title")),
        ("cancelled_refunded", say("booking.cancelled.title")),
        status_text(state),
    )


def _body() -> Ui:
    return rx.el.div(
        # The heading names a cancelled order.
        cancel_outcome(order, rx.fragment()),
        rx.cond(~(order.called_off & order.cancellable), rx.el.p(_text(), class_name="order-text")),
        rx.cond(
            order.state == "pending",
            rx.el.p(
                rx.el.span(span(order.left), class_name="countdown", role="timer"),
                rx.cond(order.hurry, rx.el.span(say("booking.hurry"), class_name="hurry")),
                class_name="order-left",
            ),
        ),
        rx.cond(
            order.called_off & order.cancellable,
            rx.el.div(
                rx.el.p(say("booking.called_off")),
                cancel_button(order, say("booking.cancel"), class_name=""),
                class_name="notice",
            ),
        ),
        _again(),
        rx.cond(
            order.anew,
            link(say("booking.choose_anew"), to=f"/event/{order.event.slug}", class_name="submit"),
        ),
        rx.cond(order.valid & ~order.called_off, _passes()),
        _facts(),
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
        ("pending", say("booking.pending.text")),
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


def _again() -> Ui:
    """Return the button that books the same tickets again after a failed order, and the notice about its outcome."""
    busy = checkout.sending
    # A purchase in doubt is shown here as well, although it is not about this order.
    this_one = (checkout.event == order.event.slug) & (checkout.tier == order.tier)
    place = NoticePlace(
        locked=checkout.locked,
        applies=True,
        books=this_one,
        again={"type": "button", "on_click": book_again(order.reference)},
        at_new_total={"type": "button", "on_click": book_again(order.reference, checkout.new_total)},
        before_fewer=[],
        waits=True,
        blocked=False,
        ticket_price=order.total / order.quantity,
        priced=order,
        other=_to_event(say("booking.other_tickets")),
        seat_taken=say("booking.again.seat_taken"),
        after_seat_taken=_to_other_seats(),
    )
    # A purchase may have been booked even if the sale has ended since.
    return rx.cond(
        order.repeatable | phase_is("sending", "unreachable", "not_found", "declined"),
        rx.el.div(
            rx.cond(
                order.repeatable & (phase_is("idle") | ~this_one) | busy,
                rx.el.button(
                    rx.cond(
                        busy,
                        sending_label(),
                        say(
                            "booking.again",
                            quantity=order.quantity,
                            tier=order.tier,
                            total=money(order.total, order),
                        ),
                    ),
                    type="button",
                    on_click=book_again(order.reference),
                    disabled=checkout.locked,
                    aria_busy=busy,
                    class_name="submit",
                ),
            ),
            notice(place),
            class_name="order-again",
        ),
    )


def _to_other_seats() -> Ui:
    """Name the seats that others have, and link to the seat map with the remaining ones."""
    seats = order.tickets.foreach(lambda ticket: ticket.id).join(",")
    return rx.fragment(
        rx.el.ul(
            rx.foreach(
                order.tickets,
                lambda ticket: rx.cond(
                    checkout.seats_gone.contains(ticket.id) & (ticket.row != ""),
                    rx.el.li(say("map.lost", row=ticket.row, number=ticket.seat)),
                ),
            )
        ),
        link(
            say("booking.other_seats"),
            to=f"/event/{order.event.slug}?seats={seats}",
            class_name="button",
        ),
    )


def _to_event(words: Any) -> Ui:
    return link(words, to=f"/event/{order.event.slug}", class_name="button")


def _passes() -> Ui:
    return rx.fragment(
        rx.el.h2(say("booking.passes", quantity=order.quantity), class_name="unseen"),
        rx.el.ul(rx.foreach(order.tickets, _pass), class_name="passes"),
    )


def _place(ticket: rx.vars.ObjectVar[OrderTicket]) -> Any:
    return rx.cond(
        ticket.row != "",
        say("seat.name", row=ticket.row, number=ticket.seat),
        say("booking.standing"),
    )


def _pass(ticket: rx.vars.ObjectVar[OrderTicket]) -> Ui:
    return rx.el.li(
        rx.el.div(
            # Visitors cut printed tickets apart.
            rx.cond(
                order.event.name != "",
                rx.fragment(
                    rx.el.span(name(order.event.name), class_name="pass-event"),
                    rx.el.span(when_and_where(order.event), class_name="small pass-when"),
                ),
                rx.fragment(
                    rx.el.span("\u00a0", class_name="bone bone-line pass-event"),
                    rx.el.span("\u00a0", class_name="bone bone-words small pass-when"),
                ),
            ),
            rx.el.span(say("booking.pass", line=number(ticket.line), of=number(order.quantity)), class_name="small"),
            rx.el.span(_place(ticket), class_name="place"),
            rx.el.span(name(order.tier), class_name="pass-tier"),
            class_name="pass-words",
        ),
        rx.el.div(
            TicketCode.create(
                src=ticket.code,
                alt=say("booking.code", line=number(ticket.line), place=_place(ticket)),
                width=_CODE_SIZE,
                height=_CODE_SIZE,
            ),
            class_name="pass-code",
        ),
        class_name="pass",
    )


def _facts() -> Ui:
    return rx.el.dl(
        rx.el.div(
            rx.el.dt(say("booking.reference")),
            rx.el.dd(
                name(order.reference, class_name="reference", id="reference"),
                rx.el.span(
                    rx.el.button(
                        rx.match(
                            copied,
                            ("done", say("booking.copied")),
                            ("select", say("booking.copy_select")),
                            say("booking.copy"),
                        ),
                        type="button",
                        on_click=copy_text(order.reference),
                        class_name="text-button",
                    ),
                    role="status",
                    aria_live="polite",
                ),
                class_name="order-reference",
            ),
            class_name="wide",
        ),
        rx.cond(
            order.quantity > 0,
            rx.el.div(
                rx.el.dt(say("booking.tickets")),
                rx.el.dd(say("summary.tickets", quantity=order.quantity, tier=order.tier), id="order-tickets"),
            ),
        ),
        rx.cond(order.seated & (~order.valid | order.called_off), _places()),
        rx.el.div(
            rx.el.dt(
                rx.match(
                    order.state,
                    ("declined", "cancelled", say("booking.not_charged")),
                    ("paid_too_late", "cancelled_refunded", say("booking.refund")),
                    say("booking.total"),
                )
            ),
            rx.el.dd(
                rx.el.bdi(price(rx.cond(order.refund > 0, order.refund, order.total), order)),
                rx.el.bdi(currency_code(order.total, order), class_name="small"),
                id="order-total",
            ),
        ),
        rx.cond(
            order.quantity > 0,
            rx.fragment(
                rx.el.div(
                    rx.el.dt(say("booking.user")),
                    rx.el.dd(name(order.user_id)),
                ),
                rx.el.div(
                    rx.el.dt(say("booking.booked_at")),
                    rx.el.dd(rx.cond(order.event.name != "", moment(order.booked_at, order.event.timeZone), "\u00a0")),
                    class_name="wide",
                ),
            ),
        ),
    )


def _places() -> Ui:
    return rx.el.div(
        rx.el.dt(say("booking.places")),
        rx.el.dd(rx.el.ul(rx.foreach(order.tickets, lambda ticket: rx.el.li(_place(ticket))), class_name="picks")),
        class_name="wide",
    )


def _actions() -> Ui:
    leads_there = order.repeatable & phase_is("fewer_left", "sold_out", "all_held", "seat_taken", "price_changed")
    return rx.fragment(
        rx.el.div(
            rx.cond(
                order.valid & ~order.called_off,
                rx.fragment(
                    link(say("booking.calendar"), to=order.calendar, reload_document=True, class_name="button"),
                    rx.el.button(say("booking.print"), type="button", on_click=print_page()),
                ),
            ),
            rx.cond(
                # While the payment is open, no link invites the buyer to book again.
                (order.state != "pending") & (order.state != "overdue") & ~order.valid & ~order.anew & ~leads_there,
                _to_event(say("booking.to_event")),
            ),
            link(say("nav.bookings"), to="/bookings", class_name="button"),
            rx.cond(
                order.cancellable & ~order.called_off,
                cancel_button(order, say("booking.cancel"), class_name="cancel"),
            ),
            class_name="actions",
        ),
        rx.cond(order.cancellable, cancel_dialog(order)),
    )
