"""Allocation of the tickets that a batch has locked to the requests of the batch."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from api.services.bookings.model import Part, Parts, Retry, Ticket

TicketsOfParts = Sequence[Sequence[Ticket]]
"""The tickets of each part of a request, in the order of the parts."""


class Allocated(msgspec.Struct, frozen=True):
    """The tickets of a request: locked, available and as many as each part requests."""

    tickets: TicketsOfParts


class SeatsTaken(msgspec.Struct, frozen=True):
    """The tickets that a request names and that are not available; `part` names the first of them."""

    part: Part
    tickets: Sequence[Ticket]


class Insufficient(msgspec.Struct, frozen=True):
    """The batch locked too few tickets for a part of a request; the reason is known only after the commit."""

    part: Part


Allocation = Allocated | SeatsTaken | Insufficient | Retry


class Claimed(msgspec.Struct):
    """The tickets that a batch has locked, and those that it has sold."""

    locked: set[tuple[int, str]]
    """Ids and ctids of the requested tickets that are locked and available."""
    standing: dict[int, list[Ticket]]
    """Locked tickets by standing tier, for any request; none of them is requested by id."""
    sold: set[int] = msgspec.field(default_factory=set)
    """Ids of the tickets that this batch has sold."""

    def sell(self, parts: Parts, tickets: TicketsOfParts) -> None:
        """Remove the tickets of an allocation from the tickets for later requests."""
        for part, of_part in zip(parts, tickets, strict=True):
            self.sold.update(ticket.id for ticket in of_part)
            if part.takes_any_ticket:
                del self.standing[part.tier.tier_id][: len(of_part)]  # `allocate` takes them from the front.


def allocate(parts: Parts, requested: TicketsOfParts, claimed: Claimed) -> Allocation:
    """Return all tickets of a request, or the reason for none.

    `requested` are, for each part, the tickets that the buyer named or that prefetching chose for a seated tier.
    """
    taken = [
        (part, ticket)
        for part, tickets in zip(parts, requested, strict=True)
        if part.ticket_ids
        for ticket in tickets
        if ticket.status != "available" or ticket.id in claimed.sold
    ]
    if taken:
        return SeatsTaken(taken[0][0], [ticket for _, ticket in taken])
    allocated: list[Sequence[Ticket]] = []
    used: Counter[int] = Counter()
    for part, tickets in zip(parts, requested, strict=True):
        if part.takes_any_ticket:
            tier_id = part.tier.tier_id
            standing = claimed.standing[tier_id][used[tier_id] : used[tier_id] + part.quantity]
            used[tier_id] += part.quantity
            if len(standing) < part.quantity:
                return Insufficient(part)
            allocated.append(standing)
            continue
        if not tickets:
            return Insufficient(part)
        if not claimed.locked.issuperset((ticket.id, ticket.ctid) for ticket in tickets):
            return Retry("locked_tickets")
        allocated.append(tickets)
    return Allocated(allocated)
