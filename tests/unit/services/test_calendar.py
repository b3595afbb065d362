"""The calendar file of an order: one entry with the correct time, which a second import does not duplicate."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import icalendar
import pytest

from api.services.calendar import CONCERT_LASTS, to_calendar
from api.services.order_rows import BookingRow, Concert, OrderRow

STARTS_AT = datetime(2027, 6, 18, 20, 0, tzinfo=UTC)
ORDERED_AT = datetime(2026, 11, 24, 10, 0, 5, 123456, tzinfo=UTC)


def concert(**changes: Any) -> Concert:
    values: dict[str, Any] = {
        "slug": "aurora-sessions",
        "name": "Aurora Sessions",
        "venue": "Harbour Hall",
        "ordered_at": ORDERED_AT,
        "sales_start_at": ORDERED_AT,
        "sales_end_at": None,
        "starts_at": STARTS_AT,
        "ends_at": None,
        "cancelled_at": None,
        "read_at": ORDERED_AT,
    }
    return Concert(**values | changes)


def order(reference: str = "bk_1") -> OrderRow:
    return OrderRow(
        id=1,
        reference=reference,
        user_id="u",
        request_digest=b"",
        status="confirmed",
        total_minor=200,
        currency="USD",
        created_at=ORDERED_AT,
        expires_at=None,
        payment="captured",
        event="aurora-sessions",
        paid_late=False,
    )


def booking(line: int, tier: str = "VIP", row: str | None = "A", seat: int | None = None) -> BookingRow:
    return BookingRow(
        id=line,
        order_id=1,
        line=line,
        ticket_id=line,
        tier=tier,
        price_minor=100,
        row_label=row,
        seat_number=line if seat is None and row else seat,
        created_at=ORDERED_AT,
    )


def entry_of(body: bytes) -> icalendar.Event:
    (entry,) = icalendar.Calendar.from_ical(body).walk("VEVENT")
    assert isinstance(entry, icalendar.Event)
    return entry


def test_the_file_has_the_exact_content_of_a_calendar() -> None:
    body = to_calendar(order(), [booking(1), booking(2)], concert())
    assert sorted(body.decode().split("\r\n")) == sorted(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//concert-tickets//EN",
            "BEGIN:VEVENT",
            "UID:bk_1@concert-tickets",
            "DTSTAMP:20261124T100005Z",
            "DTSTART:20270618T200000Z",
            "DTEND:20270618T230000Z",
            "STATUS:CONFIRMED",
            "SUMMARY:Aurora Sessions",
            "LOCATION:Harbour Hall",
            "DESCRIPTION:Booking bk_1\\n2 x VIP: row A seat 1\\, row A seat 2",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


def test_a_cancelled_event_has_a_cancelled_entry() -> None:
    entry = entry_of(to_calendar(order(), [booking(1)], concert(cancelled_at=ORDERED_AT)))
    assert entry["STATUS"] == "CANCELLED"


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=3, minutes=30))])
def test_the_time_is_in_utc_for_every_session_time_zone(zone: timezone) -> None:
    body = to_calendar(order(), [booking(1)], concert(starts_at=STARTS_AT.astimezone(zone)))
    assert b"DTSTART:20270618T200000Z\r\n" in body
    assert entry_of(body).end - entry_of(body).start == CONCERT_LASTS


def test_an_order_has_one_entry_and_another_order_another() -> None:
    bookings = [booking(1)]
    assert to_calendar(order(), bookings, concert()) == to_calendar(order(), bookings, concert())
    uids = {entry_of(to_calendar(order(each), bookings, concert()))["UID"] for each in ("a", "b", "a")}
    assert len(uids) == 2


def test_standing_tickets_appear_as_a_number() -> None:
    entry = entry_of(to_calendar(order(), [booking(line, "GA", row=None) for line in (1, 2, 3)], concert()))
    assert entry["DESCRIPTION"] == "Booking bk_1\n3 x GA"


@pytest.mark.parametrize("text", ["Zoë; Søn, \\ & more", "票" * 200, "END:VEVENT", 'say "hi": now', "a" * 200])
def test_names_are_preserved_and_lines_are_folded(text: str) -> None:
    body = to_calendar(order(), [booking(1, tier=text[:100])], concert(name=text, venue=text))
    entry = entry_of(body)
    assert (entry["SUMMARY"], entry["LOCATION"]) == (text, text)
    assert text[:100] in str(entry["DESCRIPTION"])
    assert max(len(line) for line in body.split(b"\r\n")) <= 75
