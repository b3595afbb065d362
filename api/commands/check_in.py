"""`python -m api check`: checks at the entrance whether a ticket's code is genuine and the ticket valid."""

from datetime import datetime

import msgspec
from psycopg.rows import class_row

from api.database import queries
from api.database.migrations import connect, unlimited_transaction
from api.services import codes
from api.services.order_rows import ticket_reference


class ScanResult(msgspec.Struct, frozen=True):
    """A row of `bookings.find_scanned_ticket`."""

    reference: str
    line: int
    status: str
    user_id: str
    slug: str
    event: str
    """The event's name."""
    starts_at: datetime
    """In the venue's time zone."""
    takes_place: bool
    """False if the event is cancelled."""
    event_valid: bool
    """False if the event is cancelled or over."""
    returned: bool
    """True if the ticket was returned by itself."""
    tier: str
    row_label: str | None
    seat_number: int | None
    valid: bool
    """True if the order is confirmed with the ticket, and the event neither cancelled nor over."""

    @property
    def ticket(self) -> str:
        """Return the ticket's own reference."""
        return ticket_reference(self.reference, self.line)


def scan(conninfo: str, secret: str, code: str, *, admission_hours: int) -> ScanResult | None:
    """Return the ticket of a code; None if the code is not genuine. `admission_hours` is the setting."""
    code = codes.normal(code)
    booking_id = codes.booking_id_of(code)
    if booking_id is None:
        return None
    with connect(conninfo) as connection, unlimited_transaction(connection):
        cursor = connection.cursor(row_factory=class_row(ScanResult))
        parameters = {"booking_id": booking_id, "admission_hours": admission_hours}
        found = cursor.execute(queries.bookings.find_scanned_ticket.sql, parameters).fetchone()
    return found if found and codes.is_genuine(secret, code, booking_id, found.ticket) else None


def refusal(found: ScanResult | None, event: str | None) -> str | None:
    """Return the reason for the refusal of a ticket at the entrance of an event; None if it is valid.

    `event` is the slug of that event; None accepts any event.
    """
    if found is None:
        return "not a code of this box office"
    if event not in (None, found.slug):
        return f"the ticket is for {found.event}, on {found.starts_at:%Y-%m-%d %H:%M}"
    if found.valid:
        return None
    if not found.takes_place:
        return "the event is cancelled"
    if found.returned:
        return "the ticket was returned"
    return f"the booking is {found.status}" if found.event_valid else "the event is over"


def report(found: ScanResult | None, event: str | None = None) -> str:
    """Describe a scan for the person at the entrance of an event; see `refusal`."""
    reason = refusal(found, event)
    verdict = f"REFUSED: {reason}." if reason else "ADMIT"
    if found is None:
        return verdict
    seat = f", row {found.row_label}, seat {found.seat_number}" if found.row_label else ""
    return "\n".join(
        (
            verdict,
            f"  ticket  {found.ticket}",
            f"  place   {found.tier}{seat}",
            f"  buyer   {found.user_id}",
            f"  event   {found.event}, {found.starts_at:%Y-%m-%d %H:%M}",
        )
    )
