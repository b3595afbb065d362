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
    wanted: int
    """Tickets of the tier in the basket, with chosen and with lost seats."""
    fewest: bool
    most: bool
    at_least: int
    at_most: int
    """Tickets of the tier in one booking."""


@dataclass(frozen=True)
class ChosenRow:
    """Seats of one row; `numbers` is a text such as 9-10, `seats` their number."""

    row: str
    seats: int
    numbers: str


@dataclass(frozen=True)
class SeatChoice:
    """Free seats that the API offers for tickets by number."""

    first: int
    """Id of the first seat."""
    rows: list[ChosenRow]
    zone: str
    """`left`, `centre`, `right` or empty."""
    together: bool
    single: bool


@dataclass(frozen=True)
class Entry:
    """An entry of the basket: tickets of a tier by number, or a picked seat."""

    key: str
    tier: str
    quantity: int
    total: float
    """Price of its tickets in the currency's major unit."""
    seat: int
    """Id of the picked seat; 0: tickets by number."""
    row: str
    number: int
    seats: list[SeatChoice]
    """The seats that are booked for tickets by number: one choice, or none if the API chooses later."""
    others: list[SeatChoice]
    """The alternatives to them."""
    lost: bool
    """True if the seats that the page has shown before are taken."""
    lost_to_own: bool
    """True if an order of this browser has them."""
    fault: str
    """`fewer` (fewer are left than chosen), `gone` (none), `unknown` (no counts), `refused` (by the API) or empty."""


@dataclass(frozen=True)
class TierTickets:
    """A number of tickets of one tier."""

    tier: str
    quantity: int


@dataclass(frozen=True)
class Seat:
    """The name of a seat."""

    id: int
    tier: str
    row: str
    number: int


@dataclass(frozen=True)
class LostSeat(Seat):
    """A picked seat that is taken."""

    own: bool
    """True if an order of this browser has it."""


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
    """The available tier nearest in price to `tier`; empty without any."""
    next_best_quantity: int
    """The number of its tickets that take the place of those of `tier`."""
    next_best_total: float
    tier: str
    """The tier of the basket that has too few tickets, else the one that the visitor has changed last."""
    seated: bool
    """True if the tier that the visitor has changed last has seats."""
    best_tier: str
    """A tier whose best seats can be picked, preferably the one that was changed last; empty without one."""
    best_quantity: int
    """The number of these seats: one for each ticket without a seat of the visitor's choice."""
    bookable: bool
    """True if some entries of the basket are, and the stock of all is known."""
    some_bookable: bool
    missing: list[TierTickets]
    """Tickets of the basket that are no longer available."""
    tier_known: bool
    tier_sold_out: bool
    back_in: int
    """As in `Tier`, for `tier`."""
    refusal_over: bool
    """True if newer data contradict the last refusal, or another part of the page reports it."""
    entries: list[Entry]
    has_chips: bool
    """False if the line of the total names the only entry."""
    only_tier: str
    """The tier of all entries; empty if there are several."""
    quantity: int
    offered: list[int]
    """Ids of the seats that the page shows for tickets by number."""
    searches: list[dict[str, object]]
    """Tiers and numbers of tickets for which the page searches seats."""
    quantities: dict[str, int]
    """Tickets in the basket by tier."""
    tickets: str
    """`quantities` as the checkout compares them."""
    items: str
    """The items of a booking, as JSON."""
    limit: int
    scarce: bool
    """True if the tier that was changed last has fewer tickets left than the limit of one booking."""
    full: bool
    """True if the basket has as many tickets as one booking can have."""
    most_tickets: int
    """The most tickets of one booking."""
    per_person: bool
    """True if that is the limit of all bookings of a buyer."""
    changed_tier: str
    """The tier that the visitor has changed last."""
    tier_most: int
    """The most tickets of that tier in one booking."""
    tier_per_person: bool
    """True if that is the limit of all bookings of a buyer."""
    tier_full: bool
    """True if the basket has as many."""
    fewest_tickets: int
    too_few: bool
    """True if the basket has fewer tickets than a booking needs."""
    short_tier: str
    """A tier with fewer tickets than a booking with this tier needs; empty without one."""
    short_fewest: int
    surplus: int
    """Tickets of the basket beyond the limit of one booking."""
    over_tier: str
    """A tier with more tickets than one booking can have of it; empty without one."""
    over_most: int
    over_per_person: bool
    """True if `over_most` is the limit of all bookings of a buyer."""
    over_surplus: int
    total: float
    has_picks: bool
    has_offers: bool
    """True if the page shows seats for tickets by number."""
    seats_later: bool
    """True if the API chooses seats for some tickets when it books."""
    lost: list[LostSeat]
    lost_to_others: bool
    refused_by: str
    """The reason that has refused the last choice: `booking`, `tier` (of `changed_tier`), `search` (no seats
    were found) or empty."""
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
