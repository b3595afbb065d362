"""The event's page in the browser: wrappers of webapp/js/event, and typed vars for pages.

The browser polls the API for counts and seats, and stores the visitor's choices.
"""

from dataclasses import dataclass
from typing import Any

from webapp.components import browser
from webapp.components.events import Event


@dataclass(frozen=True)
class Tier:
    """One tier; `price` in the currency's major unit, `percent` of its tickets that are available."""

    name: str
    price: float
    total: int
    seated: bool
    known: bool
    """False while the counts of the tier are unknown."""
    available: int
    percent: float
    sold_out: bool
    all_held: bool
    back_in: int
    """Seconds until held tickets may be available; 0: unknown."""
    low: bool


@dataclass(frozen=True)
class Seat:
    """The name of a seat."""

    id: int
    tier: str
    row: str
    number: int


@dataclass(frozen=True)
class Section:
    """The area of a tier on the seat map; `y` is the position of its name, `tone` the number of its colour."""

    name: str
    tone: int
    y: int
    price: float


@dataclass(frozen=True)
class PlacedSeat(Seat):
    """A seat at its position in the drawing."""

    x: int
    y: int


@dataclass(frozen=True)
class Label:
    """A row's name at one of its ends."""

    key: str
    x: int
    y: int


@dataclass(frozen=True)
class Row:
    """A row of seats."""

    key: str
    tier: str
    tone: int
    name: str
    labels: list[Label]
    seats: list[PlacedSeat]


@dataclass(frozen=True)
class Layout:
    """All rows in order from the stage; sizes in the drawing's units."""

    rows: list[Row]
    width: int
    height: int
    middle: int
    columns: int


@dataclass(frozen=True)
class Announcement:
    """A text about the chosen tier for screen readers; `code` is `left`, `sold_out`, `all_held` or empty."""

    code: str
    tier: str
    left: int


@dataclass(frozen=True)
class Reminder:
    """A reminder of picks that the last choice could not keep; `quantity` counts those that can be restored."""

    reason: str
    """`limit`, `other_tier` or empty."""
    tier: str
    quantity: int


@dataclass(frozen=True)
class EventView:
    """Everything that the page shows (`deriveView` in webapp/js/event/derive.js). Times in seconds."""

    page: str
    """`loading`, `found`, `missing` (no such event) or `away` (the API does not respond)."""
    event: Event
    sale: str
    """`on_sale`, `upcoming`, `ended` or `cancelled`."""
    opens_in: int
    phase: str
    """State of the counts: `loading`, `unreachable` (none have arrived), `live` or `stale`."""
    age: int
    """Age of stale counts."""
    tiers: list[Tier]
    sold_out: bool
    next_best: str
    """The available tier nearest in price to the chosen one; empty without any."""
    next_best_price: float
    tier: str
    seated: bool
    bookable: bool
    price: float
    tier_known: bool
    tier_sold_out: bool
    back_in: int
    """As in `Tier`, for the chosen tier."""
    refusal_over: bool
    """True if newer data contradict the last refusal, or another part of the page reports it."""
    quantity: int
    fewest: bool
    most: bool
    limit: int
    scarce: bool
    """True if the tier has fewer tickets left than the limit of one booking."""
    total: float
    picks: list[Seat]
    lost: list[Seat]
    reminder: Reminder
    offers: list[Seat]
    """Free seats in place of the lost ones."""
    may_have_map: bool
    """False if the event certainly has no seat map."""
    map_away: bool
    """True if the tier has seats whose map could not be loaded."""
    has_map: bool
    layout: Layout
    sections: list[Section]
    prices: dict[str, float]
    """Price of each tier in the currency's major unit."""
    list: bool
    """True if the list of seats is open."""
    zoom: float
    """Scale of the seat map; 0: the whole map."""
    widest: bool
    whole: bool
    locked: bool
    """True if nothing can be booked at the moment."""
    announcement: Announcement


event_view: Any = browser.watched("$/utils/event/store", "event_view", "useEventView", EventView)


class EventFeed(browser.Part):
    """Polls the event in the page's address while the tab is visible. Place it once on a page."""

    library = "$/utils/event/feed"
    tag = "EventFeed"


def action(name: str, *arguments: Any) -> Any:
    """Return an event that calls a function of webapp/js/event/actions.js."""
    return browser.action("$/utils/event/actions", name, *arguments)
