"""One batch of booking requests: each request gets all of its tickets or none.

`prefetch` reads without locks. Then one transaction claims, charges or holds, records and commits. The requests that
got no tickets are classified after the commit, by the stock that is left. The refusal of a request changes nothing for
the others.

A batch whose tiers are known skips the prefetch, and reads at most the named tickets and the free seats. The requests
that it cannot sell then run with a prefetch.
"""

import logging
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import psycopg
from psycopg import errors

from api.database import queries
from api.database.errors import CommitUnknownError, is_retryable, is_unavailable, waited_for_reference
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
from api.services.bookings.prefetch import KnownTiers, Prefetched, assume, find_replays, prefetch
from api.services.bookings.records import BatchStart, Sale, insertions, make_records
from api.services.bookings.refusals import TierStock, classify_shortage, seat_taken
from api.services.event_rules import sale_state

_log = logging.getLogger(__name__)

_Attempt = Booked | Declined | Retry | Insufficient | SeatsTaken
"""The result of a request within the transaction; Insufficient and SeatsTaken need classification."""


async def book_batch(
    session: Session, batch: Sequence[NewOrder], policy: BookingPolicy, known: KnownTiers
) -> list[Outcome]:
    """Book a batch of requests with different references; return their outcomes in the same order.

    `known` are the tiers that earlier batches have read.

    Raises:
        psycopg.Error: the batch booked nothing.
        CommitUnknownError: the batch may have booked. The references make it safe to run the batch again.

    After a committed sale this function raises no error. It gives a Retry to the requests without an outcome instead.
    """
    outcomes = await _sell_known(session, batch, policy, known)
    if remaining := [request for request in batch if request.reference not in outcomes]:
        try:
            outcomes |= await _decide(session, remaining, policy, known)
        except Exception as error:
            if not outcomes:
                raise
            outcomes |= _retry(remaining, error)
    return [outcomes[request.reference] for request in batch]


async def _sell_known(
    session: Session, batch: Sequence[NewOrder], policy: BookingPolicy, known: KnownTiers
) -> dict[str, Outcome]:
    """Sell to the requests of a batch without a prefetch; return the outcomes of those that have one."""
    assumed = await assume(session, batch, known, policy)
    if assumed is None:
        return {}
    try:
        attempts = await _sell(session, batch, assumed, policy)
    except (
        errors.UniqueViolation,
        errors.SerializationFailure,
    ):  # An order exists, a limit is exhausted, or a conflict.
        attempts = {}
    outcomes: dict[str, Outcome] = {
        reference: attempt for reference, attempt in attempts.items() if isinstance(attempt, Booked | Declined)
    }
    known.note(correct=len(outcomes) == len(batch))
    return outcomes


async def _decide(
    session: Session, batch: Sequence[NewOrder], policy: BookingPolicy, known: KnownTiers
) -> dict[str, Outcome]:
    """Read the state of a batch, sell, and classify the requests without a sale; return all outcomes."""
    prefetched = await prefetch(session, batch, policy)
    known.update(batch, prefetched.tiers, session.server)
    outcomes = prefetched.outcomes
    if requests := [request for request in batch if request.reference not in outcomes]:
        attempts = await _sell(session, requests, prefetched, policy)
        outcomes |= await _classify(session, requests, prefetched, attempts)
    return outcomes


def _retry(requests: Sequence[NewOrder], error: Exception) -> dict[str, Outcome]:
    """Return a Retry for each request that an error left without an outcome.

    If the error persists, the next run raises it, and the batcher then runs the requests one by one.
    """
    cause: Literal["commit_unknown", "in_flight", "no_database", "failed"]
    match error:
        case CommitUnknownError():
            cause = "commit_unknown"
        case psycopg.Error() if waited_for_reference(error):
            cause = "in_flight"
        case psycopg.Error() if is_retryable(error) or isinstance(error, errors.QueryCanceled):
            cause = "failed"
        case psycopg.Error() if is_unavailable(error):
            cause = "no_database"
        case _:
            cause = "failed"
    trace = error if cause == "failed" else None
    _log.warning("Booking requests run again after an error: %s (%d requests)", error, len(requests), exc_info=trace)
    return {request.reference: Retry(cause) for request in requests}


async def _sell(
    session: Session, requests: Sequence[NewOrder], prefetched: Prefetched, policy: BookingPolicy
) -> dict[str, _Attempt]:
    """Claim, charge or hold, and record in one transaction; return the results by reference."""
    attempts: dict[str, _Attempt] = {}
    sales: list[Sale] = []
    async with session.transaction():
        start, claimed = await _claim(session, requests, prefetched)
        changed = _changed_tiers(prefetched.tiers.values(), start)
        for request in requests:
            tier = prefetched.tier(request)
            if request.reference in start.in_flight:
                # Another attempt may wait for a standby, and may have locked the requested tickets.
                attempts[request.reference] = Retry("in_flight")
                continue
            if tier.tier_id in changed:
                attempts[request.reference] = Retry("changed_tier")
                continue
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
            attempts |= await _record(session, sales, start, policy)
    return attempts


async def _claim(session: Session, requests: Sequence[NewOrder], prefetched: Prefetched) -> tuple[BatchStart, Claimed]:
    """Start a batch, and lock the tickets of its requests as far as they are available."""
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
    # Two tiers of an event may have been read at different revisions.
    tiers = {tier.tier_id: tier for tier in map(prefetched.tier, requests)}
    parameters: dict[str, object] = {
        "references": [request.reference for request in requests],
        "tier_ids": list(tiers),
        "event_ids": [tier.event_id for tier in tiers.values()],
        "revisions": [tier.revision for tier in tiers.values()],
        "updated_at": [tier.updated_at for tier in tiers.values()],
        "orders": len(requests),
        "bookings": sum(request.quantity for request in requests),
    }
    started = pipeline.add(Statement(queries.orders.start_batch, parameters, BatchStart))
    locked = pipeline.add(Statement(queries.tickets.lock_tickets, {"ctids": ctids})) if ctids else None
    claims: dict[int, Result[Ticket]] = {}
    for tier in standing.values():
        claim = {
            "tier_id": tier.tier_id,
            "start": random.randint(1, tier.last_position),
            "quantity": quantities[tier.tier_id],
        }
        claims[tier.tier_id] = pipeline.add(Statement(queries.tickets.claim_standing, claim, Ticket))
    await pipeline.run()

    rows = locked.rows if locked else []
    claimed = Claimed(
        locked={(ticket_id, ctid) for ticket_id, ctid, status in rows if status == "available"},
        standing={
            tier_id: [ticket for ticket in claim.rows if ticket.id not in prefetched.named]
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


def _pay(request: NewOrder, tier: Tier, policy: BookingPolicy) -> Literal["captured", "declined", "pending"]:
    """Return the first state of a request's payment; in async mode the provider is charged after the commit."""
    if total_minor(request, tier) == 0:  # A provider refuses an amount of 0.
        return "captured"
    if policy.payment_mode == "async":
        return "pending"
    return simulator.decide(request.reference, policy.payment_success_rate)


async def _record(
    session: Session, sales: Sequence[Sale], start: BatchStart, policy: BookingPolicy
) -> dict[str, Booked | Declined]:
    """Write orders, payments and bookings, mark the tickets as sold or held, and commit, in one round trip."""
    records = make_records(sales, start, policy)
    pipeline = session.pipeline()
    if limit := policy.bookings_per_minute:
        pipeline.add(limits.note_bookings(Counter(sale.request.limit_key for sale in sales), limit))
    for statement in insertions(records, policy):
        pipeline.add(statement)
    await pipeline.commit()
    return {record.order.reference: record.outcome() for record in records}


async def _classify(
    session: Session, requests: Sequence[NewOrder], prefetched: Prefetched, attempts: dict[str, _Attempt]
) -> dict[str, Outcome]:
    """Turn the results of a committed transaction into outcomes."""
    outcomes: dict[str, Outcome] = {}
    refused: dict[str, Insufficient | SeatsTaken] = {}
    for reference, attempt in attempts.items():
        match attempt:
            case Insufficient() | SeatsTaken():
                refused[reference] = attempt
            case outcome:
                outcomes[reference] = outcome
    if refused:
        unsatisfied = [request for request in requests if request.reference in refused]
        try:
            outcomes |= await _explain(session, unsatisfied, prefetched, refused)
        except Exception as error:  # noqa: BLE001 - the sales are committed, so their outcomes must stay known
            outcomes |= _retry(unsatisfied, error)
    return outcomes


async def _explain(
    session: Session,
    requests: Sequence[NewOrder],
    prefetched: Prefetched,
    attempts: dict[str, Insufficient | SeatsTaken],
) -> dict[str, Outcome]:
    """Return the outcomes of the requests that got no tickets in a committed transaction.

    A refused request may be a repeat whose first run in another process has just taken the missing tickets. Therefore
    this function reads the orders after the stock, and a repeat overrides the refusal.
    """
    insufficient = [request for request in requests if isinstance(attempts[request.reference], Insufficient)]
    tier_ids = list({prefetched.tier(request).tier_id for request in insufficient})
    pipeline = session.pipeline()
    counted = pipeline.add(Statement(queries.tickets.count_left, {"tier_ids": tier_ids}, TierStock))
    existing = pipeline.add(orders.select_orders([request.reference for request in requests]))
    await pipeline.run()
    stock = {row.tier_id: row for row in counted.rows}
    outcomes: dict[str, Outcome] = {}
    for request in requests:
        match attempts[request.reference]:
            case SeatsTaken(tickets):
                outcomes[request.reference] = Refused(seat_taken(tickets))
            case Insufficient():
                outcomes[request.reference] = classify_shortage(request, stock[prefetched.tier(request).tier_id])
    return outcomes | await find_replays(session, existing.rows, requests)
