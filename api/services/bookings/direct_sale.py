"""The direct sale of a batch: BEGIN, one call of `book_batch` and COMMIT in one round trip.

A direct sale needs no prefetch. It uses the tiers that the process knows. It assumes that no reference has an order and
that no limit is exhausted. The SQL function checks every assumption in the transaction. It leaves out the requests that
it cannot sell, without an explanation for their buyers. They take the careful path of `batch`.
"""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg import errors

from api.database import queries
from api.database.session import Pipeline, Session, Statement
from api.errors import ApiError
from api.metrics import BOOKING_RETRIES
from api.services.bookings import limits
from api.services.bookings.allowance import BatchHolds, HoldAllowance
from api.services.bookings.memory import Memory
from api.services.bookings.model import (
    Booked,
    BookingPolicy,
    Declined,
    NewOrder,
    Outcome,
    Parts,
    Ticket,
    Tier,
    hold_seconds,
    is_limited,
    total_minor,
)
from api.services.bookings.parts import resolve
from api.services.bookings.prefetch import Prefetched, choose_seats, named_ids, select_tickets
from api.services.bookings.records import Payment, begin_payment, make_bookings, make_order, outcome_of
from api.services.bookings.refusals import refuse_charge
from api.services.bookings.seat_search import BatchSeats, FreeSeats
from api.services.bookings.shares import BatchShares, share_width


class Offer(msgspec.Struct, frozen=True):
    """A request that the function may sell."""

    request: NewOrder
    parts: Parts
    lines: list[tuple[Tier, Ticket | None]]
    """The tier and the ticket of each line; None stands for any ticket."""
    payment: Payment


class Sold(msgspec.Struct, frozen=True):
    """The row of `bookings.book_batch`, whose lists have an element for each order or for each line."""

    created_at: datetime
    causes: list[str | None]
    """The cause for which an order was left out; None for an order that exists now."""
    order_ids: list[int | None]
    booking_ids: list[int | None]
    ticket_ids: list[int | None]
    """The chosen tickets and then the claimed ones; None for a ticket that a tier lacks."""
    spent_shares: list[int]
    """The number of spent shares of each tier."""


class Places(NamedTuple):
    """The places of the lines' tickets among all tickets of a call, from 1.

    The chosen tickets come first. The standing tickets that each tier claims follow.
    """

    chosen: list[Ticket]
    claims: dict[int, int]
    """The number of standing tickets by tier."""
    by_line: list[int]


async def sell_directly(
    session: Session, batch: Sequence[NewOrder], policy: BookingPolicy, memory: Memory, outcomes: dict[str, Outcome]
) -> None:
    """Sell to the requests of a batch that need no prefetch; add the outcomes of those that were booked or declined.

    Raises:
        psycopg.Error: nothing was booked.
        CommitUnknownError: the batch may be booked.
    """
    if policy.booking_path == "careful":
        return
    with memory.seats.batch() as seats, memory.holds.batch() as taken, memory.shares.batch() as shares:
        offers = await _make_offers(session, batch, policy, memory, seats, taken)
        if not offers:
            return
        places = _find_places(offers)
        call = _parameters(offers, places, policy, shares)
        try:
            sold, ahead = await _book(session, offers, call, seats)
        except (errors.UniqueViolation, errors.SerializationFailure) as error:
            BOOKING_RETRIES.labels(error.sqlstate).inc(len(offers))
            if isinstance(error, errors.SerializationFailure):
                _note_contention(offers, memory)
            return  # A reference has an order, or there was a conflict. The careful path decides each request.
        shares.note_spent(call["tier_ids"], sold.spent_shares)
        seats.sold |= _sold_seats(offers, sold)
    for found in ahead:
        memory.seats.keep(found)
    for offer, outcome in zip(offers, _outcomes(offers, places, sold), strict=True):
        if outcome:
            outcomes[offer.request.reference] = outcome
            memory.note(offer.request, outcome)
    _note_causes(offers, sold.causes, memory)


def _sold_seats(offers: Sequence[Offer], sold: Sold) -> set[int]:
    """Return the ids of the chosen tickets that are not free any more."""
    return {
        ticket.id
        for offer, order_id in zip(offers, sold.order_ids, strict=True)
        if order_id is not None and offer.payment != "declined"
        for _, ticket in offer.lines
        if ticket
    }


def _note_causes(offers: Sequence[Offer], causes: Sequence[str | None], memory: Memory) -> None:
    """Remember the causes that concern the next requests as well."""
    for offer, cause in zip(offers, causes, strict=True):
        if cause == "insufficient":
            memory.note_shortage(offer.parts)
    _note_contention([offer for offer, cause in zip(offers, causes, strict=True) if cause == "locked_tickets"], memory)


def _note_contention(offers: Sequence[Offer], memory: Memory) -> None:
    """Remember a contention for the chosen seats of offers, once for each tier."""
    parts = (part for offer in offers for part in offer.parts if part.takes_chosen_seats)
    for tier in {part.tier.tier_id: part.tier for part in parts}.values():
        memory.seats.note_contention(tier)


async def _make_offers(
    session: Session,
    batch: Sequence[NewOrder],
    policy: BookingPolicy,
    memory: Memory,
    seats: BatchSeats,
    taken: BatchHolds,
) -> list[Offer]:
    """Return the offers for the requests that the function may sell."""
    tiers = memory.tiers(session.server)
    requests = [request for request in batch if not memory.forbids(request) and tiers.include(request)]
    assumed = Prefetched(tiers=tiers, named={}, outcomes={})
    pipeline = session.pipeline()
    ids = named_ids(requests)
    named = pipeline.add(select_tickets(ids)) if ids else None
    clients = {request.client_hash for request in requests if request.client_hash is not None}
    held = pipeline.add(limits.select_holds(clients)) if clients else None
    await pipeline.run()
    assumed.named = {ticket.id: ticket for ticket in named.rows} if named else {}
    holds = HoldAllowance(
        held.rows if held else [], limit=policy.held_tickets_max, hold_seconds=policy.hold_seconds, batch=taken
    )
    parts_by_content: dict[tuple[object, ...], Parts | None] = {}
    for request in requests:
        # Many buyers of a batch want the same.
        content = request.event, request.items, request.itemized, request.expected_total
        if content not in parts_by_content:
            parts_by_content[content] = _find_parts(request, assumed, policy, memory)
        if (
            (parts := parts_by_content[content])
            and not holds.refusal(request.client_hash, request.quantity)
            and holds.take(request.client_hash, request.quantity)
        ):
            assumed.parts[request.reference] = parts
    requests = [request for request in requests if request.reference in assumed.parts]
    await choose_seats(session, requests, assumed, seats)
    offers = []
    used: set[int] = set()
    for request in requests:
        parts = assumed.parts[request.reference]
        lines = _lines(parts, assumed.requested_tickets(request), used)
        if lines is not None:
            offers.append(Offer(request, parts, lines, begin_payment(request, parts, policy)))
    return offers


def _find_parts(request: NewOrder, assumed: Prefetched, policy: BookingPolicy, memory: Memory) -> Parts | None:
    """Return the parts of a request that a direct sale may satisfy; otherwise None."""
    parts = resolve(request, {request.event}, assumed.tiers, assumed.named)
    if (
        isinstance(parts, ApiError)
        or is_limited(parts)  # Only a prefetch reads the tickets of a buyer.
        or refuse_charge(parts, policy)
        or memory.is_short(parts)
    ):
        return None
    return parts


def _lines(
    parts: Parts, tickets: Sequence[Sequence[Ticket]], used: set[int]
) -> list[tuple[Tier, Ticket | None]] | None:
    """Return the lines of a request, and add its tickets to the used ones; None if a ticket is missing or used."""
    lines: list[tuple[Tier, Ticket | None]] = []
    for part, given in zip(parts, tickets, strict=True):
        if part.takes_any_ticket:
            lines += [(part.tier, None)] * part.quantity
        elif not given or any(ticket.status != "available" or ticket.id in used for ticket in given):
            return None
        else:
            lines += [(part.tier, ticket) for ticket in given]
    used.update(ticket.id for _, ticket in lines if ticket)
    return lines


async def _book(
    session: Session, offers: Sequence[Offer], call: dict[str, Any], seats: BatchSeats
) -> tuple[Sold, list[FreeSeats]]:
    """Call the function in a transaction, in one round trip; read the free seats for the next batches behind it."""
    async with session.transaction():
        pipeline, following = session.pipeline(), session.pipeline()
        sold = pipeline.add(Statement(queries.bookings.book_batch, call, Sold))
        ahead = _read_ahead(following, offers, seats)
        await pipeline.commit(following)
    return sold.rows[0], ahead


def _read_ahead(pipeline: Pipeline, offers: Sequence[Offer], seats: BatchSeats) -> list[FreeSeats]:
    """Add a read for each tier whose seats the offers contain, unless the kept ones suffice.

    A single offer means that no batch follows at once.
    """
    if len(offers) == 1:
        return []
    tiers: dict[int, Tier] = {}
    quantities: dict[int, list[int]] = defaultdict(list)
    for offer in offers:
        for part in offer.parts:
            if part.takes_chosen_seats:
                tiers[part.tier.tier_id] = part.tier
                quantities[part.tier.tier_id].append(part.quantity)
    # The seats of a declined order are free again.
    declines = any(offer.payment == "declined" for offer in offers)
    reads = (
        seats.read_ahead(pipeline, tier, quantities[tier_id])
        for tier_id, tier in tiers.items()
        if declines or not seats.suffice(tier, quantities[tier_id])
    )
    return [found for found in reads if found]


def _find_places(offers: Sequence[Offer]) -> Places:
    """Return the places of the lines' tickets."""
    lines = [line for offer in offers for line in offer.lines]
    chosen = [ticket for _, ticket in lines if ticket]
    claims = Counter(tier.tier_id for tier, ticket in lines if not ticket)
    following: dict[int | None, Iterator[int]] = {None: itertools.count(1)}
    start = len(chosen) + 1
    for tier_id, quantity in claims.items():
        following[tier_id] = itertools.count(start)
        start += quantity
    return Places(chosen, claims, [next(following[None if ticket else tier.tier_id]) for tier, ticket in lines])


def _parameters(offers: Sequence[Offer], places: Places, policy: BookingPolicy, shares: BatchShares) -> dict[str, Any]:
    """Return the parameters of the function. PostgreSQL counts the orders from 1."""
    requests = [offer.request for offer in offers]
    # The tiers have the order of their claims.
    tiers = {tier.tier_id: tier for offer in offers for tier, ticket in offer.lines if not ticket}
    tiers |= {tier.tier_id: tier for offer in offers for tier, ticket in offer.lines if ticket}
    of_tiers = [shares.take(tier, places.claims.get(tier_id, 0)) for tier_id, tier in tiers.items()]
    holds = [hold_seconds(offer.parts) if offer.payment == "pending" else None for offer in offers]
    return {
        "tier_ids": list(tiers),
        "tier_event_ids": [tier.event_id for tier in tiers.values()],
        "tier_revisions": [tier.revision for tier in tiers.values()],
        "tier_updated_at": [tier.updated_at for tier in tiers.values()],
        "tier_starts": [random.randint(1, tier.last_position) for tier in tiers.values()],
        "tier_claims": [places.claims.get(tier_id, 0) for tier_id in tiers],
        "tier_share_widths": [share_width(tier) for tier in tiers.values()],
        "tier_share_counts": [len(of_tier) for of_tier in of_tiers],
        "shares": list(itertools.chain.from_iterable(of_tiers)),
        "order_references": [request.reference for request in requests],
        "order_event_ids": [offer.parts[0].tier.event_id for offer in offers],
        "order_user_ids": [request.user_id for request in requests],
        "order_buyers": [request.limit_key for request in requests],
        "order_digests": [request.digest for request in requests],
        "order_quantities": [request.quantity for request in requests],
        "order_totals": [total_minor(offer.parts) for offer in offers],
        "order_currencies": [offer.parts[0].tier.currency for offer in offers],
        "order_payments": [offer.payment for offer in offers],
        "order_hold_seconds": holds,
        "order_clients": [offer.request.client_hash if offer.payment == "pending" else None for offer in offers],
        "order_access_digests": [request.access_digest for request in requests],
        "order_accounts": [request.account_id for request in requests],
        "order_emails": [request.email for request in requests],
        "order_locales": [request.locale for request in requests],
        "line_orders": [number for number, offer in enumerate(offers, start=1) for _ in offer.lines],
        "line_numbers": [number for offer in offers for number in range(1, len(offer.lines) + 1)],
        "line_tiers": [tier.tier_id for offer in offers for tier, _ in offer.lines],
        "line_prices": [tier.price_minor for offer in offers for tier, _ in offer.lines],
        "line_places": places.by_line,
        "ticket_ids": [ticket.id for ticket in places.chosen],
        "ticket_ctids": [ticket.ctid for ticket in places.chosen],
        "hold_lengths": list(set(holds)),
        "bookings_per_minute": policy.bookings_per_minute,
        "check_after_ms": policy.payment_check_after_ms,
    }


def _outcomes(offers: Sequence[Offer], places: Places, sold: Sold) -> list[Booked | Declined | None]:
    """Return the outcome of each offer; None for one that was left out."""
    outcomes: list[Booked | Declined | None] = []
    end = 0
    for offer, order_id in zip(offers, sold.order_ids, strict=True):
        start, end = end, end + len(offer.lines)
        if order_id is None:
            outcomes.append(None)
            continue
        order = make_order(offer.request, offer.parts, offer.payment, order_id, sold.created_at)
        booked: list[tuple[int, Tier, Ticket]] = []
        lines = zip(offer.lines, sold.booking_ids[start:end], places.by_line[start:end], strict=True)
        for (tier, ticket), booking_id, place in lines:
            ticket_id = sold.ticket_ids[place - 1]
            if booking_id is not None and ticket_id is not None:
                # A claimed ticket is a standing one, without a row and a seat.
                booked.append((booking_id, tier, ticket or Ticket(ticket_id, 0, "")))
        outcomes.append(outcome_of(order, make_bookings(order, booked)))
    return outcomes
