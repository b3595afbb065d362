"""The second try for a failed order: a button that books the same tickets again, and the notice about its outcome."""

from typing import Any

import reflex as rx

from webapp.components.checkout import NoticePlace, book_again, book_left, checkout, notice, phase_is, sending_label
from webapp.components.language import money, price, say
from webapp.components.layout import Ui, link
from webapp.components.order import order, tickets_text


def again() -> Ui:
    """Return the button that books the same tickets again after a failed order, and the notice about its outcome."""
    busy = checkout.sending
    # A purchase in doubt is shown here as well, although it is not about this order.
    this_one = (checkout.event == order.event.slug) & (checkout.tickets == order.tickets_by_tier)
    price_of_refused = order.prices[checkout.tier].to(float)
    missing = checkout.quantity - checkout.left
    total_left = price(order.total - price_of_refused * missing, order)
    place = NoticePlace(
        locked=checkout.locked,
        applies=True,
        books=this_one,
        again={"type": "button", "on_click": book_again(order.reference)},
        at_new_total={"type": "button", "on_click": book_again(order.reference, checkout.new_total)},
        book_left={"type": "button", "on_click": book_left(price_of_refused, order.currencyDigits)},
        left_label=rx.cond(
            checkout.mixed,
            say(
                "checkout.book_rest",
                tickets=say("summary.tickets", quantity=missing, tier=checkout.tier),
                total=total_left,
            ),
            say("checkout.book_left", left=checkout.left, total=total_left),
        ),
        waits=True,
        blocked=False,
        priced=order,
        other=to_event(say("booking.other_tickets")),
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
                            tickets=tickets_text(order.parts),
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
    """Name the seats that others have, and link to the event with all tickets of the order."""
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
            to=f"/event/{order.event.slug}?{order.again_query}",
            class_name="button",
        ),
    )


def to_event(words: Any) -> Ui:
    """Return a button that leads to the order's event."""
    return link(words, to=f"/event/{order.event.slug}", class_name="button")
