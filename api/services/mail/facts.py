"""The state of an order as e-mails and printed tickets describe it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import NotFound
from api.services.access import Access
from api.services.codes import sign
from api.services.event_rules import takes_place
from api.services.mail.texts import Texts
from api.services.order_rows import BookingRow, OrderEvent, OrderRow, ticket_reference
from api.services.orders import find_bookings, find_event, find_order, select_orders, with_refunds


class Occasion(msgspec.Struct, frozen=True):
    """A row of `messages.find_occasion` or `event_changes.find_details`. The times are local times of the venue."""

    name: str
    venue: str
    address: str | None
    starts_at: datetime
    doors_at: datetime | None
    expires_at: datetime | None
    time_zone: str = "UTC"


class Facts(msgspec.Struct, frozen=True):
    """The state of an order that a message describes."""

    order: OrderRow
    """The order with its refunds."""
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
        (order,) = await with_refunds(session, await session.run(select_orders([found[0].reference])))
        return await _read_facts(session, order)


async def find_details_before(pool: Pool, message_id: int) -> Occasion | None:
    """Return the details of an event before the change that a message announces; None: the message announces none."""
    parameters = {"message_id": message_id}
    async with open_session(pool) as session:
        found = await session.run(Statement(queries.event_changes.find_details, parameters, Occasion))
    return found[0] if found else None


async def find_valid_tickets(pool: Pool, reference: str, access: Access) -> Facts:
    """Return the state of an order with valid tickets.

    Raises:
        NotFound: the request may not access the order, the order is not confirmed, or its event is cancelled.
    """
    async with open_session(pool) as session:
        order, _ = await find_order(session, reference, access)
        facts = await _read_facts(session, order)
    if order.status != "confirmed" or not takes_place(facts.event):
        raise NotFound(f"valid ticket of booking {reference}")
    return facts


async def _read_facts(session: Session, order: OrderRow) -> Facts:
    (occasion,) = await session.run(Statement(queries.messages.find_occasion, {"order_id": order.id}, Occasion))
    event = await find_event(session, order.id)
    bookings = (await find_bookings(session, [order.id]))[order.id]
    kept = [each for each in bookings if order.status != "confirmed" or each.returned_at is None]
    return Facts(order, kept, event, occasion)


def codes_of(facts: Facts, ticket_secret: str) -> list[str]:
    """Return the codes of the tickets; `ticket_secret` is the text of `TICKET_SECRET`."""
    return [
        sign(ticket_secret, booking.id, ticket_reference(facts.order.reference, booking.line))
        for booking in facts.bookings
    ]


def place_of(booking: BookingRow, texts: Texts) -> str:
    """Return the tier and the seat of a ticket. Each name has its own direction."""
    tier = texts.isolated(booking.tier)
    if booking.row_label is None:
        return tier
    row, seat = texts.isolated(booking.row_label), str(booking.seat_number)
    return texts.get("ticket.seat", tier=tier, row=row, seat=seat)
