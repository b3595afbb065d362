"""The state of an order as e-mails and printed tickets describe it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.services.codes import sign
from api.services.mail.texts import Texts
from api.services.order_rows import BookingRow, OrderEvent, OrderRow, ticket_reference
from api.services.orders import find_bookings, find_event, select_orders


class Occasion(msgspec.Struct, frozen=True):
    """A row of `messages.find_occasion`. The times are local times of the venue."""

    name: str
    venue: str
    address: str | None
    starts_at: datetime
    doors_at: datetime | None
    expires_at: datetime | None


class Facts(msgspec.Struct, frozen=True):
    """The state of an order that a message describes."""

    order: OrderRow
    bookings: Sequence[BookingRow]
    """The bookings; of a confirmed order without the returned ones."""
    event: OrderEvent
    occasion: Occasion


class _Reference(msgspec.Struct, frozen=True):
    reference: str


async def find_facts(pool: Pool, order_id: int) -> Facts | None:
    """Return the present state of an order; None if it was purged."""
    async with open_session(pool) as session:
        found = await session.run(Statement(queries.messages.find_reference, {"order_id": order_id}, _Reference))
        if not found:
            return None
        pipeline = session.pipeline()
        orders = pipeline.add(select_orders([found[0].reference]))
        occasions = pipeline.add(Statement(queries.messages.find_occasion, {"order_id": order_id}, Occasion))
        await pipeline.run()
        event = await find_event(session, order_id)
        bookings = await find_bookings(session, [order_id])
    order = orders.rows[0]
    kept = [each for each in bookings[order_id] if order.status != "confirmed" or each.returned_at is None]
    return Facts(order, kept, event, occasions.rows[0])


def codes_of(facts: Facts, ticket_secret: str) -> list[str]:
    """Return the codes of the tickets; `ticket_secret` is the text of `TICKET_SECRET`."""
    return [
        sign(ticket_secret, booking.id, ticket_reference(facts.order.reference, booking.line))
        for booking in facts.bookings
    ]


def place_of(booking: BookingRow, texts: Texts) -> str:
    """Return the tier and the seat of a ticket."""
    if booking.row_label is None:
        return booking.tier
    return texts.get("ticket.seat", tier=booking.tier, row=booking.row_label, seat=str(booking.seat_number))
