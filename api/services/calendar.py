"""Calendar files (RFC 5545) for confirmed orders."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import icalendar
import msgspec

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.services.order_rows import BookingRow, OrderRow
from api.services.orders import find_confirmed

MEDIA_TYPE = "text/calendar"

CONCERT_LASTS = timedelta(hours=3)
"""The length of the calendar entry. Events have no end time."""

_PRODUCT_ID = "-//concert-tickets//EN"


class Concert(msgspec.Struct, frozen=True):
    """A row of `orders.find_concert`."""

    slug: str
    name: str
    venue: str
    starts_at: datetime
    ordered_at: datetime


async def write_calendar(pool: Pool, reference: str) -> tuple[str, bytes]:
    """Return the name and the content of an order's calendar file.

    Raises:
        NotFound: no confirmed order has this reference.
    """
    async with open_session(pool) as session:
        order, bookings = await find_confirmed(session, reference)
        statement = Statement(queries.orders.find_concert, {"order_id": order.id}, Concert)
        (concert,) = await session.run(statement)
    return f"{concert.slug}.ics", to_calendar(order, bookings, concert)


def to_calendar(order: OrderRow, bookings: Sequence[BookingRow], concert: Concert) -> bytes:
    """Return a calendar with one entry. Its UID is the order's, so a later import replaces an earlier one."""
    entry = icalendar.Event()
    entry.add("uid", f"{order.reference}@concert-tickets")
    entry.add("dtstamp", concert.ordered_at.astimezone(UTC))
    starts_at = concert.starts_at.astimezone(UTC)
    entry.add("dtstart", starts_at)
    entry.add("dtend", starts_at + CONCERT_LASTS)
    entry.add("summary", concert.name)
    entry.add("location", concert.venue)
    entry.add("description", f"Booking {order.reference}\n{_seats(bookings)}")
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT_ID)
    calendar.add("version", "2.0")
    calendar.add_component(entry)
    content: bytes = calendar.to_ical()
    return content


def _seats(bookings: Sequence[BookingRow]) -> str:
    """Describe the tickets, which are of one tier: their number, tier and seats."""
    seats = ", ".join(f"row {each.row_label} seat {each.seat_number}" for each in bookings if each.row_label)
    return f"{len(bookings)} x {bookings[0].tier}{f': {seats}' if seats else ''}"
