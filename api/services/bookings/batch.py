"""One batch of booking requests: each request gets all of its tickets or none.

A direct sale sells to the requests whose tiers this process knows, in one round trip. The other requests take the
careful path, as do those that the direct sale has left out. There `prefetch` reads without locks. Then one transaction
claims, charges or holds, records and commits. The requests that got no tickets are classified after the commit, by the
stock that is left. The refusal of a request changes nothing for the others.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from api.database import queries
from api.database.session import Result, Session, Statement
from api.services import orders
from api.services.bookings import buyers, limits
from api.services.bookings.allocation import Allocated, Claimed, Insufficient, SeatsTaken, allocate
from api.services.bookings.direct_sale import sell_directly
from api.services.bookings.memory import Memory
from api.services.bookings.model import (
    Booked,
    BookingPolicy,
    Declined,
    NewOrder,
    Outcome,
    Parts,
    Refused,
    Retry,
    Ticket,
    Tier,
    is_limited,
)
from api.services.bookings.prefetch import Prefetched, find_replays, prefetch
from api.services.bookings.records import BatchStart, Sale, begin_payment, insertions, make_records
from api.services.bookings.refusals import TierStock, classify_shortage, seat_taken
from api.services.bookings.ticket_allowance import Buyer
from api.services.event_rules import sale_state

_Attempt = Booked | Declined | Retry | Insufficient | SeatsTaken
"""The result of a request within the transaction; Insufficient and SeatsTaken need classification."""


async def book_batch(
    session: Session,
    batch: Sequence[NewOrder],
    policy: BookingPolicy,
    memory: Memory,
    outcomes: dict[str, Outcome],
) -> None:
    """Book a batch of requests with different references.

    Args:
        session: a session outside of a transaction.
        batch: the requests.
        policy: the settings of bookings.
        memory: the memory of this process.
        outcomes: receives each outcome by reference as soon as it is final. It stays true if an error follows.

    Raises:
        psycopg.Error: the requests without an outcome booked nothing.
        CommitUnknownError: the requests without an outcome may have booked. The references make it safe to run them
            again.
    """
    await sell_directly(session, batch, policy, memory, outcomes)
    if remaining := [request for request in batch if request.reference not in outcomes]:
        await _decide(session, remaining, policy, memory, outcomes)
        for request in remaining:
            memory.note(request, outcomes[request.reference])


async def _decide(
    session: Session,
    batch: Sequence[NewOrder],
    policy: BookingPolicy,
    memory: Memory,
    outcomes: dict[str, Outcome],
) -> None:
    """Read the state of a batch, sell, and classify the requests without a sale; add all outcomes."""
    with memory.seats.batch() as seats, memory.holds.batch() as taken:
        prefetched = await prefetch(session, batch, policy, seats, taken)
        memory.update_tiers(batch, prefetched.tiers, session.server)
        outcomes.update(prefetched.outcomes)
        if requests := [request for request in batch if request.reference not in outcomes]:
            attempts = await _sell(session, requests, prefetched, policy)
            await _classify(session, requests, prefetched, attempts, outcomes)


async def _sell(
    session: Session, requests: Sequence[NewOrder], prefetched: Prefetched, policy: BookingPolicy
) -> dict[str, _Attempt]:
    """Claim, charge or hold, and record in one transaction; return the results by reference."""
    attempts: dict[str, _Attempt] = {}
    sales: list[Sale] = []
    async with session.transaction():
        start, claimed = await _claim(session, requests, prefetched)
        changed = _changed_tiers(prefetched.tiers_of(requests), start)
        for request in requests:
            parts = prefetched.parts[request.reference]
            if request.reference in start.in_flight:
                # Another attempt may wait for a standby, and may have locked the requested tickets.
                attempts[request.reference] = Retry("in_flight")
                continue
            if any(part.tier.tier_id in changed for part in parts):
                attempts[request.reference] = Retry("changed_tier")
                continue
            match allocate(parts, prefetched.requested_tickets(request), claimed):
                case Allocated(tickets):
                    payment = begin_payment(request, parts, policy)
                    if payment == "declined":
                        tickets = []  # The next request of the batch may get them.
                    else:
                        claimed.sell(parts, tickets)
                    sales.append(Sale(request, parts, tickets, payment))
                case unsatisfied:
                    attempts[request.reference] = unsatisfied
        if sales:
            attempts |= await _record(session, sales, start, prefetched.guards, policy)
    return attempts


async def _claim(session: Session, requests: Sequence[NewOrder], prefetched: Prefetched) -> tuple[BatchStart, Claimed]:
    """Start a batch, and lock the tickets of its requests as far as they are available."""
    # Sold and held tickets stay unlocked, because a lock would delay the transactions that settle or expire a hold.
    ctids = [
        ticket.ctid
        for request in requests
        for tickets in prefetched.requested_tickets(request)
        for ticket in tickets
        if ticket.status == "available"
    ]
    quantities: Counter[int] = Counter()
    for request in requests:
        for part in prefetched.parts[request.reference]:
            if part.takes_any_ticket:
                quantities[part.tier.tier_id] += part.quantity

    pipeline = session.pipeline()
    tiers = prefetched.tiers_of(requests)  # Two tiers of an event may have been read at different revisions.
    parameters: dict[str, object] = {
        "references": [request.reference for request in requests],
        "tier_ids": [tier.tier_id for tier in tiers],
        "event_ids": [tier.event_id for tier in tiers],
        "revisions": [tier.revision for tier in tiers],
        "updated_at": [tier.updated_at for tier in tiers],
        "orders": len(requests),
        "bookings": sum(request.quantity for request in requests),
    }
    started = pipeline.add(Statement(queries.orders.start_batch, parameters, BatchStart))
    locked = pipeline.add(Statement(queries.tickets.lock_tickets, {"ctids": ctids})) if ctids else None
    claims: dict[int, Result[Ticket]] = {}
    for tier in tiers:
        if tier.tier_id not in quantities:
            continue
        claim = {
            "tier_id": tier.tier_id,
            "start": random.randint(1, tier.last_position),
            "quantity": quantities[tier.tier_id],
        }
        claims[tier.tier_id] = pipeline.add(Statement(queries.tickets.claim_standing, claim, Ticket))
    await pipeline.run()

    rows = locked.rows if locked else []
    requested = prefetched.requested_ids()
    claimed = Claimed(
        locked={(ticket_id, ctid) for ticket_id, ctid, status in rows if status == "available"},
        standing={
            tier_id: [ticket for ticket in claim.rows if ticket.id not in requested]
            for tier_id, claim in claims.items()
        },
    )
    return started.rows[0], claimed


def _changed_tiers(tiers: Iterable[Tier], start: BatchStart) -> set[int]:
    """Return the ids of the tiers that changed since they were read, or whose sale has begun or ended since then.

    A request for such a tier needs another decision or another price.
    """
    return {
        tier.tier_id
        for tier in tiers
        if tier.tier_id in start.changed_tiers
        or sale_state(msgspec.structs.replace(tier, read_at=start.created_at)) != "on_sale"
    }


async def _record(
    session: Session,
    sales: Sequence[Sale],
    start: BatchStart,
    guards: Mapping[Buyer, str | None],
    policy: BookingPolicy,
) -> dict[str, Booked | Declined]:
    """Write orders, payments and bookings, mark the tickets as sold or held, and commit, in one round trip."""
    records = make_records(sales, start)
    pipeline = session.pipeline()
    if revisions := _limited_buyers(sales):
        pipeline.add(buyers.move_guards(revisions, guards))
    if limit := policy.bookings_per_minute:
        pipeline.add(limits.note_bookings(Counter(sale.request.limit_key for sale in sales), limit))
    for statement in insertions(records, policy):
        pipeline.add(statement)
    await pipeline.commit()
    return {record.order.reference: record.outcome() for record in records}


def _limited_buyers(sales: Sequence[Sale]) -> dict[Buyer, int]:
    """Return the buyers under a limit who get tickets, with the revisions of the events."""
    tiers = {
        (sale.parts[0].tier.event_id, sale.request.limit_key): sale.parts[0].tier
        for sale in sales
        if is_limited(sale.parts) and sale.payment != "declined"
    }
    return {buyer: tier.revision for buyer, tier in tiers.items()}


async def _classify(
    session: Session,
    requests: Sequence[NewOrder],
    prefetched: Prefetched,
    attempts: dict[str, _Attempt],
    outcomes: dict[str, Outcome],
) -> None:
    """Turn the results of a committed transaction into outcomes; those of sales need no further read."""
    refused: dict[str, Insufficient | SeatsTaken] = {}
    for reference, attempt in attempts.items():
        match attempt:
            case Insufficient() | SeatsTaken():
                refused[reference] = attempt
            case outcome:
                outcomes[reference] = outcome
    if refused:
        unsatisfied = [request for request in requests if request.reference in refused]
        outcomes.update(await _classify_shortages(session, unsatisfied, prefetched.parts, refused))


async def _classify_shortages(
    session: Session,
    requests: Sequence[NewOrder],
    parts: Mapping[str, Parts],
    attempts: dict[str, Insufficient | SeatsTaken],
) -> dict[str, Outcome]:
    """Return the outcomes of the requests that got no tickets in a committed transaction.

    A refused request may be a repeat whose first run in another process has just taken the missing tickets. Therefore
    this function reads the orders after the stock, and a repeat overrides the refusal.
    """
    tier_ids = list({attempt.part.tier.tier_id for attempt in attempts.values() if isinstance(attempt, Insufficient)})
    pipeline = session.pipeline()
    counted = pipeline.add(Statement(queries.tickets.count_left, {"tier_ids": tier_ids}, TierStock))
    existing = pipeline.add(orders.select_orders([request.reference for request in requests]))
    await pipeline.run()
    stock = {row.tier_id: row for row in counted.rows}
    outcomes: dict[str, Outcome] = {}
    for request in requests:
        match attempts[request.reference]:
            case SeatsTaken(part, tickets):
                outcomes[request.reference] = Refused(seat_taken(request, part, tickets))
            case Insufficient(part):
                tier_id = part.tier.tier_id
                quantity = sum(each.quantity for each in parts[request.reference] if each.tier.tier_id == tier_id)
                outcomes[request.reference] = classify_shortage(request, part, quantity, stock[tier_id])
    return outcomes | await find_replays(session, existing.rows, requests)
