"""The first page: the list of events."""

from typing import Any

import reflex as rx

from webapp.components.events import Event, event_list, parts
from webapp.components.language import in_english, local, money, name, say
from webapp.components.layout import Ui, away_notice, link, page
from webapp.components.page import PageTitle

_SKELETONS = 3


@rx.page(  # type: ignore[untyped-decorator]
    route="/",
    image="/favicon.svg",
    title=in_english("home.title"),
    description=in_english("home.description"),
)
def home_page() -> Ui:
    """List the events."""
    return page(
        PageTitle.create(text=say("home.title")),
        rx.el.section(
            rx.el.div(class_name="aurora", aria_hidden="true"),
            rx.el.h1(say("home.heading")),
            rx.el.p(say("home.lead"), class_name="poster-lead"),
            class_name="poster home-poster",
        ),
        rx.el.section(
            rx.el.h2(say("home.events"), id="events"),
            rx.el.div(
                rx.cond(event_list.stale, rx.el.p(say("away.stale"), class_name="stale")),
                role="status",
                aria_live="polite",
            ),
            rx.match(
                event_list.phase,
                (
                    "listed",
                    rx.cond(
                        event_list.events.length() > 0,
                        rx.el.ul(rx.foreach(event_list.events, _card), class_name="event-cards"),
                        rx.el.p(say("home.none"), class_name="empty"),
                    ),
                ),
                ("away", away_notice()),
                rx.el.ul(
                    *[rx.el.li(rx.el.div(class_name="bone bone-event-card")) for _ in range(_SKELETONS)],
                    class_name="event-cards",
                    aria_busy="true",
                    aria_label=say("home.loading"),
                ),
            ),
            class_name="home",
            aria_labelledby="events",
        ),
    )


def _card(event: rx.vars.ObjectVar[Event]) -> Ui:
    return rx.el.li(
        link(
            rx.el.time(
                rx.el.span(local("day", event.startsAt, event.timeZone), class_name="event-card-day"),
                rx.el.span(local("shortMonth", event.startsAt, event.timeZone)),
                date_time=event.startsAt,
                class_name="event-card-date",
            ),
            rx.el.span(
                rx.el.span(name(event.name), class_name="event-name"),
                parts(
                    say(
                        "event.weekday_and_time",
                        weekday=local("weekday", event.startsAt, event.timeZone),
                        time=local("hour", event.startsAt, event.timeZone),
                    ),
                    name(event.venue),
                    class_name="small",
                ),
                class_name="event-card-words",
            ),
            rx.el.span(
                _state(event),
                rx.cond(
                    (event.state == "on_sale") | (event.state == "upcoming"),
                    rx.el.span(
                        rx.cond(
                            event.priceFrom == 0,
                            say("price.free"),
                            say("home.from", price=money(event.priceFrom, event)),
                        )
                    ),
                ),
                class_name="event-card-state",
            ),
            to=f"/event/{event.slug}",
        ),
        class_name="event-card",
        data_state=event.state,
    )


def _state(event: Any) -> Ui:
    return rx.el.span(
        rx.match(
            event.state,
            ("on_sale", say("state.on_sale")),
            (
                "upcoming",
                say(
                    "state.upcoming",
                    date=local("shortDate", event.salesStartAt, event.timeZone),
                    time=local("hour", event.salesStartAt, event.timeZone),
                ),
            ),
            ("sold_out", say("state.sold_out")),
            ("ended", say("state.ended")),
            say("state.cancelled"),
        ),
        class_name="status",
        data_status=event.state,
    )
