"""Booking: a batch of requests in one transaction, for each request all of its tickets or none.

The order inside the transaction is the same for every batch, and `sql/README.md` gives the reasons:
references, existing orders and tiers; claims; payments; orders, bookings and tickets; commit.
A refusal is an answer like any other: it never touches its neighbours in the batch.
"""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import class_row

from api import queries
from api.config import Settings
from api.db import Connection, Statement, run_together
from api.errors import (
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
from api.services.orders import BookingRow, OrderRow
from api.services.seating import pick_neighbours

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


class LookAgain(msgspec.Struct, frozen=True):
    """Enough tickets are left, but unfinished transactions have locked them: not yet an answer."""


Outcome = Decided | LookAgain


class _Tier(msgspec.Struct, frozen=True):
    """A row of `tiers.find_tiers`; the tier's own columns are None when the event has no such tier."""

    event: str
    event_id: int
    currency: str
    sales_start_at: datetime
    sales_end_at: datetime | None
    on_sale: bool
    tier_id: int
    tier: str | None
    price_minor: int
    seated: bool
    last_position: int


class _Ticket(msgspec.Struct, frozen=True):
    """A ticket as claims see it."""

    id: int
    position: int
    row_label: str | None = None
    seat_number: int | None = None
    tier_id: int = 0
    status: str = "available"


class _Drawn(msgspec.Struct, frozen=True):
    """A row of `orders.draw_ids`."""

    created_at: datetime
    order_ids: list[int]
    booking_ids: list[int]


class _Stock(msgspec.Struct):
    """What a batch has claimed, and what it has sold of it so far."""

    named: dict[int, _Ticket]
    """The tickets that requests name, whatever their state."""
    seats: dict[str, list[_Ticket]]
    """The seats chosen for a reference."""
    standing: dict[int, list[_Ticket]]
    """The locked tickets of a standing tier, for whoever comes."""
    locked: set[int]
    """Ids of the named and chosen tickets that are locked and available."""
    left: dict[int, int]
    """For a tier whose claims fell short: the tickets left, as committed."""
    sold: set[int] = msgspec.field(default_factory=set)
    """Ids of the tickets that this batch has sold so far."""
    sold_of: Counter[int] = msgspec.field(default_factory=Counter)
    """How many that are of each tier."""

    def sell(self, new: NewOrder, tier: _Tier, tickets: Sequence[_Ticket]) -> None:
        """Take tickets out of what the rest of the batch can get."""
        self.sold.update(ticket.id for ticket in tickets)
        self.sold_of[tier.tier_id] += len(tickets)
        if not new.ticket_ids and not tier.seated:
            del self.standing[tier.tier_id][: len(tickets)]


class _Sale(msgspec.Struct, frozen=True):
    """An order that is about to be recorded."""

    new: NewOrder
    tier: _Tier
    tickets: list[_Ticket]
    outcome: payments.Outcome


async def book_batch(connection: Connection, batch: Sequence[NewOrder], settings: Settings) -> list[Outcome]:
    """Book a batch in one transaction; the outcomes are in its order. References are unique within a batch.

    Raises:
        psycopg.Error: nothing of the batch was done, or, when the connection died, perhaps all of it. Running
            it again is right in both cases, since the references keep it from being done twice.
    """
    async with connection.pipeline(), connection.transaction():
        tiers, drawn, named, decided = await _look_up(connection, batch)
        wanted = [new for new in batch if new.reference not in decided]
        outcomes: dict[str, Outcome] = dict(decided)
        if wanted:
            stock = await _claim(connection, wanted, tiers, named)
            sales: list[_Sale] = []
            for new in wanted:
                tier = tiers[new.event, new.tier]
                tickets = _allot(new, tier, stock)
                if not isinstance(tickets, list):
                    outcomes[new.reference] = tickets
                    continue
                outcome = payments.charge(new.reference, settings.payment_success_rate)
                if outcome == "captured":
                    stock.sell(new, tier, tickets)
                else:
                    tickets = []
                sales.append(_Sale(new, tier, tickets, outcome))
            if sales:
                outcomes |= await _record(connection, sales, drawn)
    return [outcomes[new.reference] for new in batch]


async def _look_up(
    connection: Connection, batch: Sequence[NewOrder]
) -> tuple[dict[tuple[str, str], _Tier], _Drawn, dict[int, _Ticket], dict[str, Decided]]:
    """Queue behind repeats of the batch's references, and read what is known of it, in one round trip.

    Returns the tiers by event and name, new ids, the named tickets, and the requests decided already.
    """
    references = [new.reference for new in batch]
    named_ids = [ticket_id for new in batch for ticket_id in new.ticket_ids]
    statements = [
        Statement(queries.orders.lock_references, {"references": references}),
        Statement(queries.orders.find_orders, {"references": references}, class_row(OrderRow)),
        Statement(
            queries.tiers.find_tiers,
            {"events": [new.event for new in batch], "tiers": [new.tier for new in batch]},
            class_row(_Tier),
        ),
        Statement(
            queries.orders.draw_ids,
            {"orders": len(batch), "bookings": sum(new.quantity for new in batch)},
            class_row(_Drawn),
        ),
    ]
    if named_ids:
        statements.append(Statement(queries.tickets.find_tickets, {"ids": named_ids}, class_row(_Ticket)))
    _, existing, tier_rows, (drawn,), *rest = await run_together(connection, statements)

    events = {row.event for row in tier_rows}
    tiers = {(row.event, row.tier): row for row in tier_rows if row.tier is not None}
    named = {ticket.id: ticket for ticket in rest[0]} if rest else {}
    decided = await _replays(connection, {order.reference: order for order in existing}, batch)
    for new in batch:
        if new.reference not in decided and (error := _refuse_early(new, events, tiers, named)):
            decided[new.reference] = Decided(error)
    return tiers, drawn, named, decided


async def _replays(
    connection: Connection, existing: dict[str, OrderRow], batch: Sequence[NewOrder]
) -> dict[str, Decided]:
    """Answer the requests whose reference has an order already."""
    if not existing:
        return {}
    bookings = await orders.find_bookings(connection, [order.id for order in existing.values()])
    replays = {}
    for new in batch:
        if order := existing.get(new.reference):
            answer: OrderRow | ApiError = order
            if order.request_digest != new.digest:
                answer = KeyReused(f"The key {new.reference} was used for another booking: use a new one.")
            elif order.status == "declined":
                answer = _declined(new.reference)
            replays[new.reference] = Decided(answer, bookings[order.id], replayed=not isinstance(answer, KeyReused))
    return replays


def _declined(reference: str) -> PaymentDeclined:
    return PaymentDeclined("The payment was declined, so nothing was booked.", reference=reference)


def _refuse_early(
    new: NewOrder, events: set[str], tiers: dict[tuple[str, str], _Tier], named: dict[int, _Ticket]
) -> ApiError | None:
    """Refuse what cannot be booked whatever is left."""
    if new.event not in events:
        return UnknownEvent(f"There is no event {new.event!r}.")
    tier = tiers.get((new.event, new.tier))
    if tier is None:
        return UnknownTier(f"The event has no tier {new.tier!r}.")
    if not tier.on_sale:
        window = f"The sale begins at {tier.sales_start_at:%Y-%m-%d %H:%M} UTC"
        if tier.sales_end_at:
            window += f" and ends at {tier.sales_end_at:%Y-%m-%d %H:%M} UTC"
        return NotOnSale(f"{window}.")
    foreign = [i for i in new.ticket_ids if i not in named or named[i].tier_id != tier.tier_id]
    if foreign:
        numbers = ", ".join(map(str, foreign))
        return InvalidRequest(f"not tickets of the tier {new.tier!r}: {numbers}", field="ticketIds")
    return None


async def _claim(
    connection: Connection,
    wanted: Sequence[NewOrder],
    tiers: dict[tuple[str, str], _Tier],
    named: dict[int, _Ticket],
) -> _Stock:
    """Lock tickets for all of `wanted`, and count what is left where they do not suffice."""
    by_tier: dict[int, list[NewOrder]] = defaultdict(list)
    tier_of = {}
    for new in wanted:
        tier = tiers[new.event, new.tier]
        tier_of[tier.tier_id] = tier
        if not new.ticket_ids:
            by_tier[tier.tier_id].append(new)

    stock = _Stock(named=named, seats={}, standing={}, locked=set(), left={})
    standing = [tier_of[tier_id] for tier_id in by_tier if not tier_of[tier_id].seated]
    claims = [
        Statement(
            queries.tickets.claim_standing,
            {
                "tier_id": tier.tier_id,
                "start": random.randint(1, tier.last_position),
                "quantity": sum(new.quantity for new in by_tier[tier.tier_id]),
            },
            class_row(_Ticket),
        )
        for tier in standing
    ]
    for tier, claimed in zip(standing, await run_together(connection, claims), strict=True):
        stock.standing[tier.tier_id] = [ticket for ticket in claimed if ticket.id not in named]
    for tier_id, news in by_tier.items():
        if tier_of[tier_id].seated:
            stock.seats |= await _choose_seats(connection, tier_of[tier_id], news, named)

    await _lock(connection, stock, wanted)
    await _count_left(connection, stock, by_tier)
    return stock


async def _choose_seats(
    connection: Connection, tier: _Tier, news: Sequence[NewOrder], named: Container[int]
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
            class_row(_Ticket),
        )
        (found,) = await run_together(connection, [statement])
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


async def _lock(connection: Connection, stock: _Stock, wanted: Sequence[NewOrder]) -> None:
    """Lock the named and the chosen tickets, as far as they are still free."""
    ids = {ticket_id for new in wanted for ticket_id in new.ticket_ids}
    ids |= {seat.id for seats in stock.seats.values() for seat in seats}
    if ids:
        statement = Statement(queries.tickets.lock_tickets, {"ids": sorted(ids)}, class_row(_Locked))
        (rows,) = await run_together(connection, [statement])
        stock.locked = {row.id for row in rows}


class _Locked(msgspec.Struct, frozen=True):
    """A row of `tickets.lock_tickets`."""

    id: int


class _Left(msgspec.Struct, frozen=True):
    """A row of `tickets.count_available`."""

    tier_id: int
    available: int


async def _count_left(connection: Connection, stock: _Stock, by_tier: dict[int, list[NewOrder]]) -> None:
    """Count what is committed as left in the tiers whose claims fell short."""
    short = []
    for tier_id, news in by_tier.items():
        if tier_id in stock.standing:
            if len(stock.standing[tier_id]) < sum(new.quantity for new in news):
                short.append(tier_id)
        elif any(new.reference not in stock.seats for new in news):
            short.append(tier_id)
    if short:
        statement = Statement(queries.tickets.count_available, {"tier_ids": short}, class_row(_Left))
        (rows,) = await run_together(connection, [statement])
        stock.left = dict.fromkeys(short, 0) | {row.tier_id: row.available for row in rows}


def _allot(new: NewOrder, tier: _Tier, stock: _Stock) -> list[_Ticket] | Outcome:
    """Return the tickets that a request gets, or why it gets none."""
    if new.ticket_ids:
        tickets = [stock.named[ticket_id] for ticket_id in new.ticket_ids]
        gone = [ticket for ticket in tickets if ticket.status != "available" or ticket.id in stock.sold]
        if gone:
            return Decided(_seat_taken(gone))
        return tickets if stock.locked.issuperset(new.ticket_ids) else LookAgain()

    if tier.seated:
        tickets = stock.seats.get(new.reference, [])
        if tickets and not stock.locked.issuperset(seat.id for seat in tickets):
            return LookAgain()
    else:
        tickets = stock.standing[tier.tier_id][: new.quantity]
    return tickets if len(tickets) == new.quantity else _shortage(new, tier, stock)


def _seat_taken(gone: Sequence[_Ticket]) -> SeatTaken:
    names = ", ".join(
        f"row {ticket.row_label} seat {ticket.seat_number}" if ticket.row_label else f"ticket {ticket.id}"
        for ticket in gone
    )
    return SeatTaken(f"Already taken: {names}. Nothing was booked.", ticketIds=[ticket.id for ticket in gone])


def _shortage(new: NewOrder, tier: _Tier, stock: _Stock) -> Outcome:
    """Say that too few are left only if that is true: what others have merely locked is not sold."""
    if tier.tier_id not in stock.left:
        return LookAgain()
    # What this batch itself sells was counted as left, for it is not committed yet.
    left = stock.left[tier.tier_id] - stock.sold_of[tier.tier_id]
    if left >= new.quantity:
        return LookAgain()
    message = f"{new.tier} is sold out." if left == 0 else f"Only {left} of {new.tier} left."
    return Decided(SoldOut(message, available=left))


async def _record(connection: Connection, sales: Sequence[_Sale], drawn: _Drawn) -> dict[str, Outcome]:
    """Write orders, payments and bookings, and mark the tickets as sold, in one round trip."""
    outcomes: dict[str, Outcome] = {}
    booked: list[BookingRow] = []
    order_ids, booking_ids = iter(drawn.order_ids), iter(drawn.booking_ids)
    made: list[OrderRow] = []
    for sale in sales:
        order = OrderRow(
            id=next(order_ids),
            reference=sale.new.reference,
            user_id=sale.new.user_id,
            request_digest=sale.new.digest,
            status="confirmed" if sale.outcome == "captured" else "declined",
            total_minor=sale.new.quantity * sale.tier.price_minor,
            currency=sale.tier.currency,
            created_at=drawn.created_at,
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
            Decided(order, lines) if sale.outcome == "captured" else Decided(_declined(order.reference))
        )
    await run_together(connection, _insertions(sales, made, booked))
    return outcomes


def _insertions(sales: Sequence[_Sale], made: Sequence[OrderRow], booked: Sequence[BookingRow]) -> list[Statement[Any]]:
    order_ids = [order.id for order in made]
    totals_minor = [order.total_minor for order in made]
    currencies = [order.currency for order in made]
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
            },
        ),
        Statement(
            queries.payments.insert_payments,
            {
                "order_ids": order_ids,
                "outcomes": [sale.outcome for sale in sales],
                "amounts_minor": totals_minor,
                "currencies": currencies,
            },
        ),
    ]
    if booked:
        tier_ids = [sale.tier.tier_id for sale in sales for _ in sale.tickets]
        ticket_ids = [booking.ticket_id for booking in booked]
        statements += [
            Statement(
                queries.bookings.insert_bookings,
                {
                    "ids": [booking.id for booking in booked],
                    "order_ids": [booking.order_id for booking in booked],
                    "lines": [booking.line for booking in booked],
                    "ticket_ids": ticket_ids,
                    "tier_ids": tier_ids,
                    "prices_minor": [booking.price_minor for booking in booked],
                },
            ),
            Statement(queries.tickets.sell_tickets, {"ids": sorted(ticket_ids)}, rows=len(ticket_ids)),
        ]
    return statements
