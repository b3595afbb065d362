"""The page of a concert: its description, tiers and seats, and the form that books."""

from typing import Any

import reflex as rx

from webapp.components.box_office import EventFeed, Tier, action, box_office
from webapp.components.checkout import (
    CheckoutFeed,
    CheckoutForm,
    NoticePlace,
    checkout,
    notice,
    phase_is,
    sending_label,
    user_id_fault,
)
from webapp.components.language import currency_code, in_english, local, money, number, say, span
from webapp.components.layout import Ui, away_page, link, message_page, page
from webapp.components.page import PageTitle
from webapp.components.seat_map import seat_map, seat_name
from webapp.components.user_id import USER_ID_KEPT_AS, user_id_field

_SKELETON_TIERS = 3
# Old counts allow no larger quantity.
_stale = box_office.phase == "stale"
_lost_some = box_office.lost.length() > 0


@rx.page(  # type: ignore[untyped-decorator]
    route="/event/[slug]",
    image="/favicon.svg",
    title=in_english("event.head"),
    description=in_english("event.description"),
)
def event_page() -> Ui:
    """Show one concert and sell its tickets."""
    event = box_office.event
    return page(
        CheckoutFeed.create(),
        EventFeed.create(),
        PageTitle.create(
            text=rx.cond(
                event.name != "",
                say(
                    "event.title",
                    event=event.name,
                    date=local("date", event.startsAt, event.timeZone),
                    venue=event.venue,
                ),
                "",
            ),
        ),
        rx.match(
            box_office.page,
            (
                "missing",
                message_page(
                    say("event.missing.title"),
                    say("event.missing.text"),
                    link(say("nav.all_concerts"), to="/", class_name="button"),
                ),
            ),
            (
                "away",
                away_page(link(say("nav.all_concerts"), to="/", class_name="button")),
            ),
            rx.el.div(_poster(), _sale(), class_name="event"),
        ),
    )


def _poster() -> Ui:
    event = box_office.event
    known = event.name != ""
    to_be_had = ((box_office.sale == "") | (box_office.sale == "on_sale")) & ~box_office.sold_out
    return rx.el.section(
        rx.el.div(class_name="aurora", aria_hidden="true"),
        rx.el.div(
            rx.el.p(
                rx.cond(known, event.venue, rx.el.span("\u00a0", class_name="bone bone-line")),
                class_name="poster-venue",
            ),
            rx.el.h1(rx.cond(known, event.name, rx.el.span(say("event.loading"), class_name="bone bone-name"))),
            # A concert without a description has a general one.
            rx.el.p(
                rx.cond(event.description != "", event.description, rx.cond(to_be_had, say("event.lead"), "")),
                class_name="poster-lead",
            ),
        ),
        rx.el.p(
            rx.cond(
                known,
                rx.el.time(
                    rx.el.span(local("day", event.startsAt, event.timeZone), class_name="poster-day"),
                    rx.el.span(
                        rx.el.span(local("month", event.startsAt, event.timeZone)),
                        rx.el.span(
                            say(
                                "event.weekday_and_time",
                                weekday=local("weekday", event.startsAt, event.timeZone),
                                time=local("hour", event.startsAt, event.timeZone),
                            )
                        ),
                        class_name="poster-month",
                    ),
                    date_time=event.startsAt,
                ),
            ),
            rx.cond(
                event.doorsAt,
                rx.el.time(
                    say("event.doors", time=local("hour", event.doorsAt, event.timeZone)),
                    date_time=event.doorsAt,
                    class_name="small",
                ),
            ),
            class_name="poster-date",
        ),
        class_name="poster",
    )


def _sale() -> Ui:
    return rx.match(
        box_office.sale,
        (
            "upcoming",
            _closed(
                say("sale.upcoming.title"),
                rx.el.p(say("sale.upcoming.in", time=span(box_office.opens_in)), class_name="countdown", role="timer"),
                rx.el.p(
                    say(
                        "sale.upcoming.text",
                        date=local("date", box_office.event.salesStartAt, box_office.event.timeZone),
                        time=local("hour", box_office.event.salesStartAt, box_office.event.timeZone),
                    )
                ),
                rx.el.ul(rx.foreach(box_office.tiers, _price), class_name="prices"),
            ),
        ),
        ("ended", _closed(say("sale.ended.title"), rx.el.p(say("sale.ended.text")))),
        (
            "cancelled",
            _closed(
                say("sale.cancelled.title"),
                rx.el.p(say("sale.cancelled.text")),
                first=link(say("nav.bookings"), to="/bookings", class_name="button first"),
            ),
        ),
        _box_office(),
    )


def _closed(title: Any, *content: rx.Component, first: Ui = None) -> Ui:
    """Return the section that replaces the form while nothing is sold; `first` is the main action."""
    to_bookings = link(say("nav.bookings"), to="/bookings", class_name="button")
    to_concerts = link(say("nav.all_concerts"), to="/", class_name="button")
    return rx.el.section(
        rx.el.h2(title),
        # A purchase may have been booked before the sale ended.
        rx.cond(checkout.sending | phase_is("unreachable", "not_found", "declined"), _notice()),
        *content,
        rx.el.p(*((first, to_concerts) if first else (to_concerts, to_bookings)), class_name="actions"),
        class_name="closed",
        data_sale=box_office.sale,
    )


def _price(tier: rx.vars.ObjectVar[Tier]) -> Ui:
    return rx.el.li(
        rx.el.span(tier.name, class_name="tier-name"),
        rx.el.span(
            rx.el.span(money(tier.price, box_office.event.currency), class_name="price"),
            " ",
            rx.el.span(say("tier.each"), class_name="small"),
        ),
    )


def _box_office() -> Ui:
    return CheckoutForm.create(
        # The Enter key activates this button. It is disabled whenever no visible button books.
        rx.el.input(type="submit", hidden=True, disabled=box_office.locked | ~_books()),
        rx.el.section(
            rx.el.div(rx.el.h2(say("tickets.title"), id="tickets"), _freshness(), class_name="box-head"),
            _announcement(),
            rx.cond(
                box_office.sold_out,
                rx.el.div(
                    rx.el.p(say("sale.sold_out.title"), class_name="notice-title"),
                    rx.el.p(say("sale.sold_out.text")),
                    rx.el.p(link(say("nav.all_concerts"), to="/", class_name="button"), class_name="actions"),
                    class_name="all-gone",
                    role="status",
                ),
            ),
            rx.el.fieldset(
                rx.el.legend(say("tickets.tier"), class_name="unseen"),
                rx.cond(
                    (box_office.phase != "loading") & (box_office.tiers.length() > 0),
                    rx.foreach(box_office.tiers, _tier),
                    rx.fragment(*[_skeleton() for _ in range(_SKELETON_TIERS)]),
                ),
                class_name="tiers",
            ),
            _counts(),
            rx.el.div(
                _stepper(),
                user_id_field(
                    rx.cond(user_id_fault() == "", say("user.kept"), user_id_fault()),
                    refused=rx.cond(user_id_fault() == "", 0, checkout.turn),
                ),
                class_name="order",
            ),
            seat_map(),
            class_name="box",
            aria_labelledby="tickets",
        ),
        _summary(),
        rx.el.input(type="hidden", name="event", value=box_office.event.slug),
        rx.el.input(type="hidden", name="quantity", value=box_office.quantity),
        rx.el.input(
            type="hidden",
            name="ticket_ids",
            value=box_office.picks.foreach(lambda seat: seat.id).join(","),
        ),
        storage_key=USER_ID_KEPT_AS,
        id="booking",
        class_name="sale",
        custom_attrs={"data-gone": box_office.sold_out & ~checkout.sending},
    )


def _freshness() -> Ui:
    return rx.el.p(
        rx.match(
            box_office.phase,
            ("live", rx.fragment(rx.el.span(class_name="dot", aria_hidden="true"), say("counts.live"))),
            ("loading", rx.fragment(say("counts.loading"))),
            ("stale", rx.fragment(say("counts.stale", age=box_office.age))),
            rx.fragment(say("counts.unreachable")),
        ),
        class_name="freshness",
        data_phase=box_office.phase,
        role="status",
        # Screen readers do not read the age of old counts every second.
        aria_live=rx.cond(_stale, "off", "polite"),
    )


def _announcement() -> Ui:
    said = box_office.announcement
    return rx.el.p(
        rx.match(
            said.code,
            ("left", say("counts.announce_left", tier=said.tier, left=said.left)),
            ("sold_out", say("counts.announce_sold_out", tier=said.tier)),
            ("all_held", say("counts.announce_all_held", tier=said.tier)),
            "",
        ),
        class_name="unseen",
        aria_live="polite",
        aria_atomic="true",
    )


def _tier(tier: rx.vars.ObjectVar[Tier]) -> Ui:
    return rx.el.label(
        rx.el.input(
            type="radio",
            name="tier",
            value=tier.name,
            checked=(box_office.tier == tier.name) & ~box_office.sold_out,
            disabled=tier.sold_out | checkout.sending,
            on_change=action("choose", tier.name),
        ),
        rx.el.span(
            rx.el.span(tier.name, class_name="tier-name"),
            rx.cond(
                tier.sold_out,
                rx.el.span(say("tier.sold_out"), class_name="tier-words"),
                rx.cond(
                    tier.all_held,
                    rx.el.span(say("tier.all_held"), class_name="tier-words"),
                    rx.cond(tier.low, rx.el.span(say("tier.low"), class_name="tier-words")),
                ),
            ),
            class_name="tier-title",
        ),
        rx.el.span(
            rx.el.span(
                rx.el.span(custom_attrs={"style": {"--left": f"{tier.percent}%"}}),
                class_name="bar",
                aria_hidden="true",
            ),
            rx.cond(
                tier.all_held,
                rx.el.span(
                    rx.cond(
                        tier.back_in != 0, say("tier.back_in", time=span(tier.back_in)), say("tier.back_any_moment")
                    ),
                    class_name="tier-count",
                ),
                rx.cond(
                    box_office.phase == "unreachable",
                    rx.el.span(say("tier.unknown"), class_name="tier-count"),
                    rx.el.span(
                        rx.cond(tier.low | (tier.available == 0), _left(tier), say("tier.available")),
                        class_name="tier-count",
                    ),
                ),
            ),
            class_name="tier-stock",
        ),
        rx.el.span(
            rx.el.span(money(tier.price, box_office.event.currency), class_name="price"),
            rx.el.span(say("tier.each"), class_name="small"),
            class_name="stub",
        ),
        class_name="tier",
        data_tier=tier.name,
        data_sold_out=tier.sold_out,
        data_held=tier.all_held,
    )


def _left(tier: rx.vars.ObjectVar[Tier]) -> Any:
    return say("tier.left", left=tier.available, total=tier.total)


def _counts() -> Ui:
    """Return the exact counts of every tier, which open on demand."""
    return rx.el.details(
        rx.el.summary(say("counts.left")),
        rx.match(
            box_office.phase,
            ("loading", rx.el.p(say("counts.loading"))),
            ("unreachable", rx.el.p(say("tier.unknown"))),
            rx.el.ul(
                rx.foreach(
                    box_office.tiers,
                    lambda tier: rx.el.li(rx.el.span(tier.name), rx.el.span(_left(tier)), data_tier=tier.name),
                )
            ),
        ),
        class_name="counts",
    )


def _skeleton() -> Ui:
    return rx.el.div(
        rx.el.span(class_name="bone bone-title"),
        rx.el.span(class_name="bone bone-stock"),
        rx.el.span(class_name="stub"),
        class_name="tier skeleton",
        aria_hidden="true",
    )


def _stepper() -> Ui:
    def step(by: int, sign: str, name: str, at_end: Any) -> Ui:
        return rx.el.button(
            rx.el.span(sign, aria_hidden="true"),
            type="button",
            aria_label=say(name),
            disabled=at_end | checkout.sending | _stale,
            on_click=action("changeQuantity", by),
        )

    return rx.el.div(
        rx.el.span(say("quantity.label"), class_name="label", id="how-many"),
        rx.el.div(
            rx.el.div(
                step(-1, "\u2212", "quantity.fewer", box_office.fewest),
                rx.el.output(number(box_office.quantity), aria_live="polite"),
                step(1, "+", "quantity.more", box_office.most),
                class_name="stepper",
                role="group",
                aria_labelledby="how-many",
            ),
            rx.cond(
                (box_office.seated | (box_office.phase == "loading")) & box_office.may_have_map,
                rx.el.button(
                    say("seats.best"),
                    type="button",
                    on_click=action("pickBest"),
                    disabled=~box_office.bookable | checkout.sending | ~box_office.has_map | _stale,
                    class_name="button best",
                ),
            ),
            class_name="how-many",
        ),
        rx.cond(
            box_office.bookable | (box_office.phase == "loading"),
            rx.el.span(
                rx.cond(
                    box_office.scarce,
                    say("attempt.fewer_left.title", left=box_office.limit),
                    say("quantity.limit", most=box_office.limit),
                ),
                class_name="small",
            ),
        ),
        class_name="field",
    )


def _summary() -> Ui:
    """Return the summary of the choice with the button that books. It stays in view."""
    return rx.el.aside(
        rx.el.div(
            rx.el.h2(say("summary.title"), id="summary"),
            rx.cond(box_office.bookable, _chosen(), _nothing_to_choose()),
            class_name="summary-words",
        ),
        rx.cond(
            (_stale | (box_office.phase == "unreachable")) & _books(),
            rx.el.p(say("counts.unreachable"), class_name="small"),
        ),
        rx.cond(_books(), _submit()),
        _notice(),
        rx.cond(box_office.bookable | checkout.sending | _nothing_now(), rx.fragment(), _other_tier()),
        class_name="summary",
        aria_labelledby="summary",
    )


def _chosen() -> Ui:
    return rx.fragment(
        rx.cond(
            _lost_some,
            rx.el.div(
                rx.foreach(box_office.lost, lambda seat: rx.el.p(say("map.lost", row=seat.row, number=seat.number))),
                rx.cond(phase_is("seat_taken"), rx.el.p(say("attempt.seat_taken.text"), class_name="small")),
                class_name="summary-lost",
            ),
        ),
        rx.el.p(
            rx.el.span(say("summary.tickets", quantity=box_office.quantity, tier=box_office.tier)),
            rx.el.span(
                rx.el.bdi(money(box_office.total, box_office.event.currency)),
                " ",
                rx.el.bdi(currency_code(box_office.event.currency), class_name="currency"),
                class_name="summary-total",
            ),
            class_name="summary-line",
        ),
        rx.cond(
            box_office.picks.length() > 0,
            rx.el.ul(
                rx.foreach(box_office.picks, lambda seat: rx.el.li(seat_name(seat))),
                class_name="picks",
                tab_index=0,  # on a phone it scrolls
                aria_labelledby="summary",
            ),
        ),
        rx.cond(_lost_some, _alternatives_to_lost(), _any_seats()),
    )


def _alternatives_to_lost() -> Ui:
    """Return the alternatives to another seat. No button books until the buyer decides."""
    return rx.el.div(
        rx.cond(
            box_office.picks.length() > 0,
            rx.el.button(
                say("summary.keep_picks", quantity=box_office.quantity),
                type="button",
                on_click=action("keepPicks"),
                class_name="button first",
            ),
        ),
        rx.el.button(say("summary.any_seats"), type="button", on_click=action("unpickAll"), class_name="button"),
        class_name="lost-ways",
    )


def _any_seats() -> Ui:
    return rx.cond(
        box_office.picks.length() > 0,
        rx.el.button(say("summary.clear"), type="button", on_click=action("unpickAll"), class_name="text-button"),
        rx.cond(box_office.seated, rx.el.p(say("summary.together"), class_name="small")),
    )


def _nothing_to_choose() -> Ui:
    told = (phase_is("sold_out", "all_held") & _applies()) | _nothing_now() | checkout.sending
    return rx.match(
        box_office.phase,
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
            told,
            rx.fragment(),
            rx.fragment(
                rx.el.p(
                    rx.cond(
                        box_office.tier_sold_out,
                        say("counts.announce_sold_out", tier=box_office.tier),
                        say("summary.nothing", tier=box_office.tier),
                    )
                ),
                rx.cond(
                    box_office.back_in > 0,
                    rx.el.p(say("tier.back_in", time=span(box_office.back_in)), class_name="small"),
                ),
            ),
        ),
    )


def _other_tier() -> Ui:
    return rx.cond(
        box_office.next_best != "",
        rx.el.button(
            say(
                "summary.next_best",
                tier=box_office.next_best,
                price=money(box_office.next_best_price, box_office.event.currency),
            ),
            type="button",
            on_click=action("choose", box_office.next_best),
            class_name="button other-tier",
        ),
    )


def _books() -> Any:
    """Return whether the form has its button. The notice may have the button instead."""
    nothing_known = (box_office.phase == "loading") | (box_office.phase == "unreachable")
    return checkout.sending | (~_notice_books() & ~_lost_some & (box_office.bookable | nothing_known))


def _submit() -> Ui:
    return rx.el.button(
        rx.cond(
            checkout.sending,
            sending_label(),
            rx.cond(
                box_office.bookable,
                say("book.button", total=money(box_office.total, box_office.event.currency)),
                say("book.plain"),
            ),
        ),
        type="submit",
        class_name="submit",
        disabled=box_office.locked,
        aria_busy=checkout.sending,
    )


def _of_this_event() -> Any:
    """Return whether the last purchase was for the event of the page."""
    return checkout.event == box_office.event.slug


def _applies() -> Any:
    of_a_tier = phase_is("declined", "fewer_left", "sold_out", "all_held", "seat_taken")
    this_tier = (checkout.tier == box_office.tier) & _of_this_event()
    of_a_tier &= checkout.tier != ""
    return (~of_a_tier | this_tier) & (user_id_fault() == "") & ~_past()


def _past() -> Any:
    """Return whether newer counts contradict the refusal, or another part of the page shows it."""
    refused = phase_is("fewer_left", "sold_out", "all_held", "seat_taken", "not_on_sale")
    return refused & _of_this_event() & box_office.refusal_over


def _nothing_now() -> Any:
    """Return whether nothing can be booked, whatever the choice."""
    return phase_is("unreachable") | (phase_is("not_on_sale") & _of_this_event() & ~_past())


def _notice_books() -> Any:
    """Return whether the notice has the only button that books, or none may book.

    For another tier or another number than was tried for, the form's own button has it again.
    """
    same_number = phase_is("declined", "busy", "rate_limited", "not_found") & (checkout.quantity == box_office.quantity)
    enough = phase_is("fewer_left") & (checkout.left <= box_office.quantity)
    same_tier = (checkout.tier == box_office.tier) & _of_this_event()
    return _nothing_now() | (same_tier & ~_past() & (phase_is("all_held") | enough | same_number))


def _notice() -> Ui:
    leads = _notice_books() & (box_office.sale == "on_sale")
    place = NoticePlace(
        locked=box_office.locked,
        applies=_applies(),
        # The form has its button again once held tickets are released.
        books=leads & ~phase_is("all_held"),
        waits=~phase_is("all_held"),
        again={"type": "submit"},
        before_fewer=[action("changeQuantity", checkout.left - box_office.quantity)],
        blocked=leads & _stale & (checkout.phase != "unreachable"),
        total_left=money(box_office.price * checkout.left, box_office.event.currency),
        other=rx.match(
            checkout.phase,
            ("not_on_sale", link(say("nav.all_concerts"), to="/", class_name="button")),
            # For a tier without tickets the form itself offers another tier.
            ("fewer_left", "sold_out", "all_held", rx.cond(box_office.bookable, _other_tier())),
            rx.fragment(),
        ),
        seat_taken=say("attempt.seat_taken.text"),
        after_seat_taken=rx.fragment(),
    )
    return notice(place)
