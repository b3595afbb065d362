"""The limits of tickets per buyer: the decisions for one batch."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from api.errors import ApiError, BuyerLimit
from api.services.bookings.model import NewOrder, Parts
from api.services.bookings.refusals import of_item

Buyer = tuple[int, str]
"""The id of an event and the limit key of a buyer."""


class BuyerTickets(msgspec.Struct, frozen=True):
    """A row of `buyers.find_buyers`: a buyer's tickets in one tier. The tier is None if the buyer has no tickets."""

    event_id: int
    limit_key: str
    version: str | None
    tier_id: int | None
    tickets: int

    @property
    def buyer(self) -> Buyer:
        """The buyer in the event."""
        return self.event_id, self.limit_key


class _Demand(msgspec.Struct, frozen=True):
    """The tickets of a request that count towards one limit."""

    limit: int
    quantity: int
    tier_id: int | None = None
    """None for the limit of the event, which counts the tickets of all tiers."""
    tier: str | None = None
    item: int | None = None
    """The first item with such tickets; None for the limit of the event."""


class TicketAllowance:
    """The tickets that the buyers of a batch may still book, in committed state."""

    def __init__(self, rows: Sequence[BuyerTickets]) -> None:
        self._committed: Counter[tuple[Buyer, int | None]] = Counter()
        self._taken: Counter[tuple[Buyer, int | None]] = Counter()
        for row in rows:
            self._committed[row.buyer, None] += row.tickets
            if row.tier_id is not None:
                self._committed[row.buyer, row.tier_id] += row.tickets

    def refusal(self, request: NewOrder, buyer: Buyer, parts: Parts) -> ApiError | None:
        """Return the error for a buyer whose committed tickets leave fewer than the request needs."""
        for demand in _demands(parts):
            remaining = demand.limit - self._committed[buyer, demand.tier_id]
            if demand.quantity > remaining:
                error = BuyerLimit(demand.tier, demand.limit, max(0, remaining))
                return error if demand.item is None else of_item(error, request, demand.item)
        return None

    def take(self, buyer: Buyer, parts: Parts) -> bool:
        """Reserve the tickets of a request for this batch; return False if fewer are left."""
        demands = list(_demands(parts))
        for demand in demands:
            key = buyer, demand.tier_id
            if self._committed[key] + self._taken[key] + demand.quantity > demand.limit:
                return False
        for demand in demands:
            self._taken[buyer, demand.tier_id] += demand.quantity
        return True


def _demands(parts: Parts) -> Iterator[_Demand]:
    """Return the tickets of a request by limit, first for the event and then for each tier."""
    event_limit = parts[0].tier.event_rules.tickets_per_buyer
    if event_limit is not None:
        yield _Demand(event_limit, sum(part.quantity for part in parts))
    for tier_id in dict.fromkeys(part.tier.tier_id for part in parts):
        of_tier = [part for part in parts if part.tier.tier_id == tier_id]
        first = of_tier[0]
        # This limit includes that of the event, which counts at least as many tickets.
        tier_limit = first.tier.rules.tickets_per_buyer
        if tier_limit is not None:
            quantity = sum(part.quantity for part in of_tier)
            yield _Demand(tier_limit, quantity, tier_id, first.tier.tier, first.item)
