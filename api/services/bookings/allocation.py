"""Allocation of the tickets that a batch has locked to the requests of the batch."""

from collections.abc import Sequence

import msgspec

from api.services.bookings.model import NewOrder, Retry, Ticket, Tier, takes_any_ticket


class Allocated(msgspec.Struct, frozen=True):
    """The tickets of a request: locked, available and as many as its quantity."""

    tickets: Sequence[Ticket]


class SeatsTaken(msgspec.Struct, frozen=True):
    """The tickets that a request names and that are not available."""

    tickets: Sequence[Ticket]


class Insufficient(msgspec.Struct, frozen=True):
    """The batch locked too few tickets for a request; the reason is known only after the commit."""


Allocation = Allocated | SeatsTaken | Insufficient | Retry


class Claimed(msgspec.Struct):
    """The tickets that a batch has locked, and those that it has sold."""

    locked: set[tuple[int, str]]
    """Ids and ctids of the requested tickets that are locked and available."""
    standing: dict[int, list[Ticket]]
    """Locked tickets by standing tier, for any request; none of them is requested by id."""
    sold: set[int] = msgspec.field(default_factory=set)
    """Ids of the tickets that this batch has sold."""

    def sell(self, request: NewOrder, tier: Tier, tickets: Sequence[Ticket]) -> None:
        """Remove the tickets of an allocation from the tickets for later requests."""
        self.sold.update(ticket.id for ticket in tickets)
        if takes_any_ticket(request, tier):
            del self.standing[tier.tier_id][: len(tickets)]  # `allocate` takes them from the front.


def allocate(request: NewOrder, tier: Tier, requested: Sequence[Ticket], claimed: Claimed) -> Allocation:
    """Return all tickets of a request, or the reason for none.

    `requested` are the tickets that the buyer named or that prefetching chose for a seated tier.
    """
    if takes_any_ticket(request, tier):
        tickets = claimed.standing[tier.tier_id][: request.quantity]
        return Allocated(tickets) if len(tickets) == request.quantity else Insufficient()
    if request.ticket_ids:
        taken = [ticket for ticket in requested if ticket.status != "available" or ticket.id in claimed.sold]
        if taken:
            return SeatsTaken(taken)
    if not requested:
        return Insufficient()
    locked = claimed.locked.issuperset((ticket.id, ticket.ctid) for ticket in requested)
    return Allocated(requested) if locked else Retry("locked_tickets")
