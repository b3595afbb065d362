"""The event's page in the browser: a thin wrapper around box_office.js, and typed vars for pages.

What is left and which seats are free is polled from the API by the browser itself; what is chosen never waits for the
pages' server.
"""

from dataclasses import dataclass
from typing import Any

from webapp.components import browser
from webapp.components.concerts import Concert

_MODULE = "$/utils/event/store"


@dataclass(frozen=True)
class Tier:
    """One tier as it stands; `price` in the currency's major unit, `back_in` in seconds."""

    name: str
    price: float
    total: int
    seated: bool
    available: int
    percent: float
    sold_out: bool
    all_held: bool
    back_in: int
    low: bool


@dataclass(frozen=True)
class Seat:
    """A seat by its name."""

    id: int
    tier: str
    row: str
    number: int


@dataclass(frozen=True)
class Block:
    """A tier's part of the seat map; `y` is where its name stands, `tone` the number of its colour."""

    name: str
    tone: int
    y: int
    price: float


@dataclass(frozen=True)
class Place:
    """A seat in the drawing."""

    id: int
    tier: str
    row: str
    number: int
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
    seats: list[Place]


@dataclass(frozen=True)
class House:
    """All rows, in order from the stage; sizes in the drawing's units."""

    rows: list[Row]
    width: int
    height: int
    middle: int
    columns: int


@dataclass(frozen=True)
class Announcement:
    """What screen readers hear of the chosen tier now and then: `left`, `sold_out` or `all_held`."""

    code: str
    tier: str
    left: int


@dataclass(frozen=True)
class BoxOffice:
    """What the browser knows and what the visitor has chosen; computed in box_office.js. Times in seconds."""

    page: str
    """`loading`, `found`, `missing` (no such event) or `away` (the API does not answer)."""
    event: Concert
    sale: str
    """`on_sale`, `upcoming`, `ended` or `cancelled`."""
    opens_in: int
    phase: str
    """Of the counts: `loading`, `unreachable` (nothing was ever heard), `live` or `stale`."""
    age: int
    tiers: list[Tier]
    sold_out: bool
    next_best: str
    """Another tier that has tickets, the nearest in price; "": there is none."""
    next_best_price: float
    tier: str
    seated: bool
    bookable: bool
    price: float
    tier_sold_out: bool
    back_in: int
    """Until tickets of the tier may come back, of which others hold the last; 0: that is not known."""
    refusal_over: bool
    """Whether what was refused is past: newer answers say otherwise, or it is said elsewhere."""
    quantity: int
    fewest: bool
    most: bool
    limit: int
    total: float
    picks: list[Seat]
    lost: list[Seat]
    offers: list[Seat]
    may_have_map: bool
    """Whether there is a seat map, or that is not known yet."""
    map_away: bool
    """Whether the tier has seats whose map could not be loaded."""
    has_map: bool
    house: House
    blocks: list[Block]
    list: bool
    widest: bool
    whole: bool
    locked: bool
    """Whether nothing can be booked just now."""
    announcement: Announcement


box_office: Any = browser.watched(_MODULE, "boxOffice", "useBoxOffice", BoxOffice)


class EventFeed(browser.Part):
    """Polls the event of the address from the browser while the tab is visible. Place it once on a page."""

    library = _MODULE
    tag = "EventFeed"


def action(name: str, *arguments: Any) -> Any:
    """Return an event that does something about what the visitor has chosen: a function of box_office.js."""
    return browser.action(_MODULE, name, *arguments)
