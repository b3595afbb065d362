"""Calendar files (RFC 5545) for confirmed orders."""

from collections.abc import Sequence
from datetime import UTC, timedelta

import icalendar

from api.database.pool import Pool
from api.database.session import open_session
from api.services.access import Access
from api.services.event_rules import takes_place
from api.services.order_rows import BookingRow, OrderEvent, OrderRow
from api.services.orders import find_confirmed, find_event

MEDIA_TYPE = "text/calendar"

ALARM_BEFORE = timedelta(hours=2)
"""The time from the entry's alarm to the start of the event."""

_PRODUCT_ID = "-//concert-tickets//EN"


async def write_calendar(pool: Pool, reference: str, web_url: str, access: Access) -> tuple[str, bytes]:
    """Return the name and the content of an order's calendar file. `web_url` is the address of the web app.

    Raises:
        NotFound: no confirmed order that the request may access has this reference.
    """
    async with open_session(pool) as session:
        order, bookings = await find_confirmed(session, reference, access)
        event = await find_event(session, order.id)
    return f"{event.slug}.ics", to_calendar(order, bookings, event, f"{web_url}/booking/{reference}")


def to_calendar(order: OrderRow, bookings: Sequence[BookingRow], event: OrderEvent, page: str) -> bytes:
    """Return a calendar with one entry. `page` is the address of the order's page.

    Calendars replace an entry by one with the same UID and a higher SEQUENCE. Each change of the event raises it.
    """
    entry = icalendar.Event()
    entry.add("uid", f"{order.reference}@concert-tickets")
    changed_at = max(event.ordered_at, event.updated_at).astimezone(UTC)
    entry.add("dtstamp", changed_at)
    entry.add("last-modified", changed_at)
    entry.add("sequence", event.revision)
    entry.add("dtstart", event.starts_at.astimezone(UTC))
    if event.ends_at:
        entry.add("dtend", event.ends_at.astimezone(UTC))
    entry.add("status", "CONFIRMED" if takes_place(event) else "CANCELLED")
    entry.add("summary", event.name)
    entry.add("location", ", ".join(filter(None, (event.venue, event.address))))
    entry.add("description", f"Booking {order.reference}\n{_seats(bookings)}\n{page}")  # Some calendars omit the URL.
    entry.add("url", page)
    if takes_place(event):
        entry.add_component(_alarm(event))
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT_ID)
    calendar.add("version", "2.0")
    calendar.add_component(entry)
    content: bytes = calendar.to_ical()
    return content


def _alarm(event: OrderEvent) -> icalendar.Alarm:
    alarm = icalendar.Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("trigger", -ALARM_BEFORE)
    alarm.add("description", event.name)
    return alarm


def _seats(bookings: Sequence[BookingRow]) -> str:
    """Describe the tickets, which are of one tier: their number, tier and seats."""
    seats = ", ".join(f"row {each.row_label} seat {each.seat_number}" for each in bookings if each.row_label)
    return f"{len(bookings)} x {bookings[0].tier}{f': {seats}' if seats else ''}"
