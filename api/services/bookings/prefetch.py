"""Everything that a batch reads before its transaction.

These reads take no locks, so their results may be outdated. The transaction locks the tickets and reads their state
again. It also guards the limits again and relies on the unique index of references.

Because the transaction decides, most batches need no prefetch. `assume` uses the tiers that earlier batches have read,
and assumes that no reference has an order and that no limit is exhausted. If the transaction contradicts an assumption,
the requests run again after a prefetch.
"""

import random
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence

import msgspec
import psycopg

from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.session import Session, Statement
from api.services import orders
from api.services.bookings import limits
from api.services.bookings.allowance import Allowance, HoldAllowance
from api.services.bookings.model import BookingPolicy, NewOrder, Outcome, Refused, Retry, Ticket, Tier
from api.services.bookings.refusals import refuse_charge, refuse_early, refuse_price, refuse_tickets, replay
from api.services.bookings.seating import choose_adjacent, choose_separate, order_from
from api.services.event_rules import sale_state
from api.services.order_rows import OrderRow

_SEARCH_SEATS_MIN = 64
_SEARCH_SEATS_MAX = 5000
"""The available seats of the first search for adjacent ones, and of the second if the first fails."""
_KNOWN_TIERS_MAX = 10_000
"""A process that remembers more tiers than this forgets all of them."""
_PAUSE_DOUBLINGS_MAX = 4
"""After wrong assumptions in a row the next 1, 3, 7 and then 15 batches start with a prefetch."""


Server = tuple[int, int]
"""System identifier and timeline of a server."""


class Prefetched(msgspec.Struct):
    """The state that a batch has read before its transaction."""

    tiers: dict[tuple[str, str], Tier]
    """Tiers by event and name."""
    named: dict[int, Ticket]
    """The tickets that requests name, in any state, by id."""
    outcomes: dict[str, Outcome]
    """Outcomes by reference, for the requests that need no transaction."""
    chosen: dict[str, list[Ticket]] = msgspec.field(default_factory=dict)
    """Seats by reference; a request for seats that is missing here cannot be satisfied."""

    def tier(self, request: NewOrder) -> Tier:
        """Return the tier of a request that passed the early refusals."""
        return self.tiers[request.event, request.tier]

    def requested_tickets(self, request: NewOrder) -> list[Ticket]:
        """Return the tickets that a request names or that were chosen for it.

        The list is empty if any ticket fits, or if no seats were found.
        """
        return [self.named[ticket_id] for ticket_id in request.ticket_ids] or self.chosen.get(request.reference, [])


class KnownTiers:
    """The tiers that earlier batches of this process have read.

    They may have changed since. Therefore the transaction compares the revision and the last change of each event.
    After a failover the new server may lack changes that this process has read. The process then forgets all tiers.
    """

    def __init__(self) -> None:
        self._tiers: dict[tuple[str, str], Tier] = {}
        self._server: Server | None = None
        self._failures = 0
        self._pause = 0

    def find(self, batch: Sequence[NewOrder], server: Server | None) -> dict[tuple[str, str], Tier] | None:
        """Return the tiers of a batch; None if one is unknown or if the last assumptions were wrong."""
        self._forget_other_servers(server)
        if self._pause:
            self._pause -= 1
            return None
        names = {(request.event, request.tier) for request in batch}
        return {name: self._tiers[name] for name in names} if names <= self._tiers.keys() else None

    def update(self, batch: Sequence[NewOrder], tiers: Mapping[tuple[str, str], Tier], server: Server | None) -> None:
        """Replace the tiers of a batch by those that a prefetch has found."""
        self._forget_other_servers(server)
        if len(self._tiers) > _KNOWN_TIERS_MAX:
            self._tiers.clear()
        for request in batch:
            self._tiers.pop((request.event, request.tier), None)
        self._tiers.update(tiers)

    def _forget_other_servers(self, server: Server | None) -> None:
        if server != self._server:
            self._tiers.clear()
            self._server = server

    def note(self, *, correct: bool) -> None:
        """Note whether the assumptions about a batch were correct.

        After each further wrong assumption, about twice as many batches start with a prefetch. Repeats, exhausted
        limits and sold out tiers therefore cost few transactions in vain.
        """
        self._failures = 0 if correct else min(self._failures + 1, _PAUSE_DOUBLINGS_MAX)
        self._pause = 2**self._failures - 1


async def assume(
    session: Session, batch: Sequence[NewOrder], known: KnownTiers, policy: BookingPolicy
) -> Prefetched | None:
    """Return the assumed state of a batch, with chosen seats; None if the batch needs a prefetch."""
    # Only a prefetch reads the tickets that a client address holds.
    if (
        any(request.client_hash is not None for request in batch)
        or (tiers := known.find(batch, session.server)) is None
    ):
        return None
    assumed = Prefetched(tiers=tiers, named={}, outcomes={})
    allowance = Allowance([], policy.bookings_per_minute)
    for request in batch:
        tier = assumed.tier(request)
        if (
            sale_state(tier) != "on_sale"
            or refuse_price(request, tier)
            or refuse_charge(request, tier, policy)
            or not allowance.take(request.limit_key)
        ):
            return None
    if named_ids := _named_ids(batch):
        assumed.named = {ticket.id: ticket for ticket in await session.run(_select_tickets(named_ids))}
        if any(refuse_tickets(request, assumed.tier(request), assumed.named) for request in batch):
            known.note(correct=False)  # The read of the tickets was in vain.
            return None
    await _choose_seats(session, batch, assumed)
    return assumed


async def prefetch(session: Session, batch: Sequence[NewOrder], policy: BookingPolicy) -> Prefetched:
    """Read the orders, tiers, limits and tickets of a batch, refuse early and choose seats."""
    named_ids = _named_ids(batch)
    pipeline = session.pipeline()
    existing = pipeline.add(orders.select_orders([request.reference for request in batch]))
    tiers = pipeline.add(_select_tiers(batch))
    limit = policy.bookings_per_minute
    recent = pipeline.add(limits.select_recent({request.limit_key for request in batch})) if limit else None
    clients = {request.client_hash for request in batch if request.client_hash is not None}
    held = pipeline.add(limits.select_holds(clients)) if clients else None
    named = pipeline.add(_select_tickets(named_ids)) if named_ids else None
    await pipeline.run()

    prefetched = Prefetched(
        tiers={(row.event, row.tier): row for row in tiers.rows if row.tier is not None},
        named={ticket.id: ticket for ticket in named.rows} if named else {},
        outcomes=await find_replays(session, existing.rows, batch),
    )
    events = {row.event for row in tiers.rows}
    allowance = Allowance(recent.rows if recent else [], limit)
    holds = HoldAllowance(held.rows if held else [], limit=policy.held_tickets_max, hold_seconds=policy.hold_seconds)
    _refuse(batch, events, (allowance, holds), prefetched, policy)
    await _choose_seats(session, batch, prefetched)
    return prefetched


def _named_ids(batch: Sequence[NewOrder]) -> list[int]:
    return [ticket_id for request in batch for ticket_id in request.ticket_ids]


def _select_tickets(ids: Sequence[int]) -> Statement[Ticket]:
    return Statement(queries.tickets.find_tickets, {"ids": ids}, Ticket)


def _select_tiers(batch: Sequence[NewOrder]) -> Statement[Tier]:
    parameters = {
        "events": list({request.event for request in batch}),
        "tiers": list({request.tier for request in batch}),
    }
    return Statement(queries.tiers.find_tiers, parameters, Tier)


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


def _refuse(
    batch: Sequence[NewOrder],
    events: Container[str],
    allowances: tuple[Allowance, HoldAllowance],
    prefetched: Prefetched,
    policy: BookingPolicy,
) -> None:
    """Add the outcomes of the requests that cannot be satisfied, whatever the stock is."""
    outcomes = prefetched.outcomes
    allowance, holds = allowances
    for request in batch:
        if request.reference in outcomes:
            continue
        tier = prefetched.tiers.get((request.event, request.tier))
        if error := (
            refuse_early(request, events, tier, prefetched.named)
            or (tier and refuse_charge(request, tier, policy))
            or allowance.refusal(request.limit_key)
            or holds.refusal(request.client_hash, request.quantity)
        ):
            outcomes[request.reference] = Refused(error)
        elif not holds.take(request.client_hash, request.quantity):
            outcomes[request.reference] = Retry("batch_limit")  # Only the batch's own requests exhaust it, uncommitted.
        elif not allowance.take(request.limit_key):
            holds.release(request.client_hash, request.quantity)
            outcomes[request.reference] = Retry("batch_limit")


async def _choose_seats(session: Session, batch: Sequence[NewOrder], prefetched: Prefetched) -> None:
    """Choose seats for the requests for seated tiers that name none."""
    seated: dict[int, list[NewOrder]] = defaultdict(list)
    for request in batch:
        if request.reference not in prefetched.outcomes and not request.ticket_ids:
            tier = prefetched.tier(request)
            if tier.seated:
                seated[tier.tier_id].append(request)
    for requests in seated.values():
        prefetched.chosen |= await _search_seats(session, prefetched.tier(requests[0]), requests, prefetched.named)


async def _search_seats(
    session: Session, tier: Tier, requests: Sequence[NewOrder], named: Container[int]
) -> dict[str, list[Ticket]]:
    """Choose seats of one tier by reference: adjacent ones, or separate ones if no search finds adjacent ones."""
    quantities = {request.reference: request.quantity for request in requests}
    start = random.randint(1, tier.last_position)
    enough = 2 * sum(quantities.values())  # The end of a row may waste as many seats as it provides.
    for limit in (max(_SEARCH_SEATS_MIN, enough), _SEARCH_SEATS_MAX):
        parameters = {"tier_id": tier.tier_id, "start": start, "limit": limit}
        found = await session.run(Statement(queries.tickets.find_free_seats, parameters, Ticket))
        free = (seat for seat in order_from(found, start) if seat.id not in named)
        chosen, remaining = choose_adjacent(free, quantities)
        if len(chosen) == len(quantities) or len(found) < limit:
            break
    missing = {reference: quantity for reference, quantity in quantities.items() if reference not in chosen}
    return chosen | choose_separate(remaining, missing)
