"""The facts of an order: its reference, tickets, total, buyer and time."""

from typing import Any

import reflex as rx

from webapp.components.language import currency_code, moment, money, name, price, say
from webapp.components.layout import Ui
from webapp.components.order import order, tickets_text
from webapp.components.order_tickets import place_of
from webapp.components.page import copied, copy_text


def facts() -> Ui:
    """Return the reference, the tickets, the total, the buyer and the time of the order."""
    return rx.el.dl(
        _reference(),
        rx.el.div(
            rx.el.dt(say("booking.short_reference")),
            rx.el.dd(name(order.short_reference, class_name="reference", id="short-reference")),
        ),
        rx.cond(
            order.quantity > 0,
            rx.el.div(
                rx.el.dt(say("booking.tickets")),
                rx.el.dd(tickets_text(order.parts), id="order-tickets"),
            ),
        ),
        rx.cond(order.lines > order.quantity, _returned()),
        rx.cond(order.seated & (~order.valid | order.called_off), _places()),
        _total(),
        rx.cond(order.refunds.length() > 0, _refunds()),
        rx.cond(order.quantity > 0, _buyer_and_time()),
    )


def _reference() -> Ui:
    return rx.el.div(
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
    )


def _returned() -> Ui:
    return rx.el.div(
        rx.el.dt(say("booking.returned")),
        rx.el.dd(
            rx.cond(
                order.returned_total > 0,
                say(
                    "booking.returned.text",
                    tickets=tickets_text(order.returned_parts),
                    refund=money(order.returned_total, order),
                ),
                tickets_text(order.returned_parts),
            ),
            id="returned-tickets",
        ),
    )


def _total() -> Ui:
    return rx.el.div(
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
    )


def _refunds() -> Ui:
    def line(refund: Any) -> Ui:
        amount = money(refund.amount, order)
        return rx.el.li(
            rx.match(
                refund.state,
                ("succeeded", say("booking.refunds.done", refund=amount)),
                ("failed", say("booking.refunds.failed", refund=amount)),
                say("booking.refunds.open", refund=amount),
            )
        )

    return rx.el.div(
        rx.el.dt(say("booking.refunds")),
        rx.el.dd(rx.el.ul(rx.foreach(order.refunds, line), class_name="picks"), id="refunds"),
        class_name="wide",
    )


def _buyer_and_time() -> Ui:
    return rx.fragment(
        rx.el.div(
            rx.el.dt(say("booking.user")),
            rx.el.dd(name(order.user_id)),
        ),
        rx.el.div(
            rx.el.dt(say("booking.booked_at")),
            rx.el.dd(rx.cond(order.event.name != "", moment(order.booked_at, order.event.timeZone), "\u00a0")),
            class_name="wide",
        ),
    )


def _places() -> Ui:
    return rx.el.div(
        rx.el.dt(say("booking.places")),
        rx.el.dd(rx.el.ul(rx.foreach(order.tickets, lambda ticket: rx.el.li(place_of(ticket))), class_name="picks")),
        class_name="wide",
    )
