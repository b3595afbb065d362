"""Events as the API describes them, their list (a wrapper of webapp/js/events.js), and their date as text."""

from dataclasses import dataclass
from typing import Any

import reflex as rx

from webapp.components.browser import hooked
from webapp.components.language import local, name, say

_MODULE = "$/utils/events"


@dataclass(frozen=True)
class Event:
    """An event, as `/api/events` and `/api/events/{slug}` return it."""

    slug: str
    name: str
    venue: str
    description: str
    doorsAt: str | None  # noqa: N815 - the API's own name
    startsAt: str  # noqa: N815
    timeZone: str  # noqa: N815
    salesStartAt: str  # noqa: N815
    currency: str
    currencyDigits: int  # noqa: N815
    state: str
    """`on_sale`, `upcoming`, `sold_out`, `ended` or `cancelled`."""
    priceFrom: float  # noqa: N815


@dataclass(frozen=True)
class EventList:
    """The list of events."""

    phase: str
    """`loading`, `listed` or `away` (the API does not respond)."""
    stale: bool
    """True if the last request for the list failed."""
    events: list[Event]


event_list: Any = hooked(_MODULE, "event_list", "useEvents()", EventList)


def when_and_where(event: Any, *, class_name: str = "") -> Any:
    """Return an element with the date, time and venue of an event, from its `startsAt`, `timeZone` and `venue`."""
    when = say(
        "event.when",
        weekday=local("weekday", event.startsAt, event.timeZone),
        date=local("date", event.startsAt, event.timeZone),
        time=local("hour", event.startsAt, event.timeZone),
    )
    return parts(when, name(event.venue), class_name=class_name)


def parts(when: Any, where: Any, *, class_name: str = "") -> Any:
    """Return an element with two parts. The style sheet separates them by a dot unless the second begins a line."""
    return rx.el.span(rx.el.span(when), " ", rx.el.span(where), class_name=f"parts {class_name}".strip())
