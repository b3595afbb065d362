"""Events as the API describes them, their list (a wrapper of webapp/js/events.js), and their date as text."""

from dataclasses import dataclass
from typing import Any

from webapp.components.browser import hooked
from webapp.components.language import local, say

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


def when_and_where(event: Any) -> Any:
    """Return a line with the date, time and venue of an event, from its `startsAt`, `timeZone` and `venue`."""
    return say(
        "event.when_and_where",
        weekday=local("weekday", event.startsAt, event.timeZone),
        date=local("date", event.startsAt, event.timeZone),
        time=local("hour", event.startsAt, event.timeZone),
        venue=event.venue,
    )
