"""Concerts as the API tells them, the words for one, and the list of them: a thin wrapper around concerts.js."""

from dataclasses import dataclass
from typing import Any

from webapp.components.browser import hooked
from webapp.components.language import local, say

_MODULE = "$/utils/concerts"


@dataclass(frozen=True)
class Concert:
    """A concert, as `/api/events` and `/api/events/{slug}` tell it."""

    slug: str
    name: str
    venue: str
    description: str
    startsAt: str  # noqa: N815 - the API's own name
    timeZone: str  # noqa: N815
    salesStartAt: str  # noqa: N815
    currency: str
    state: str
    """`on_sale`, `upcoming`, `sold_out`, `ended` or `cancelled`."""
    priceFrom: float  # noqa: N815


@dataclass(frozen=True)
class Concerts:
    """The list as it is known."""

    phase: str
    """`loading`, `listed` or `away` (the API does not answer)."""
    stale: bool
    """Whether the API has not answered since the list was read."""
    events: list[Concert]


concerts: Any = hooked(_MODULE, "concerts", "useConcerts()", Concerts)


def when_and_where(event: Any) -> Any:
    """Say in one line when and where a concert is; it needs its `startsAt`, `timeZone` and `venue`."""
    return say(
        "concert.when_and_where",
        weekday=local("weekday", event.startsAt, event.timeZone),
        date=local("date", event.startsAt, event.timeZone),
        time=local("hour", event.startsAt, event.timeZone),
        venue=event.venue,
    )
