"""The best free seats for tickets by number: the seats that are booked, the reason, and the alternatives."""

from typing import Any

import reflex as rx

from webapp.components.checkout import checkout
from webapp.components.event_view import Entry, SeatChoice, action, event_view
from webapp.components.language import name, say
from webapp.components.layout import Ui


def best_seats(entry: rx.vars.ObjectVar[Entry]) -> Ui:
    """Return the seats of an entry of the basket with the reason for their choice, and the alternatives."""
    return rx.el.div(
        rx.cond(
            entry.lost,
            rx.el.p(
                rx.cond(
                    entry.lost_to_own,
                    rx.cond(entry.seats.length() > 0, say("best.replaced_own"), say("best.searching_own")),
                    rx.cond(entry.seats.length() > 0, say("best.replaced"), say("best.searching")),
                ),
                class_name="fault",
            ),
        ),
        rx.cond(
            entry.seats.length() > 0,
            rx.el.p(
                rx.cond(event_view.only_tier == "", rx.fragment(name(entry.tier), ": "), rx.fragment()),
                rx.foreach(entry.seats, choice_text),
                class_name="small",
            ),
        ),
        rx.cond(
            entry.others.length() > 0,
            rx.el.details(
                rx.el.summary(say("best.others")),
                rx.foreach(
                    entry.others,
                    lambda choice: rx.el.button(
                        choice_text(choice),
                        type="button",
                        disabled=checkout.sending,
                        on_click=action("chooseSeats", entry.tier, choice.first),
                        class_name="button",
                    ),
                ),
            ),
        ),
        rx.cond(
            entry.lost,
            rx.el.button(
                say("best.open"),
                type="button",
                disabled=checkout.sending,
                on_click=action("leaveOpen", entry.tier),
                class_name="text-button",
            ),
        ),
        data_tier=entry.tier,
    )


def choice_text(choice: rx.vars.ObjectVar[SeatChoice]) -> Any:
    """Return seats and the reason for their choice as text, such as "Row C, seats 9-10, centre, together"."""
    return rx.el.span(
        choice.rows.foreach(lambda row: say("best.seats", row=row.row, quantity=row.seats, numbers=row.numbers)).join(
            " · "
        ),
        rx.match(
            choice.zone,
            ("left", rx.fragment(" · ", say("best.left"))),
            ("centre", rx.fragment(" · ", say("best.centre"))),
            ("right", rx.fragment(" · ", say("best.right"))),
            rx.fragment(),
        ),
        rx.cond(
            choice.single,
            rx.fragment(),
            rx.fragment(" · ", rx.cond(choice.together, say("best.together"), say("best.apart"))),
        ),
    )
