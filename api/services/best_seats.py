"""The best free seats of a tier: the seats that a buyer would get now, the reason, and alternatives."""

import functools
import itertools
from collections.abc import Sequence

from api import schemas
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import Busy, InvalidRequest, UnknownEvent, UnknownTier
from api.money import to_major
from api.services.bookings.model import Ticket, Tier
from api.services.bookings.quantities import too_many
from api.services.bookings.refusals import TierStock, refuse_closed_sale, refuse_shortage
from api.services.bookings.seat_search import SeatSearch
from api.services.bookings.seating import SeatRows
from api.services.order_rules import OrderRules

_CHOICES = ("seats", "first alternative", "second alternative")
"""The seats that a buyer would get, and the ones that the next two buyers would get after that."""


async def find_best(
    pool: Pool, search: SeatSearch, defaults: OrderRules, event: str, tier: str, quantity: int
) -> schemas.BestSeats:
    """Return the best free seats of a tier and two alternatives. A standing tier has none.

    `defaults` are the rules of events without their own.

    Raises:
        InvalidRequest: an order cannot have as many tickets of the tier.
        UnknownEvent: no event has this slug.
        UnknownTier: the event has no tier with this name.
        NotOnSale: the sale has not begun or has ended.
        SoldOut: too few tickets are left.
        AllHeld: other buyers hold some of the last tickets.
        Busy: transactions of other buyers have locked some of the last tickets.
    """
    async with open_session(pool) as session:
        found = await _find_tier(session, defaults, event, tier)
        if fault := too_many(quantity, found.rules, found.tier):
            raise InvalidRequest(fault, field="quantity")
        if not found.seated:
            await _check_stock(session, found, quantity)
            return schemas.BestSeats(seats=None, alternatives=[])
        choices = await search.choose(session, found, dict.fromkeys(_CHOICES, quantity))
        if not choices:
            await _check_stock(session, found, quantity)
            raise Busy("overload")
        rows = await search.rows_of(session, found)
    seats, *alternatives = [_describe(choices[key], found, rows) for key in _CHOICES if key in choices]
    return schemas.BestSeats(seats=seats, alternatives=alternatives)


async def _find_tier(session: Session, defaults: OrderRules, event: str, tier: str) -> Tier:
    """Return a tier that is on sale."""
    parameters = {"events": [event], "tiers": [tier], "ticket_ids": []}
    of_columns = functools.partial(Tier.of_columns, defaults)
    found = await session.run(Statement(queries.tiers.find_tiers, parameters, of_columns))
    if not found:
        raise UnknownEvent(event)
    if found[0].tier is None:
        raise UnknownTier(tier)
    if error := refuse_closed_sale(found[0]):
        raise error
    return found[0]


async def _check_stock(session: Session, tier: Tier, quantity: int) -> None:
    """Check that the committed stock of a tier suffices."""
    counted = await session.run(Statement(queries.tickets.count_left, {"tier_ids": [tier.tier_id]}, TierStock))
    if error := refuse_shortage(tier, quantity, counted[0]):
        raise error


def _describe(seats: Sequence[Ticket], tier: Tier, rows: SeatRows) -> schemas.SeatChoice:
    """Return chosen seats with the reason for their choice."""
    labels = [str(seat.row_label) for seat in seats]
    numbers = [seat.seat_number or 0 for seat in seats]
    positions = [seat.position for seat in seats]
    zone = rows.zone(positions)
    together = positions[-1] - positions[0] == len(positions) - 1
    by_row = [
        f"row {label}, {_join([number for _, number in group], together=together)}"
        for label, group in itertools.groupby(zip(labels, numbers, strict=True), key=lambda seat: seat[0])
    ]
    return schemas.SeatChoice(
        ticket_ids=[seat.id for seat in seats],
        rows=labels,
        numbers=numbers,
        row=labels[0] if len(by_row) == 1 else None,
        zone=zone,
        together=together,
        reason=", ".join(
            [
                "; ".join(by_row),
                *([zone] if zone else []),
                *(["together" if together else "separate"] * (len(seats) > 1)),
            ]
        ),
        total=to_major(len(seats) * tier.price_minor, tier.currency),
        currency=tier.currency,
    )


def _join(numbers: Sequence[int], *, together: bool) -> str:
    """Return the numbers of seats in one row as a text, such as 9-10 or 3 and 7."""
    if together and len(numbers) > 1:
        return f"{min(numbers)}-{max(numbers)}"
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
