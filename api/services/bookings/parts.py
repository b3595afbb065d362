"""Parts of a request: its items with their tiers, or the reason why no stock can satisfy them."""

from collections.abc import Container, Iterable, Iterator, Mapping

from api.errors import ApiError, InvalidRequest, UnknownEvent, UnknownTier
from api.services.bookings.model import NewOrder, Part, Parts, Ticket, Tier
from api.services.bookings.quantities import refuse_quantity
from api.services.bookings.refusals import of_item, refuse_closed_sale, refuse_price


class Tiers:
    """Tiers by event and name, and by id."""

    def __init__(self, tiers: Iterable[Tier] = ()) -> None:
        self._by_name: dict[tuple[str, str], Tier] = {}
        self._by_id: dict[int, Tier] = {}
        for tier in tiers:
            self.add(tier)

    def __len__(self) -> int:
        """Return the number of tiers."""
        return len(self._by_id)

    def __iter__(self) -> Iterator[Tier]:
        """Iterate over the tiers."""
        return iter(self._by_id.values())

    def add(self, tier: Tier) -> None:
        """Add a tier or replace it; ignore the row of an event that has none of the requested tiers."""
        if tier.tier is not None:
            self.discard(tier.event, tier.tier)
            self._by_name[tier.event, tier.tier] = tier
            self._by_id[tier.tier_id] = tier

    def discard(self, event: str, name: str) -> None:
        """Remove a tier if it is present."""
        if tier := self._by_name.pop((event, name), None):
            self._by_id.pop(tier.tier_id, None)

    def clear(self) -> None:
        """Remove all tiers."""
        self._by_name.clear()
        self._by_id.clear()

    def find(self, event: str, name: str) -> Tier | None:
        """Return the tier of an event by its name."""
        return self._by_name.get((event, name))

    def include(self, request: NewOrder) -> bool:
        """Return whether all tiers that a request names are present."""
        return all(item.tier is None or (request.event, item.tier) in self._by_name for item in request.items)

    def of(self, ticket: Ticket) -> Tier | None:
        """Return the tier of a ticket."""
        return self._by_id.get(ticket.tier_id)


def resolve(request: NewOrder, events: Container[str], tiers: Tiers, named: Mapping[int, Ticket]) -> Parts | ApiError:
    """Return the parts of a request, or the error of a request that no stock can satisfy.

    `events` are the slugs that exist. `named` are the existing tickets by id.
    """
    if request.event not in events:
        return UnknownEvent(request.event)
    parts: list[Part] = []
    known: list[Tier] = []
    foreign: InvalidRequest | None = None
    for number, item in enumerate(request.items):
        if item.tier is not None:
            if (tier := tiers.find(request.event, item.tier)) is None:
                return of_item(UnknownTier(item.tier), request, number)
            known.append(tier)
            if not item.ticket_ids:
                parts.append(Part(number, tier, item.quantity))
        owners = {id_: _owner(id_, request.event, item.tier, tiers, named) for id_ in item.ticket_ids}
        for tier in {owner.tier_id: owner for owner in owners.values() if owner}.values():
            ids = tuple(id_ for id_, owner in owners.items() if owner and owner.tier_id == tier.tier_id)
            parts.append(Part(number, tier, len(ids), ids))
            known.append(tier)
        if None in owners.values():
            foreign = foreign or _not_of(request, number, [id_ for id_, owner in owners.items() if owner is None])
    # All tiers have the sale times of the event.
    if known and (closed := refuse_closed_sale(known[0])):
        return closed
    found = tuple(parts)
    return foreign or refuse_quantity(request, found) or refuse_price(request, found) or found


def _owner(ticket_id: int, event: str, name: str | None, tiers: Tiers, named: Mapping[int, Ticket]) -> Tier | None:
    """Return the tier of a named ticket; None if the event or the named tier has no such ticket."""
    ticket = named.get(ticket_id)
    tier = ticket and tiers.of(ticket)
    if not tier or tier.event != event or name not in (None, tier.tier):
        return None
    return tier


def _not_of(request: NewOrder, number: int, ticket_ids: list[int]) -> InvalidRequest:
    """Return the error of an item that names tickets outside its tier or event."""
    name = request.items[number].tier
    owner = "the event" if name is None else f"the tier {name!r}"
    field = f"items[{number}].ticketIds" if request.itemized else "ticketIds"
    error = InvalidRequest(f"not tickets of {owner}: {', '.join(map(str, ticket_ids))}", field=field)
    of_item(error, request, number)
    return error
