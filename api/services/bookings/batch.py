"""One batch of booking requests: each request gets all of its tickets or none.

`prefetch` reads without locks. Then one transaction claims, charges or holds, records and commits. The requests that
got no tickets are classified by the stock after the commit. No outcome affects another request of the batch.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
import psycopg

from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.session import Result, Session, Statement
from api.payments import simulator
from api.services import orders
from api.services.bookings import limits
from api.services.bookings.allocation import Allocated, Claimed, Insufficient, SeatsTaken, allocate
from api.services.bookings.model import (
    Booked,
    BookingPolicy,
    Declined,
    NewOrder,
    Outcome,
    Refused,
    Retry,
    Ticket,
    Tier,
    takes_any_ticket,
    total_minor,
)
from api.services.bookings.prefetch import Prefetched, find_replays, prefetch, select_tiers, tiers_by_name
from api.services.bookings.records import DrawnIds, Sale, insertions, make_records
from api.services.bookings.refusals import TierStock, classify_shortage, seat_taken

_Attempt = Booked | Declined | Retry | Insufficient | SeatsTaken
"""The result of a request within the transaction; Insufficient and SeatsTaken need classification."""


async def book_batch(session: Session, batch: Sequence[NewOrder], policy: BookingPolicy) -> list[Outcome]:
    """Book a batch of requests with different references; return their outcomes in the same order.

    Raises:
        psycopg.Error: the batch booked nothing.
        CommitUnknownError: the batch may have booked. The references make it safe to run the batch again.
    """
    prefetched = await prefetch(session, batch, policy)
    outcomes = prefetched.outcomes
    if requests := [request for request in batch if request.reference not in outcomes]:
        attempts = await _sell(session, requests, prefetched, policy)
        try:
            outcomes |= await _classify(session, requests, prefetched, attempts)
        except psycopg.Error as error:  # The sales are committed, so this error must not look like a rollback.
            raise CommitUnknownError(str(error)) from error
    return [outcomes[request.reference] for request in batch]


async def _sell(
    session: Session, requests: Sequence[NewOrder], prefetched: Prefetched, policy: BookingPolicy
) -> dict[str, _Attempt]:
    """Claim, charge or hold, and record in one transaction; return the results by reference."""
    attempts: dict[str, _Attempt] = {}
    sales: list[Sale] = []
    async with session.transaction():
        drawn, claimed, retries = await _claim(session, requests, prefetched)
        for request in requests:
            if request.reference in retries:
                attempts[request.reference] = retries[request.reference]
                continue
            tier = prefetched.tier(request)
            match allocate(request, tier, prefetched.requested_tickets(request), claimed):
                case Allocated(tickets):
                    payment = _pay(request, tier, policy)
                    if payment == "declined":
                        tickets = []  # The next request of the batch may get them.
                    claimed.sell(request, tier, tickets)
                    sales.append(Sale(request, tier, tickets, payment))
                case unsatisfied:
                    attempts[request.reference] = unsatisfied
        if sales:
            attempts |= await _record(session, sales, drawn, policy)
    return attempts


async def _claim(
    session: Session, requests: Sequence[NewOrder], prefetched: Prefetched
) -> tuple[DrawnIds, Claimed, dict[str, Retry]]:
    """Lock the tickets of the requests as far as they are available, and draw ids.

    The last result contains the requests that must run again, by reference. Another attempt of the request may be in
    flight, such as a commit that waits for a standby, and that attempt may have locked the requested tickets. Or the
    tier or its event has changed since the prefetch, so that the request needs another decision or another price.
    """
    # Sold and held tickets stay unlocked, because a lock would delay the transactions that settle or expire a hold.
    ctids = [
        ticket.ctid
        for request in requests
        for ticket in prefetched.requested_tickets(request)
        if ticket.status == "available"
    ]
    standing: dict[int, Tier] = {}
    quantities: Counter[int] = Counter()
    for request in requests:
        tier = prefetched.tier(request)
        if takes_any_ticket(request, tier):
            standing[tier.tier_id] = tier
            quantities[tier.tier_id] += request.quantity

    pipeline = session.pipeline()
    counts = {"orders": len(requests), "bookings": sum(request.quantity for request in requests)}
    references = [request.reference for request in requests]
    in_flight = pipeline.add(Statement(queries.orders.lock_references, {"references": references}))
    tiers = pipeline.add(select_tiers(requests))
    drawn = pipeline.add(Statement(queries.orders.draw_ids, counts, DrawnIds))
    locked = pipeline.add(Statement(queries.tickets.lock_tickets, {"ctids": ctids})) if ctids else None
    claims: dict[int, Result[Ticket]] = {}
    for tier in standing.values():
        start = random.randint(1, tier.last_position)
        parameters = {"tier_id": tier.tier_id, "start": start, "quantity": quantities[tier.tier_id]}
        claims[tier.tier_id] = pipeline.add(Statement(queries.tickets.claim_standing, parameters, Ticket))
    await pipeline.run()

    rows = locked.rows if locked else []
    claimed = Claimed(
        locked={(ticket_id, ctid) for ticket_id, ctid, status in rows if status == "available"},
        standing={
            tier_id: [ticket for ticket in claim.rows if ticket.id not in prefetched.named]
            for tier_id, claim in claims.items()
        },
    )
    current = tiers_by_name(tiers.rows)
    changed = {name for name, tier in prefetched.tiers.items() if _has_changed(tier, current.get(name))}
    retries = {
        request.reference: Retry("changed_tier") for request in requests if (request.event, request.tier) in changed
    }
    retries |= {reference: Retry("in_flight") for (reference,) in in_flight.rows}
    return drawn.rows[0], claimed, retries


def _has_changed(tier: Tier, current: Tier | None) -> bool:
    """Return whether the present row of a tier differs from the prefetched one."""
    return current is None or msgspec.structs.replace(current, read_at=tier.read_at) != tier


def _pay(request: NewOrder, tier: Tier, policy: BookingPolicy) -> Literal["captured", "declined", "pending"]:
    """Return the first state of a request's payment; in async mode the provider is charged after the commit."""
    if total_minor(request, tier) == 0:  # A provider refuses an amount of 0.
        return "captured"
    if policy.payment_mode == "async":
        return "pending"
    return simulator.decide(request.reference, policy.payment_success_rate)


async def _record(
    session: Session, sales: Sequence[Sale], drawn: DrawnIds, policy: BookingPolicy
) -> dict[str, Booked | Declined]:
    """Write orders, payments and bookings, and mark the tickets as sold or held, in one round trip."""
    records = make_records(sales, drawn, policy)
    limit = policy.bookings_per_minute
    bookings = Counter(sale.request.limit_key for sale in sales)
    pipeline = session.pipeline()
    noted = pipeline.add(limits.note_bookings(bookings, limit)) if limit else None
    for statement in insertions(records, policy):
        pipeline.add(statement)
    await pipeline.run()
    if noted:
        limits.check_noted(bookings, noted.rows)
    return {record.order.reference: record.outcome() for record in records}


async def _classify(
    session: Session, requests: Sequence[NewOrder], prefetched: Prefetched, attempts: dict[str, _Attempt]
) -> dict[str, Outcome]:
    """Turn the results of a committed transaction into outcomes.

    A refused request may be a repeat whose first run in another process has just taken the missing tickets. Therefore
    this function reads the orders after the stock, and a repeat overrides the refusal.
    """
    outcomes: dict[str, Outcome] = {}
    refused: list[NewOrder] = []
    insufficient: list[NewOrder] = []
    for request in requests:
        match attempts[request.reference]:
            case Insufficient():
                refused.append(request)
                insufficient.append(request)
            case SeatsTaken(tickets):
                refused.append(request)
                outcomes[request.reference] = Refused(seat_taken(tickets))
            case outcome:
                outcomes[request.reference] = outcome
    if not refused:
        return outcomes
    tier_ids = list({prefetched.tier(request).tier_id for request in insufficient})
    pipeline = session.pipeline()
    counted = pipeline.add(Statement(queries.tickets.count_left, {"tier_ids": tier_ids}, TierStock))
    existing = pipeline.add(orders.select_orders([request.reference for request in refused]))
    await pipeline.run()
    stock = {row.tier_id: row for row in counted.rows}
    for request in insufficient:
        outcomes[request.reference] = classify_shortage(request, stock[prefetched.tier(request).tier_id])
    return outcomes | await find_replays(session, existing.rows, refused)
