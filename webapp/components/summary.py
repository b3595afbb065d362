"""The summary of a purchase on the event's page: the choice, its total, the button that books, and the notice."""

from typing import Any

import reflex as rx

from webapp.components.best_seats import best_seats
from webapp.components.checkout import (
    NoticePlace,
    checkout,
    notice,
    phase_is,
    sending_label,
)
from webapp.components.email import is_email_fault
from webapp.components.event_view import Entry, action, event_view
from webapp.components.language import currency_code, money, price, say, span
from webapp.components.layout import Ui, link
from webapp.components.seat_map import lost_text
from webapp.components.tier_list import basket_at_limit, is_stale, tier_at_limit
from webapp.components.user_id import is_user_id_fault

_lost_some = event_view.lost.length() > 0
_some_gone = (event_view.missing.length() > 0) & (event_view.tier_sold_out | (event_view.back_in > 0))
"""True if a tier of the basket has no tickets now."""


def summary() -> Ui:
    """Return the summary of the choice with the button that books. It stays in view once the form was."""
    return rx.el.aside(
        rx.el.div(
            rx.el.h2(say("summary.title"), id="summary"),
            rx.cond((event_view.some_bookable | _lost_some) & (event_view.quantity > 0), _total()),
            _reminder(),
            rx.cond(event_view.some_bookable | _lost_some, _details()),
            rx.cond(_lost_some, _alternatives_to_lost()),
            rx.cond((event_view.bookable & ~_some_gone) | _lost_some, rx.fragment(), _nothing_to_choose()),
            class_name="summary-words",
        ),
        rx.cond(
            (is_stale | (event_view.phase == "unreachable")) & form_books(),
            rx.el.p(say("counts.unreachable"), class_name="small"),
        ),
        rx.cond(form_books(), _submit()),
        sale_notice(),
        rx.cond(
            (event_view.bookable & (_notice_has_other_tier() | (event_view.missing.length() == 0)))
            | _lost_some
            | checkout.sending
            | _nothing_now(),
            rx.fragment(),
            _other_tier(),
        ),
        class_name="summary",
        aria_labelledby="summary",
    )


def _details() -> Ui:
    """Return the entries of the basket and their seats. Below the form only this part of the summary scrolls."""
    return rx.el.div(
        rx.cond(
            _lost_some,
            rx.el.div(
                rx.foreach(event_view.lost, lambda seat: rx.el.p(lost_text(seat))),
                rx.cond(
                    phase_is("seat_taken") & event_view.lost_to_others,
                    rx.el.p(say("checkout.seat_taken.text"), class_name="small"),
                ),
                class_name="summary-lost",
            ),
        ),
        rx.el.div(
            rx.cond(
                event_view.has_chips,
                rx.el.ul(rx.foreach(event_view.entries, _chip), class_name="picks", aria_labelledby="summary"),
            ),
            aria_live="polite",
        ),
        rx.cond(_lost_some, rx.fragment(), _seating()),
        rx.el.div(
            rx.foreach(
                event_view.entries, lambda entry: rx.cond((entry.seats.length() > 0) | entry.lost, best_seats(entry))
            ),
            class_name="best-seats",
            role="status",
        ),
        class_name="summary-details",
    )


def _total() -> Ui:
    """Return the number of tickets and their total, which screen readers announce."""
    return rx.el.p(
        rx.el.span(
            rx.cond(
                event_view.only_tier != "",
                say("summary.tickets", quantity=event_view.quantity, tier=event_view.only_tier),
                say("summary.mixed", quantity=event_view.quantity),
            )
        ),
        rx.cond(
            event_view.bookable,
            rx.el.span(
                rx.el.bdi(price(event_view.total, event_view.event)),
                " ",
                rx.el.bdi(currency_code(event_view.total, event_view.event), class_name="currency"),
                class_name="summary-total",
            ),
        ),
        class_name="summary-line",
        aria_live="polite",
        aria_atomic="true",
    )


def _chip(entry: rx.vars.ObjectVar[Entry]) -> Ui:
    """Return an entry of the basket with its fault and the button that removes it."""
    is_seat = entry.seat != 0
    return rx.el.li(
        rx.el.span(
            rx.cond(
                is_seat,
                say("basket.seat", tier=entry.tier, row=entry.row, number=entry.number),
                say("summary.tickets", quantity=entry.quantity, tier=entry.tier),
            )
        ),
        rx.cond(
            (entry.fault != "gone") & (entry.fault != "unknown"),
            rx.fragment(" ", rx.el.bdi(price(entry.total, event_view.event), class_name="chip-price")),
        ),
        rx.match(
            entry.fault,
            ("fewer", rx.el.span(say("checkout.fewer_left.title", left=entry.quantity), class_name="fault")),
            ("gone", rx.el.span(say("basket.gone"), class_name="fault")),
            ("unknown", rx.el.span(say("tier.unknown"), class_name="fault")),
            ("refused", rx.el.span(say("basket.refused"), class_name="fault")),
            rx.fragment(),
        ),
        rx.cond(
            # The basket is never empty, so that the tier's own control changes its only entry.
            is_seat | (event_view.entries.length() > 1) | (entry.fault == "gone") | (entry.fault == "unknown"),
            # React keeps the button and its focus if the next entry takes the place of a removed one.
            rx.cond(
                is_seat,
                rx.el.button(
                    type="button",
                    aria_label=say("summary.return", tier=entry.tier, row=entry.row, number=entry.number),
                    disabled=checkout.sending,
                    on_click=action("pick", entry.seat),
                ),
                rx.el.button(
                    type="button",
                    aria_label=say("summary.remove", quantity=entry.quantity, tier=entry.tier),
                    disabled=checkout.sending,
                    on_click=action("removeTier", entry.tier),
                ),
            ),
        ),
        data_fault=entry.fault,
    )


def _reminder() -> Ui:
    """Return the reason that has refused the last choice, or the limit that the basket does not meet."""
    return rx.el.div(
        rx.match(
            event_view.refused_by,
            ("booking", rx.el.p(basket_at_limit())),
            ("search", rx.el.p(say("best.none"))),
            ("tier", rx.el.p(tier_at_limit())),
            _unmet_limit(),
        ),
        class_name="reminder",
        role="status",
    )


def _unmet_limit() -> Ui:
    over, short = event_view.over_tier, event_view.short_tier
    in_basket = {"most": event_view.most_tickets, "surplus": event_view.surplus}
    in_tier = {"most": event_view.over_most, "surplus": event_view.over_surplus, "tier": over}
    of_basket = rx.cond(
        event_view.per_person, say("summary.surplus.person", **in_basket), say("summary.surplus", **in_basket)
    )
    of_tier = rx.cond(event_view.over_per_person, say("tier.surplus.person", **in_tier), say("tier.surplus", **in_tier))
    return rx.cond(
        event_view.surplus > 0,
        rx.el.p(of_basket),
        rx.cond(
            over != "",
            rx.el.p(of_tier),
            rx.cond(
                short != "",
                rx.el.p(say("tier.at_least", fewest=event_view.short_fewest, tier=short)),
                rx.cond(event_view.too_few, rx.el.p(say("summary.at_least", fewest=event_view.fewest_tickets))),
            ),
        ),
    )


def _alternatives_to_lost() -> Ui:
    """Return the alternatives to another seat. No button books until the buyer decides."""
    return rx.el.div(
        rx.cond(
            event_view.entries.length() > 0,
            rx.el.button(
                say("summary.keep_rest", quantity=event_view.quantity),
                type="button",
                on_click=action("keepRest"),
                class_name="button first",
            ),
        ),
        rx.el.button(say("summary.any_seats"), type="button", on_click=action("unpickAll"), class_name="button"),
        class_name="lost-actions",
    )


def _seating() -> Ui:
    """Return the lines about the seats of the basket. Without picked seats it has one line, so that nothing moves."""
    return rx.fragment(
        rx.cond(
            event_view.has_picks,
            rx.el.button(say("summary.clear"), type="button", on_click=action("unpickAll"), class_name="text-button"),
        ),
        rx.cond(
            event_view.seats_later,
            rx.el.p(say("summary.together"), class_name="small"),
            rx.cond(
                event_view.has_picks | event_view.has_offers | event_view.seated,
                rx.fragment(),
                rx.el.p(say("summary.standing"), class_name="small"),
            ),
        ),
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
                tickets=rx.cond(
                    event_view.next_best_quantity == 1,
                    event_view.next_best,
                    say("summary.tickets", quantity=event_view.next_best_quantity, tier=event_view.next_best),
                ),
                price=price(event_view.next_best_total, event_view.event),
            ),
            type="button",
            on_click=action("exchange", event_view.next_best),
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
                    event_view.missing.length() > 0,
                    _rest_label(),
                    rx.cond(
                        event_view.total == 0,
                        say("book.free"),
                        say("book.button", total=money(event_view.total, event_view.event)),
                    ),
                ),
                say("book.plain"),
            ),
        ),
        type="submit",
        class_name="submit",
        disabled=event_view.locked,
        aria_busy=checkout.sending,
    )


def _rest_label() -> Any:
    """Return the label of the button that books the basket without the tickets that are no longer available."""
    total = price(event_view.total, event_view.event)
    missing = event_view.missing.foreach(
        lambda tickets: say("summary.tickets", quantity=tickets.quantity, tier=tickets.tier)
    ).join(" · ")
    return rx.cond(
        event_view.only_tier != "",
        say("checkout.book_left", left=event_view.quantity, total=total),
        say("checkout.book_rest", tickets=missing, total=total),
    )


def _of_this_event() -> Any:
    """Return whether the last purchase was for the event of the page."""
    return checkout.event == event_view.event.slug


def _applies() -> Any:
    """Return whether the outcome of the last purchase concerns the present basket and is still true."""
    of_a_tier = phase_is("declined", "fewer_left", "sold_out", "all_held", "seat_taken", "price_changed")
    of_a_tier &= checkout.tier != ""
    of_a_field = is_user_id_fault(checkout.detail) | is_email_fault(checkout.detail)
    return (~of_a_tier | _has_refused_tier()) & ~of_a_field & ~_past()


def _has_refused_tier() -> Any:
    """Return whether the basket has tickets of the tier that the last outcome is about."""
    return (event_view.quantities[checkout.tier] > 0) & _of_this_event()


def _past() -> Any:
    """Return whether newer counts contradict the refusal, or another part of the page shows it."""
    refused = phase_is("fewer_left", "sold_out", "all_held", "seat_taken", "not_on_sale")
    return refused & _of_this_event() & event_view.refusal_over


def _nothing_now() -> Any:
    """Return whether nothing can be booked, whatever the choice."""
    return phase_is("unreachable") | (phase_is("not_on_sale") & _of_this_event() & ~_past())


def _notice_has_other_tier() -> Any:
    """Return whether the notice offers another tier. For a tier without tickets the form offers it."""
    return phase_is("fewer_left", "sold_out", "all_held") & _applies() & event_view.bookable


def _notice_books() -> Any:
    """Return whether the button that books is in the notice, or nothing can be booked.

    The button returns to the form as soon as the buyer changes the number of tickets of a tier.
    """
    same_tickets = phase_is("declined", "busy", "rate_limited", "not_found", "price_changed")
    same_tickets &= (checkout.tickets == event_view.tickets) & _of_this_event()
    # Without the held tickets the form books the rest.
    of_the_tier = (phase_is("fewer_left") | (phase_is("all_held") & ~event_view.bookable)) & _has_refused_tier()
    return _nothing_now() | (~_past() & (same_tickets | of_the_tier))


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
        # The basket shows no more tickets than are left.
        book_left={"type": "submit"},
        left_label=_rest_label(),
        blocked=leads & is_stale & (checkout.phase != "unreachable"),
        priced=event_view.event,
        other=rx.match(
            checkout.phase,
            ("not_on_sale", link(say("nav.all_events"), to="/", class_name="button")),
            ("fewer_left", "sold_out", "all_held", rx.cond(_notice_has_other_tier(), _other_tier())),
            rx.fragment(),
        ),
        seat_taken=say("checkout.seat_taken.text"),
        after_seat_taken=rx.fragment(),
    )
    return notice(place)
