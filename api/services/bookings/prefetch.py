"""Everything that a batch reads before its transaction.

These reads take no locks, so their results may be outdated. The transaction locks the tickets and reads their state
again. It also guards the limits again and relies on the unique index of references.
"""

import functools
from collections import defaultdict
from collections.abc import Container, Sequence

import msgspec
import psycopg

from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.session import Session, Statement
from api.errors import ApiError
from api.services import orders
from api.services.bookings import buyers, limits
from api.services.bookings.allowance import Allowance, BatchHolds, HoldAllowance
from api.services.bookings.model import (
    BookingPolicy,
    NewOrder,
    Outcome,
    Parts,
    Refused,
    Retry,
    Ticket,
    Tier,
    is_limited,
)
from api.services.bookings.parts import Tiers, resolve
from api.services.bookings.refusals import refuse_charge, replay
from api.services.bookings.seat_search import BatchSeats
from api.services.bookings.ticket_allowance import Buyer, TicketAllowance
from api.services.order_rows import OrderRow
from api.services.order_rules import OrderRules

SeatKey = tuple[str, int]
"""The reference of a request and the number of an item."""


class Prefetched(msgspec.Struct):
    """The state that a batch has read before its transaction."""

    tiers: Tiers
    """At least the tiers of the requests."""
    named: dict[int, Ticket]
    """The tickets that requests name, in any state, by id."""
    outcomes: dict[str, Outcome]
    """Outcomes by reference, for the requests that need no transaction."""
    parts: dict[str, Parts] = msgspec.field(default_factory=dict)
    """The parts of the requests that passed the early refusals, by reference."""
    chosen: dict[SeatKey, list[Ticket]] = msgspec.field(default_factory=dict)
    """Seats by item; an item for seats that is missing here cannot be satisfied."""
    guards: dict[Buyer, str | None] = msgspec.field(default_factory=dict)
    """The versions of the guards of buyers under a limit of tickets; None for a missing guard."""

    def requested_tickets(self, request: NewOrder) -> list[list[Ticket]]:
        """Return, for each part of a request, the tickets that it names or that were chosen for it.

        A list is empty if any ticket fits, or if no seats were found.
        """
        return [
            [self.named[ticket_id] for ticket_id in part.ticket_ids]
            or self.chosen.get((request.reference, part.item), [])
            for part in self.parts[request.reference]
        ]

    def buyer(self, request: NewOrder) -> Buyer:
        """Return the buyer of a request in its event."""
        return self.parts[request.reference][0].tier.event_id, request.limit_key

    def requested_ids(self) -> set[int]:
        """Return the tickets that requests with parts name. Other requests must not get them."""
        return {ticket_id for parts in self.parts.values() for part in parts for ticket_id in part.ticket_ids}

    def tiers_of(self, requests: Sequence[NewOrder]) -> list[Tier]:
        """Return the tiers of requests, each once."""
        parts = (part for request in requests for part in self.parts[request.reference])
        return list({part.tier.tier_id: part.tier for part in parts}.values())


async def prefetch(
    session: Session, batch: Sequence[NewOrder], policy: BookingPolicy, seats: BatchSeats, taken: BatchHolds
) -> Prefetched:
    """Read the orders, tiers, limits and tickets of a batch, refuse early and choose seats."""
    ids = named_ids(batch)
    pipeline = session.pipeline()
    existing = pipeline.add(orders.select_orders([request.reference for request in batch]))
    tiers = pipeline.add(_select_tiers(batch, policy.default_rules))
    limit = policy.bookings_per_minute
    recent = pipeline.add(limits.select_recent({request.limit_key for request in batch})) if limit else None
    clients = {request.client_hash for request in batch if request.client_hash is not None}
    held = pipeline.add(limits.select_holds(clients)) if clients else None
    named = pipeline.add(select_tickets(ids)) if ids else None
    await pipeline.run()

    prefetched = Prefetched(
        tiers=Tiers(tiers.rows),
        named={ticket.id: ticket for ticket in named.rows} if named else {},
        outcomes=await find_replays(session, existing.rows, batch),
    )
    allowance = Allowance(recent.rows if recent else [], limit)
    holds = HoldAllowance(
        held.rows if held else [], limit=policy.held_tickets_max, hold_seconds=policy.hold_seconds, batch=taken
    )
    _resolve(batch, {tier.event for tier in tiers.rows}, prefetched, policy)
    tickets = await _find_buyers(session, batch, prefetched)
    _admit(batch, (allowance, holds, tickets), prefetched)
    await choose_seats(session, batch, prefetched, seats)
    return prefetched


def named_ids(batch: Sequence[NewOrder]) -> list[int]:
    """Return the ids of the tickets that requests name."""
    return [ticket_id for request in batch for ticket_id in request.ticket_ids]


def select_tickets(ids: Sequence[int]) -> Statement[Ticket]:
    """Return the statement that finds tickets by their ids, in any state."""
    return Statement(queries.tickets.find_tickets, {"ids": ids}, Ticket)


def _select_tiers(batch: Sequence[NewOrder], defaults: OrderRules) -> Statement[Tier]:
    parameters = {
        "events": list({request.event for request in batch}),
        "tiers": list({item.tier for request in batch for item in request.items if item.tier is not None}),
        "ticket_ids": named_ids(batch),
    }
    return Statement(queries.tiers.find_tiers, parameters, functools.partial(Tier.of_columns, defaults))


async def find_replays(session: Session, existing: Sequence[OrderRow], batch: Sequence[NewOrder]) -> dict[str, Outcome]:
    """Return the outcomes of the requests whose references have orders, by reference.

    Raises:
        CommitUnknownError: a failover may lose the orders, because the standby did not confirm them.
    """
    if not existing:
        return {}
    try:
        bookings = await orders.find_bookings(session, [order.id for order in existing])
    except psycopg.OperationalError as error:
        raise CommitUnknownError(str(error)) from error
    requests = {request.reference: request for request in batch}
    return {order.reference: replay(requests[order.reference], order, bookings[order.id]) for order in existing}


def _resolve(batch: Sequence[NewOrder], events: Container[str], prefetched: Prefetched, policy: BookingPolicy) -> None:
    """Add the parts of the requests, and the outcomes of those that cannot be satisfied, whatever the stock is."""
    for request in batch:
        if request.reference in prefetched.outcomes:
            continue
        parts = resolve(request, events, prefetched.tiers, prefetched.named)
        if isinstance(parts, ApiError):
            prefetched.outcomes[request.reference] = Refused(parts)
        elif error := refuse_charge(parts, policy):
            prefetched.outcomes[request.reference] = Refused(error)
        else:
            prefetched.parts[request.reference] = parts


async def _find_buyers(session: Session, batch: Sequence[NewOrder], prefetched: Prefetched) -> TicketAllowance:
    """Return the tickets that the buyers under a limit may still book.

    A request may be a repeat whose first run in another process has just taken the last of these tickets. Therefore
    this function reads the orders after the tickets.
    """
    limited = [request for request in batch if is_limited(prefetched.parts.get(request.reference, ()))]
    if not limited:
        return TicketAllowance([])
    pipeline = session.pipeline()
    found = pipeline.add(buyers.select_buyers({prefetched.buyer(request) for request in limited}))
    existing = pipeline.add(orders.select_orders([request.reference for request in limited]))
    await pipeline.run()
    prefetched.guards = {row.buyer: row.version for row in found.rows}
    for reference, outcome in (await find_replays(session, existing.rows, batch)).items():
        prefetched.outcomes[reference] = outcome
        del prefetched.parts[reference]
    return TicketAllowance(found.rows)


def _admit(
    batch: Sequence[NewOrder], allowances: tuple[Allowance, HoldAllowance, TicketAllowance], prefetched: Prefetched
) -> None:
    """Add the outcomes of the requests that exceed a limit of their buyer or of their client's address."""
    allowance, holds, tickets = allowances
    for request in batch:
        if (parts := prefetched.parts.get(request.reference)) is None:
            continue
        buyer = prefetched.buyer(request)
        if error := (
            tickets.refusal(request, buyer, parts)
            or allowance.refusal(request.limit_key)
            or holds.refusal(request.client_hash, request.quantity)
        ):
            prefetched.outcomes[request.reference] = Refused(error)
        elif not holds.take(request.client_hash, request.quantity):
            # Only uncommitted requests of this batch or of an overlapping one exhaust the limit.
            prefetched.outcomes[request.reference] = Retry("batch_limit")
        elif not (tickets.take(buyer, parts) and allowance.take(request.limit_key)):
            holds.release(request.client_hash, request.quantity)
            prefetched.outcomes[request.reference] = Retry("batch_limit")
        if request.reference in prefetched.outcomes:
            del prefetched.parts[request.reference]


async def choose_seats(session: Session, batch: Sequence[NewOrder], prefetched: Prefetched, seats: BatchSeats) -> None:
    """Choose seats for the items of seated tiers that name none."""
    tiers: dict[int, Tier] = {}
    quantities: dict[int, dict[SeatKey, int]] = defaultdict(dict)
    for request in batch:
        for part in prefetched.parts.get(request.reference, ()):
            if part.takes_chosen_seats:
                tiers[part.tier.tier_id] = part.tier
                quantities[part.tier.tier_id][request.reference, part.item] = part.quantity
    seats.reserve(prefetched.requested_ids())
    for tier_id, tier in tiers.items():
        prefetched.chosen |= await seats.choose(session, tier, quantities[tier_id])
