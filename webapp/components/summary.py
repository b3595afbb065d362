"""The summary of a purchase on the event's page: the choice, its total, the button that books, and the notice."""

from typing import Any

import reflex as rx

from webapp.components.checkout import (
    NoticePlace,
    checkout,
    notice,
    phase_is,
    sending_label,
)
from webapp.components.event_view import action, event_view
from webapp.components.language import currency_code, money, price, say, span
from webapp.components.layout import Ui, link
from webapp.components.seat_map import seat_name
from webapp.components.tier_list import is_stale
from webapp.components.user_id import is_user_id_fault

_lost_some = event_view.lost.length() > 0


def summary() -> Ui:
    """Return the summary of the choice with the button that books. It stays in view once the form was."""
    return rx.el.aside(
        rx.el.div(
            rx.el.h2(say("summary.title"), id="summary"),
            rx.cond(event_view.bookable, _chosen(), _nothing_to_choose()),
            _reminder(),
            class_name="summary-words",
        ),
        rx.cond(
            (is_stale | (event_view.phase == "unreachable")) & form_books(),
            rx.el.p(say("counts.unreachable"), class_name="small"),
        ),
        rx.cond(form_books(), _submit()),
        sale_notice(),
        rx.cond(event_view.bookable | checkout.sending | _nothing_now(), rx.fragment(), _other_tier()),
        class_name="summary",
        aria_labelledby="summary",
    )


def _chosen() -> Ui:
    return rx.fragment(
        rx.cond(
            _lost_some,
            rx.el.div(
                rx.foreach(event_view.lost, lambda seat: rx.el.p(say("map.lost", row=seat.row, number=seat.number))),
                rx.cond(phase_is("seat_taken"), rx.el.p(say("checkout.seat_taken.text"), class_name="small")),
                class_name="summary-lost",
            ),
        ),
        rx.el.p(
            rx.el.span(say("summary.tickets", quantity=event_view.quantity, tier=event_view.tier)),
            rx.el.span(
                rx.el.bdi(price(event_view.total, event_view.event)),
                " ",
                rx.el.bdi(currency_code(event_view.total, event_view.event), class_name="currency"),
                class_name="summary-total",
            ),
            class_name="summary-line",
            aria_live="polite",
            aria_atomic="true",
        ),
        rx.el.div(
            rx.cond(
                event_view.picks.length() > 0,
                rx.el.ul(rx.foreach(event_view.picks, _pick), class_name="picks", aria_labelledby="summary"),
            ),
            aria_live="polite",
        ),
        rx.cond(_lost_some, _alternatives_to_lost(), _seating()),
    )


def _pick(seat: Any) -> Ui:
    """Return a picked seat with the button that returns it."""
    return rx.el.li(
        seat_name(seat),
        rx.el.button(
            type="button",
            aria_label=say("summary.return", row=seat.row, number=seat.number),
            disabled=checkout.sending,
            on_click=action("pick", seat.id),
        ),
    )


def _reminder() -> Ui:
    """Return the reminder of picks that the last choice could not keep."""
    reminder = event_view.reminder
    return rx.el.div(
        rx.match(
            reminder.reason,
            ("limit", rx.el.p(say("summary.at_limit", most=event_view.limit))),
            (
                "other_tier",
                rx.fragment(
                    rx.el.p(say("summary.returned", quantity=reminder.quantity, tier=reminder.tier)),
                    rx.el.button(
                        say("summary.restore"), type="button", on_click=action("restorePicks"), class_name="text-button"
                    ),
                ),
            ),
            rx.fragment(),
        ),
        class_name="reminder",
        role="status",
    )


def _alternatives_to_lost() -> Ui:
    """Return the alternatives to another seat. No button books until the buyer decides."""
    return rx.el.div(
        rx.cond(
            event_view.picks.length() > 0,
            rx.el.button(
                say("summary.keep_picks", quantity=event_view.quantity),
                type="button",
                on_click=action("keepPicks"),
                class_name="button first",
            ),
        ),
        rx.el.button(say("summary.any_seats"), type="button", on_click=action("unpickAll"), class_name="button"),
        class_name="lost-actions",
    )


def _seating() -> Ui:
    """Return the line about the seats of the choice. It always has one line, so that nothing moves."""
    return rx.cond(
        event_view.picks.length() > 0,
        rx.el.button(say("summary.clear"), type="button", on_click=action("unpickAll"), class_name="text-button"),
        rx.el.p(rx.cond(event_view.seated, say("summary.together"), say("summary.standing")), class_name="small"),
    )


def _nothing_to_choose() -> Ui:
    is_reported = (phase_is("sold_out", "all_held") & _applies()) | _nothing_now() | checkout.sending
    return rx.match(
        event_view.phase,
        (
            "loading",
            rx.fragment(
                rx.el.p(
                    rx.el.span("\u00a0", class_name="bone bone-line"), class_name="summary-line", aria_hidden="true"
                ),
                rx.el.p(rx.el.span(class_name="bone bone-words"), class_name="small", aria_hidden="true"),
            ),
        ),
        ("unreachable", rx.fragment()),
        rx.cond(
            is_reported,
            rx.fragment(),
            rx.fragment(
                rx.el.p(
                    rx.cond(
                        event_view.tier_sold_out,
                        say("counts.announce_sold_out", tier=event_view.tier),
                        rx.cond(
                            event_view.tier_known,
                            say("summary.nothing", tier=event_view.tier),
                            say("tier.unknown"),
                        ),
                    )
                ),
                rx.cond(
                    event_view.back_in > 0,
                    rx.el.p(say("tier.back_in", time=span(event_view.back_in)), class_name="small"),
                ),
            ),
        ),
    )


def _other_tier() -> Ui:
    return rx.cond(
        event_view.next_best != "",
        rx.el.button(
            say(
                "summary.next_best",
                tier=event_view.next_best,
                price=price(event_view.next_best_price, event_view.event),
            ),
            type="button",
            on_click=action("choose", event_view.next_best),
            class_name="button other-tier",
        ),
    )


def form_books() -> Any:
    """Return whether the button that books is in the form. It may be in the notice instead."""
    nothing_known = (event_view.phase == "loading") | (event_view.phase == "unreachable") | ~event_view.tier_known
    return checkout.sending | (~_notice_books() & ~_lost_some & (event_view.bookable | nothing_known))


def _submit() -> Ui:
    return rx.el.button(
        rx.cond(
            checkout.sending,
            sending_label(),
            rx.cond(
                event_view.bookable,
                rx.cond(
                    event_view.total == 0,
                    say("book.free"),
                    say("book.button", total=money(event_view.total, event_view.event)),
                ),
                say("book.plain"),
            ),
        ),
        type="submit",
        class_name="submit",
        disabled=event_view.locked,
        aria_busy=checkout.sending,
    )


def _of_this_event() -> Any:
    """Return whether the last purchase was for the event of the page."""
    return checkout.event == event_view.event.slug


def _applies() -> Any:
    """Return whether the outcome of the last purchase concerns the present choice and is still true."""
    of_a_tier = phase_is("declined", "fewer_left", "sold_out", "all_held", "seat_taken", "price_changed")
    of_a_tier &= checkout.tier != ""
    this_tier = (checkout.tier == event_view.tier) & _of_this_event()
    return (~of_a_tier | this_tier) & ~is_user_id_fault(checkout.detail) & ~_past()


def _past() -> Any:
    """Return whether newer counts contradict the refusal, or another part of the page shows it."""
    refused = phase_is("fewer_left", "sold_out", "all_held", "seat_taken", "not_on_sale")
    return refused & _of_this_event() & event_view.refusal_over


def _nothing_now() -> Any:
    """Return whether nothing can be booked, whatever the choice."""
    return phase_is("unreachable") | (phase_is("not_on_sale") & _of_this_event() & ~_past())


def _notice_books() -> Any:
    """Return whether the button that books is in the notice, or nothing can be booked.

    The button returns to the form as soon as the buyer chooses another tier or another number of tickets.
    """
    same_number = phase_is("declined", "busy", "rate_limited", "not_found", "price_changed")
    same_number &= checkout.quantity == event_view.quantity
    enough = phase_is("fewer_left") & (checkout.left <= event_view.quantity)
    same_tier = (checkout.tier == event_view.tier) & _of_this_event()
    return _nothing_now() | (same_tier & ~_past() & (phase_is("all_held") | enough | same_number))


def sale_notice() -> Ui:
    """Return the notice about the last attempt."""
    leads = _notice_books() & (event_view.sale == "on_sale")
    place = NoticePlace(
        locked=event_view.locked,
        applies=_applies(),
        # The button returns to the form once held tickets are released.
        books=leads & ~phase_is("all_held"),
        waits=~phase_is("all_held"),
        again={"type": "submit"},
        at_new_total={"type": "submit"},
        before_fewer=[action("changeQuantity", checkout.left - event_view.quantity)],
        blocked=leads & is_stale & (checkout.phase != "unreachable"),
        ticket_price=event_view.price,
        priced=event_view.event,
        other=rx.match(
            checkout.phase,
            ("not_on_sale", link(say("nav.all_events"), to="/", class_name="button")),
            # For a tier without tickets the form itself offers another tier.
            ("fewer_left", "sold_out", "all_held", rx.cond(event_view.bookable, _other_tier())),
            rx.fragment(),
        ),
        seat_taken=say("checkout.seat_taken.text"),
        after_seat_taken=rx.fragment(),
    )
    return notice(place)
