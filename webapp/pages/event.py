"""The page of an event: its description, tiers and seats, and the form that books."""

from typing import Any

import reflex as rx

from webapp.components.checkout import (
    CheckoutFeed,
    CheckoutForm,
    checkout,
    phase_is,
)
from webapp.components.email import email_field
from webapp.components.event_view import EventFeed, Tier, event_view
from webapp.components.language import free_text, in_english, local, name, price, say, span
from webapp.components.layout import Ui, away_page, link, message_page, page
from webapp.components.page import PageTitle
from webapp.components.seat_map import seat_map
from webapp.components.summary import form_books, sale_notice, summary
from webapp.components.tier_list import announcement, counts, freshness, limits, tier_list
from webapp.components.user_id import USER_ID_KEPT_AS, user_id_field


@rx.page(  # type: ignore[untyped-decorator]
    route="/event/[slug]",
    image="/favicon.svg",
    title=in_english("event.head"),
    description=in_english("event.description"),
)
def event_page() -> Ui:
    """Show one event and sell its tickets."""
    event = event_view.event
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
            event_view.page,
            (
                "missing",
                message_page(
                    say("event.missing.title"),
                    say("event.missing.text"),
                    link(say("nav.all_events"), to="/", class_name="button"),
                ),
            ),
            (
                "away",
                away_page(link(say("nav.all_events"), to="/", class_name="button")),
            ),
            rx.el.div(_poster(), _sale(), class_name="event"),
        ),
    )


def _poster() -> Ui:
    event = event_view.event
    known = event.name != ""
    to_be_had = ((event_view.sale == "") | (event_view.sale == "on_sale")) & ~event_view.sold_out
    return rx.el.section(
        rx.el.div(class_name="aurora", aria_hidden="true"),
        rx.el.div(
            rx.el.p(
                rx.cond(known, name(event.venue), rx.el.span("\u00a0", class_name="bone bone-line")),
                class_name="poster-venue",
            ),
            rx.el.h1(rx.cond(known, name(event.name), rx.el.span(say("event.loading"), class_name="bone bone-name"))),
            # An event without a description has a general one.
            rx.el.p(
                rx.cond(
                    event.description != "", free_text(event.description), rx.cond(to_be_had, say("event.lead"), "")
                ),
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
        event_view.sale,
        (
            "upcoming",
            _closed(
                say("sale.upcoming.title"),
                rx.el.p(say("sale.upcoming.in", time=span(event_view.opens_in)), class_name="countdown", role="timer"),
                rx.el.p(
                    say(
                        "sale.upcoming.text",
                        date=local("date", event_view.event.salesStartAt, event_view.event.timeZone),
                        time=local("hour", event_view.event.salesStartAt, event_view.event.timeZone),
                    )
                ),
                rx.el.ul(rx.foreach(event_view.tiers, _price), class_name="prices"),
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
        _form(),
    )


def _closed(title: Any, *content: rx.Component, first: Ui = None) -> Ui:
    """Return the section that replaces the form while nothing is sold; `first` is the main action."""
    to_bookings = link(say("nav.bookings"), to="/bookings", class_name="button")
    to_events = link(say("nav.all_events"), to="/", class_name="button")
    return rx.el.section(
        rx.el.h2(title),
        # A purchase may have been booked before the sale ended.
        rx.cond(checkout.sending | phase_is("unreachable", "not_found", "declined"), sale_notice()),
        *content,
        rx.el.p(*((first, to_events) if first else (to_events, to_bookings)), class_name="actions"),
        class_name="closed",
        data_sale=event_view.sale,
    )


def _price(tier: rx.vars.ObjectVar[Tier]) -> Ui:
    return rx.el.li(
        name(tier.name, class_name="tier-name"),
        rx.el.span(
            rx.el.span(price(tier.price, event_view.event), class_name="price"),
            " ",
            rx.cond(tier.price == 0, rx.fragment(), rx.el.span(say("tier.each"), class_name="small")),
        ),
    )


def _form() -> Ui:
    return CheckoutForm.create(
        rx.el.section(
            rx.el.div(rx.el.h2(say("tickets.title"), id="tickets"), freshness(), class_name="box-head"),
            announcement(),
            rx.cond(
                event_view.sold_out,
                rx.el.div(
                    rx.el.p(say("sale.sold_out.title"), class_name="notice-title"),
                    rx.el.p(say("sale.sold_out.text")),
                    rx.el.p(link(say("nav.all_events"), to="/", class_name="button"), class_name="actions"),
                    class_name="all-gone",
                    role="status",
                ),
            ),
            tier_list(),
            counts(),
            rx.el.div(
                limits(),
                rx.el.div(
                    user_id_field(
                        checkout.detail,
                        checkout.turn,
                        missing=say("checkout.invalid.user_missing"),
                        hint=say("user.kept"),
                        keeps_draft=True,
                    ),
                    email_field(
                        checkout.detail,
                        checkout.turn,
                        label=say("email.label"),
                        hint=say("email.use"),
                        keeps_draft=True,
                    ),
                    class_name="contact",
                ),
                rx.cond(event_view.total > 0, rx.el.p(say("summary.refund"), class_name="small refund")),
                class_name="order",
            ),
            class_name="box",
            aria_labelledby="tickets",
        ),
        # On a phone the summary sticks within this element only, so that it follows the field for the name.
        rx.el.div(seat_map(), summary(), class_name="after-form"),
        rx.el.input(type="hidden", name="event", value=event_view.event.slug),
        rx.el.input(type="hidden", name="items", value=event_view.items),
        # After a change of the price the notice shows the new total, possibly before the tiers do.
        rx.el.input(
            type="hidden",
            name="total",
            value=rx.cond(phase_is("price_changed") & ~form_books(), checkout.new_total, event_view.total),
        ),
        storage_key=USER_ID_KEPT_AS,
        id="booking",
        class_name="sale",
        custom_attrs={"data-gone": event_view.sold_out & ~checkout.sending},
    )
