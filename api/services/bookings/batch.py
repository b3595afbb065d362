"""Booking: a batch of requests in one transaction, for each request all of its tickets or none.

First the batch looks: which references have an order already, the tiers, the buyers' limits, seats that seem free.
Then one transaction claims, charges or holds, records and commits. What was only looked at sells nothing: a claim
locks the tickets themselves, a limit is taken by a guarded update, and a reference that came into being meanwhile
fails on its unique index. What could not be served is explained by what is left after the commit.
A refusal is an answer like any other: it never touches its neighbours in the batch.
"""

import hashlib
import math
import random
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg

from api.config import Settings
from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.session import Result, Session, Statement
from api.errors import (
    AllHeld,
    ApiError,
    InvalidRequest,
    KeyReused,
    NotOnSale,
    PaymentDeclined,
    SeatTaken,
    SoldOut,
    UnknownEvent,
    UnknownTier,
)
from api.services import orders, payments
from api.services.bookings import limits
from api.services.bookings.seating import pick_neighbours
from api.services.order_rows import BookingRow, OrderRow

_SEATS_SEARCHED_MIN = 64
_SEATS_SEARCHED_MAX = 5000
"""Free seats searched for neighbours: at first a few behind the random start, in vain these."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A booking request as the service takes it: checked, and with a reference."""

    reference: str
    event: str
    tier: str
    quantity: int
    user_id: str
    ticket_ids: tuple[int, ...] = ()

    @property
    def digest(self) -> bytes:
        """SHA-256 of everything but the reference: two requests are the same when it is."""
        wanted = (self.event, self.tier, self.quantity, self.user_id, sorted(self.ticket_ids))
        return hashlib.sha256(msgspec.json.encode(wanted)).digest()


class Decided(msgspec.Struct, frozen=True):
    """A request's answer, true once the transaction is committed; `replayed`: it was given before."""

    answer: OrderRow | ApiError
    bookings: Sequence[BookingRow] = ()
    replayed: bool = False


class Retry(msgspec.Struct, frozen=True):
    """What stands in the way is not committed: not yet an answer."""


Outcome = Decided | Retry


class _Tier(msgspec.Struct, frozen=True):
    """A row of `tiers.find_tiers`; the tier's own columns are None when the event has no such tier."""

    event: str
    event_id: int
    currency: str
    sales_start_at: datetime
    sales_end_at: datetime | None
    starts_at: datetime
    cancelled_at: datetime | None
    on_sale: bool
    tier_id: int
    tier: str | None
    price_minor: int
    seated: bool
    last_position: int


class _Ticket(msgspec.Struct, frozen=True):
    """A ticket as claims see it; `ctid` is the location of its row in the table."""

    id: int
    position: int
    ctid: str
    row_label: str | None = None
    seat_number: int | None = None
    tier_id: int = 0
    status: str = "available"


class _Drawn(msgspec.Struct, frozen=True):
    """A row of `orders.draw_ids`."""

    created_at: datetime
    order_ids: list[int]
    booking_ids: list[int]


class _Left(msgspec.Struct, frozen=True):
    """A row of `tickets.count_left`; `back_in_s`: when the first hold ends, None without any."""

    tier_id: int
    available: int
    held: int
    back_in_s: float | None


class _Short(msgspec.Struct, frozen=True):
    """The claim found too few tickets for a request; why, is to be seen after the commit."""


class _Sight(msgspec.Struct):
    """What a batch has looked at before its transaction."""

    tiers: dict[tuple[str, str], _Tier]
    """By event and name."""
    decided: dict[str, Outcome]
    """The requests that need no transaction, by reference."""
    named: dict[int, _Ticket]
    """The tickets that requests name, whatever their state, by id."""
    seats: dict[str, list[_Ticket]]
    """The seats chosen for a request, by reference; who is missing cannot be served."""

    def tier(self, new: NewOrder) -> _Tier:
        """Return the tier of a request that is not decided."""
        return self.tiers[new.event, new.tier]

    def wishes(self, new: NewOrder) -> list[_Ticket]:
        """Return the very tickets that a request is to get; none: whichever the claim finds."""
        return [self.named[ticket_id] for ticket_id in new.ticket_ids] or self.seats.get(new.reference, [])


class _Stock(msgspec.Struct):
    """What a batch has claimed, and what it has sold of it so far."""

    locked: set[tuple[int, str]]
    """Ids and ctids of the named and chosen tickets that are locked and available."""
    standing: dict[int, list[_Ticket]]
    """The locked tickets of a standing tier, for whoever comes."""
    sold: set[int] = msgspec.field(default_factory=set)
    """Ids of the tickets that this batch has sold so far."""

    def sell(self, tier: _Tier, tickets: Sequence[_Ticket]) -> None:
        """Take tickets out of what the rest of the batch can get."""
        self.sold.update(ticket.id for ticket in tickets)
        free = self.standing.get(tier.tier_id)
        if free and tickets and free[0] is tickets[0]:  # They were taken from the front; named ones never stand here.
            del free[: len(tickets)]


class _Sale(msgspec.Struct, frozen=True):
    """An order that is about to be recorded."""

    new: NewOrder
    tier: _Tier
    tickets: list[_Ticket]
    payment: Literal["captured", "declined", "pending"]


_STATUS_BY_PAYMENT = {"captured": "confirmed", "declined": "declined", "pending": "pending"}


async def book_batch(session: Session, batch: Sequence[NewOrder], settings: Settings) -> list[Outcome]:
    """Book a batch; the outcomes are in its order. References are unique within a batch.

    Raises:
        psycopg.Error: nothing of the batch was done.
        CommitUnknownError: perhaps all of it was. Running it again is right in both cases, since the references
            keep it from being done twice.
    """
    sight = await _look(session, batch, settings)
    outcomes = sight.decided
    if wanted := [new for new in batch if new.reference not in outcomes]:
        sold = await _sell(session, wanted, sight, settings)
        try:
            outcomes |= await _explain(session, wanted, sight, sold)
        except psycopg.Error as error:  # What was sold is committed by now: the caller must not call it unsold.
            raise CommitUnknownError(str(error)) from error
    return [outcomes[new.reference] for new in batch]


async def _look(session: Session, batch: Sequence[NewOrder], settings: Settings) -> _Sight:
    """Read what is known of a batch, without locking any of it."""
    pipeline = session.pipeline()
    existing = pipeline.add(
        Statement(queries.orders.find_orders, {"references": [new.reference for new in batch]}, OrderRow)
    )
    tiers = pipeline.add(
        Statement(
            queries.tiers.find_tiers,
            {"events": list({new.event for new in batch}), "tiers": list({new.tier for new in batch})},
            _Tier,
        )
    )
    used = pipeline.add(limits.find({new.user_id for new in batch})) if settings.bookings_per_minute else None
    named_ids = [ticket_id for new in batch for ticket_id in new.ticket_ids]
    named = pipeline.add(Statement(queries.tickets.find_tickets, {"ids": named_ids}, _Ticket)) if named_ids else None
    await pipeline.run()

    events = {row.event for row in tiers.rows}
    sight = _Sight(
        tiers={(row.event, row.tier): row for row in tiers.rows if row.tier is not None},
        decided=await _replays(session, existing.rows, batch),
        named={ticket.id: ticket for ticket in named.rows} if named else {},
        seats={},
    )
    allowance = limits.Allowance(used.rows if used else [], settings.bookings_per_minute)
    seated: dict[int, list[NewOrder]] = defaultdict(list)
    for new in batch:
        if new.reference in sight.decided:
            continue
        if error := _refuse_early(new, events, sight) or allowance.refusal(new.user_id):
            sight.decided[new.reference] = Decided(error)
        elif not allowance.take(new.user_id):
            sight.decided[new.reference] = Retry()  # Others of this batch may use it up: that is not certain.
        elif sight.tier(new).seated and not new.ticket_ids:
            seated[sight.tier(new).tier_id].append(new)
    for news in seated.values():
        sight.seats |= await _choose_seats(session, sight.tier(news[0]), news, sight.named)
    return sight


async def _sell(
    session: Session, wanted: Sequence[NewOrder], sight: _Sight, settings: Settings
) -> dict[str, Outcome | _Short]:
    """Claim, charge or hold, and record in one transaction; return the outcomes by reference."""
    outcomes: dict[str, Outcome | _Short] = {}
    sales: list[_Sale] = []
    async with session.transaction():
        drawn, stock = await _claim(session, wanted, sight)
        for new in wanted:
            tier = sight.tier(new)
            tickets = _allot(new, sight, stock)
            if not isinstance(tickets, list):
                outcomes[new.reference] = tickets
                continue
            payment = payments.begin(new.reference, settings)
            if payment == "declined":
                tickets = []  # They are free again for the next in the batch, or when it is committed.
            stock.sell(tier, tickets)
            sales.append(_Sale(new, tier, tickets, payment))
        if sales:
            sales.sort(key=lambda sale: sale.new.reference)  # The lock order of concurrent inserts.
            outcomes |= await _record(session, sales, drawn, settings)
    return outcomes


async def _explain(
    session: Session, wanted: Sequence[NewOrder], sight: _Sight, sold: dict[str, Outcome | _Short]
) -> dict[str, Outcome]:
    """Replace what fell short by its reason, now that what this batch sells is committed.

    A refused request is answered as a repeat, if another process has booked it since this batch looked: its own
    first run may have taken the very tickets that are missing. Hence the order of the two statements.
    """
    short = [new for new in wanted if isinstance(sold[new.reference], _Short)]
    refused = short + [new for new in wanted if _is_seat_taken(sold[new.reference])]
    outcomes = {reference: outcome for reference, outcome in sold.items() if not isinstance(outcome, _Short)}
    if not refused:
        return outcomes
    tier_ids = list({sight.tier(new).tier_id for new in short})
    pipeline = session.pipeline()
    counted = pipeline.add(Statement(queries.tickets.count_left, {"tier_ids": tier_ids}, _Left))
    existing = pipeline.add(
        Statement(queries.orders.find_orders, {"references": [new.reference for new in refused]}, OrderRow)
    )
    await pipeline.run()
    left = {row.tier_id: row for row in counted.rows}
    outcomes |= {new.reference: _shortage(new, left[sight.tier(new).tier_id]) for new in short}
    return outcomes | await _replays(session, existing.rows, refused)


def _is_seat_taken(outcome: Outcome | _Short) -> bool:
    return isinstance(outcome, Decided) and isinstance(outcome.answer, SeatTaken)


async def _replays(session: Session, existing: Sequence[OrderRow], batch: Sequence[NewOrder]) -> dict[str, Outcome]:
    """Answer the requests whose reference has an order already."""
    if not existing:
        return {}
    bookings = await orders.find_bookings(session, [order.id for order in existing])
    known = {order.reference: order for order in existing}
    replays: dict[str, Outcome] = {}
    for new in batch:
        if order := known.get(new.reference):
            answer: OrderRow | ApiError = order
            if order.request_digest != new.digest:
                answer = KeyReused(new.reference)
            elif order.status == "declined" and order.expires_at is None:
                answer = PaymentDeclined(new.reference)
            replays[new.reference] = Decided(answer, bookings[order.id], replayed=not isinstance(answer, KeyReused))
    return replays


def _refuse_early(new: NewOrder, events: set[str], sight: _Sight) -> ApiError | None:
    """Refuse what cannot be booked whatever is left."""
    if new.event not in events:
        return UnknownEvent(new.event)
    tier = sight.tiers.get((new.event, new.tier))
    if tier is None:
        return UnknownTier(new.tier)
    if not tier.on_sale:
        return _not_on_sale(tier)
    in_tier = {ticket.id for ticket in sight.named.values() if ticket.tier_id == tier.tier_id}
    foreign = [ticket_id for ticket_id in new.ticket_ids if ticket_id not in in_tier]
    if foreign:
        numbers = ", ".join(map(str, foreign))
        return InvalidRequest(f"not tickets of the tier {new.tier!r}: {numbers}", field="ticketIds")
    return None


def _not_on_sale(tier: _Tier) -> NotOnSale:
    if tier.cancelled_at:
        return NotOnSale(None)
    return NotOnSale((tier.sales_start_at, min(tier.starts_at, tier.sales_end_at or tier.starts_at)))


async def _choose_seats(
    session: Session, tier: _Tier, news: Sequence[NewOrder], named: Container[int]
) -> dict[str, list[_Ticket]]:
    """Choose neighbours for each of `news`; where there are none any more, seats that stand apart.

    Who is missing from the result cannot be served.
    """
    start = random.randint(1, tier.last_position)
    needed = 2 * sum(new.quantity for new in news)  # A row's end may waste as many seats as it serves.
    for limit in (max(_SEATS_SEARCHED_MIN, needed), _SEATS_SEARCHED_MAX):
        statement = Statement(
            queries.tickets.find_free_seats,
            {"tier_id": tier.tier_id, "start": start, "limit": limit},
            _Ticket,
        )
        found = await session.run(statement)
        found.sort(key=lambda seat: (seat.position < start, seat.position))
        free = {seat.id: seat for seat in found if seat.id not in named}
        chosen: dict[str, list[_Ticket]] = {}
        apart = []
        for new in news:
            if seats := pick_neighbours(free.values(), new.quantity):
                chosen[new.reference] = seats
                for seat in seats:
                    del free[seat.id]
            else:
                apart.append(new)
        if not apart or len(found) < limit:
            break
    for new in apart:
        if len(free) >= new.quantity:
            chosen[new.reference] = [free.pop(next(iter(free))) for _ in range(new.quantity)]
    return chosen


async def _claim(session: Session, wanted: Sequence[NewOrder], sight: _Sight) -> tuple[_Drawn, _Stock]:
    """Lock tickets for all of `wanted`, as far as there are any, and draw their ids."""
    # What was seen as sold or held stays unlocked: whoever settles or ends a hold would have to wait for it.
    ctids = [ticket.ctid for new in wanted for ticket in sight.wishes(new) if ticket.status == "available"]
    quantities: Counter[int] = Counter()
    standing: dict[int, _Tier] = {}
    for new in wanted:
        tier = sight.tier(new)
        if not tier.seated and not new.ticket_ids:
            standing[tier.tier_id] = tier
            quantities[tier.tier_id] += new.quantity
    pipeline = session.pipeline()
    ids = {"orders": len(wanted), "bookings": sum(new.quantity for new in wanted)}
    drawn = pipeline.add(Statement(queries.orders.draw_ids, ids, _Drawn))
    locked = pipeline.add(Statement(queries.tickets.lock_tickets, {"ctids": ctids})) if ctids else None
    claims: dict[int, Result[_Ticket]] = {}
    for tier in standing.values():
        start = random.randint(1, tier.last_position)
        parameters = {"tier_id": tier.tier_id, "start": start, "quantity": quantities[tier.tier_id]}
        claims[tier.tier_id] = pipeline.add(Statement(queries.tickets.claim_standing, parameters, _Ticket))
    await pipeline.run()

    rows = locked.rows if locked else []
    stock = _Stock(
        locked={(ticket_id, ctid) for ticket_id, ctid, status in rows if status == "available"},
        standing={
            tier_id: [ticket for ticket in claimed.rows if ticket.id not in sight.named]
            for tier_id, claimed in claims.items()
        },
    )
    return drawn.rows[0], stock


def _allot(new: NewOrder, sight: _Sight, stock: _Stock) -> list[_Ticket] | Outcome | _Short:
    """Return the tickets that a request gets, or why it gets none."""
    tier, tickets = sight.tier(new), sight.wishes(new)
    if new.ticket_ids:
        gone = [ticket for ticket in tickets if ticket.status != "available" or ticket.id in stock.sold]
        if gone:
            return Decided(_seat_taken(gone))
    if tickets:
        return tickets if stock.locked.issuperset((ticket.id, ticket.ctid) for ticket in tickets) else Retry()
    if not tier.seated:
        tickets = stock.standing[tier.tier_id][: new.quantity]
    return tickets if len(tickets) == new.quantity else _Short()


def _seat_taken(gone: Sequence[_Ticket]) -> SeatTaken:
    return SeatTaken(
        {
            ticket.id: f"row {ticket.row_label} seat {ticket.seat_number}"
            if ticket.row_label
            else f"ticket {ticket.id}"
            for ticket in gone
        }
    )


def _shortage(new: NewOrder, left: _Left) -> Outcome:
    """Say that too few are left only if that is true: what others have merely locked or hold is not sold."""
    if left.available >= new.quantity:
        return Retry()
    if left.available + left.held >= new.quantity:
        return Decided(AllHeld(new.tier, left.available, retry_after_s=max(1, math.ceil(left.back_in_s or 0))))
    return Decided(SoldOut(new.tier, left.available))


async def _record(
    session: Session, sales: Sequence[_Sale], drawn: _Drawn, settings: Settings
) -> dict[str, Outcome | _Short]:
    """Write orders, payments and bookings, and mark the tickets as sold or held, in one round trip."""
    outcomes: dict[str, Outcome | _Short] = {}
    booked: list[BookingRow] = []
    order_ids, booking_ids = iter(drawn.order_ids), iter(drawn.booking_ids)
    made: list[OrderRow] = []
    hold = timedelta(seconds=settings.hold_seconds)
    for sale in sales:
        order = OrderRow(
            id=next(order_ids),
            reference=sale.new.reference,
            user_id=sale.new.user_id,
            request_digest=sale.new.digest,
            status=_STATUS_BY_PAYMENT[sale.payment],
            total_minor=sale.new.quantity * sale.tier.price_minor,
            currency=sale.tier.currency,
            created_at=drawn.created_at,
            expires_at=drawn.created_at + hold if sale.payment == "pending" else None,
            payment=sale.payment,
            event=sale.new.event,
            paid_late=False,
        )
        lines = [
            BookingRow(
                id=next(booking_ids),
                order_id=order.id,
                line=line,
                ticket_id=ticket.id,
                tier=sale.new.tier,
                price_minor=sale.tier.price_minor,
                row_label=ticket.row_label,
                seat_number=ticket.seat_number,
                created_at=drawn.created_at,
            )
            for line, ticket in enumerate(sale.tickets, start=1)
        ]
        made.append(order)
        booked += lines
        outcomes[order.reference] = (
            Decided(PaymentDeclined(order.reference)) if sale.payment == "declined" else Decided(order, lines)
        )
    buyers = Counter(sale.new.user_id for sale in sales if settings.bookings_per_minute)
    pipeline = session.pipeline()
    noted = pipeline.add(limits.note(buyers, settings.bookings_per_minute)) if buyers else None
    for statement in _insertions(sales, made, booked, settings):
        pipeline.add(statement)
    await pipeline.run()
    if noted:
        limits.check(buyers, noted.rows)
    return outcomes


def _insertions(
    sales: Sequence[_Sale], made: Sequence[OrderRow], booked: Sequence[BookingRow], settings: Settings
) -> list[Statement[Any]]:
    order_ids = [order.id for order in made]
    totals_minor = [order.total_minor for order in made]
    currencies = [order.currency for order in made]
    expires_at = made[0].expires_at  # All of a batch are held, or none is.
    statements: list[Statement[Any]] = [
        Statement(
            queries.orders.insert_orders,
            {
                "ids": order_ids,
                "event_ids": [sale.tier.event_id for sale in sales],
                "references": [order.reference for order in made],
                "user_ids": [order.user_id for order in made],
                "request_digests": [order.request_digest for order in made],
                "statuses": [order.status for order in made],
                "quantities": [sale.new.quantity for sale in sales],
                "totals_minor": totals_minor,
                "currencies": currencies,
                "expires_at": expires_at,
            },
        ),
        Statement(
            queries.payments.insert_payments,
            {
                "order_ids": order_ids,
                "statuses": [sale.payment for sale in sales],
                "amounts_minor": totals_minor,
                "currencies": currencies,
                "check_after_ms": settings.payment_check_after_ms if expires_at else None,
            },
        ),
    ]
    if booked:
        tier_ids = [sale.tier.tier_id for sale in sales for _ in sale.tickets]
        ctids = [ticket.ctid for sale in sales for ticket in sale.tickets]
        statements += [
            Statement(
                queries.bookings.insert_bookings,
                {
                    "ids": [booking.id for booking in booked],
                    "order_ids": [booking.order_id for booking in booked],
                    "lines": [booking.line for booking in booked],
                    "ticket_ids": [booking.ticket_id for booking in booked],
                    "tier_ids": tier_ids,
                    "prices_minor": [booking.price_minor for booking in booked],
                },
            ),
            Statement(queries.tickets.take_tickets, {"ctids": ctids, "held_until": expires_at}, affects=len(ctids)),
        ]
    return statements
