"""Calendar files (RFC 5545) for confirmed orders."""

from collections.abc import Sequence
from datetime import UTC, timedelta

import icalendar

from api.database.pool import Pool
from api.database.session import open_session
from api.services.event_rules import takes_place
from api.services.order_rows import BookingRow, Concert, OrderRow
from api.services.orders import find_concert, find_confirmed

MEDIA_TYPE = "text/calendar"

CONCERT_LASTS = timedelta(hours=3)
"""The length of the calendar entry. Events have no end time."""

_PRODUCT_ID = "-//concert-tickets//EN"


async def write_calendar(pool: Pool, reference: str) -> tuple[str, bytes]:
    """Return the name and the content of an order's calendar file.

    Raises:
        NotFound: no confirmed order has this reference.
    """
    async with open_session(pool) as session:
        order, bookings = await find_confirmed(session, reference)
        concert = await find_concert(session, order.id)
    return f"{concert.slug}.ics", to_calendar(order, bookings, concert)


def to_calendar(order: OrderRow, bookings: Sequence[BookingRow], concert: Concert) -> bytes:
    """Return a calendar with one entry. Its UID is the order's, so a later import replaces an earlier one."""
    entry = icalendar.Event()
    entry.add("uid", f"{order.reference}@concert-tickets")
    entry.add("dtstamp", concert.ordered_at.astimezone(UTC))
    starts_at = concert.starts_at.astimezone(UTC)
    entry.add("dtstart", starts_at)
    entry.add("dtend", starts_at + CONCERT_LASTS)
    entry.add("status", "CONFIRMED" if takes_place(concert) else "CANCELLED")
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
