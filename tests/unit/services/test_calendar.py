"""The calendar file of an order: one entry with the correct time, which a second import does not duplicate."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import icalendar
import pytest

from api.services import calendar
from api.services.calendar import ALARM_BEFORE
from api.services.order_rows import BookingRow, OrderEvent, OrderRow

STARTS_AT = datetime(2027, 6, 18, 20, 0, tzinfo=UTC)
ORDERED_AT = datetime(2026, 11, 24, 10, 0, 5, 123456, tzinfo=UTC)
PAGE = "http://localhost:3000/booking/bk_1"


def to_calendar(order: OrderRow, bookings: Sequence[BookingRow], event: OrderEvent) -> bytes:
    return calendar.to_calendar(order, bookings, event, PAGE)


def event(**changes: Any) -> OrderEvent:
    values: dict[str, Any] = {
        "slug": "aurora-sessions",
        "name": "Aurora Sessions",
        "venue": "Harbour Hall",
        "address": None,
        "updated_at": ORDERED_AT - timedelta(days=3),
        "revision": 4,
        "ordered_at": ORDERED_AT,
        "sales_start_at": ORDERED_AT,
        "sales_end_at": None,
        "starts_at": STARTS_AT,
        "ends_at": None,
        "cancelled_at": None,
        "read_at": ORDERED_AT,
    }
    return OrderEvent(**values | changes)


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
    body = to_calendar(order(), [booking(1), booking(2)], event())
    assert sorted(body.decode().split("\r\n")) == sorted(
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//concert-tickets//EN",
            "BEGIN:VEVENT",
            "UID:bk_1@concert-tickets",
            "DTSTAMP:20261124T100005Z",
            "LAST-MODIFIED:20261124T100005Z",
            "SEQUENCE:4",
            "DTSTART:20270618T200000Z",
            "STATUS:CONFIRMED",
            "SUMMARY:Aurora Sessions",
            "LOCATION:Harbour Hall",
            "DESCRIPTION:Booking bk_1\\n2 x VIP: row A seat 1\\, row A seat 2\\nhttp://loc",
            " alhost:3000/booking/bk_1",
            "URL:http://localhost:3000/booking/bk_1",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "DESCRIPTION:Aurora Sessions",
            "TRIGGER:-PT2H",
            "END:VALARM",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ]
    )


def test_a_cancelled_event_has_a_cancelled_entry() -> None:
    entry = entry_of(to_calendar(order(), [booking(1)], event(cancelled_at=ORDERED_AT)))
    assert entry["STATUS"] == "CANCELLED"
    assert entry.walk("VALARM") == []


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=3, minutes=30))])
def test_the_time_is_in_utc_for_every_session_time_zone(zone: timezone) -> None:
    body = to_calendar(order(), [booking(1)], event(starts_at=STARTS_AT.astimezone(zone)))
    assert b"DTSTART:20270618T200000Z\r\n" in body
    assert entry_of(body).start == STARTS_AT


def test_an_entry_ends_only_if_the_event_announces_an_end() -> None:
    unknown = entry_of(to_calendar(order(), [booking(1)], event()))
    assert not {"DTEND", "DURATION"} & unknown.keys()
    ends_at = STARTS_AT + timedelta(hours=2, minutes=10)
    known = entry_of(to_calendar(order(), [booking(1)], event(ends_at=ends_at)))
    assert known.end == ends_at


def test_a_change_of_the_event_makes_a_newer_entry() -> None:
    first = entry_of(to_calendar(order(), [booking(1)], event()))
    changed_at = ORDERED_AT + timedelta(days=9)
    second = entry_of(to_calendar(order(), [booking(1)], event(revision=5, updated_at=changed_at)))
    assert second["UID"] == first["UID"]
    assert second.sequence > first.sequence
    assert second.DTSTAMP == second.LAST_MODIFIED == changed_at.replace(microsecond=0)
    assert second.DTSTAMP > first.DTSTAMP


def test_an_entry_has_the_address_a_link_and_an_alarm() -> None:
    entry = entry_of(to_calendar(order(), [booking(1)], event(address="1 Quay; Pier 2, New York")))
    assert entry["LOCATION"] == "Harbour Hall, 1 Quay; Pier 2, New York"
    assert entry["URL"] == PAGE
    (alarm,) = entry.walk("VALARM")
    assert isinstance(alarm, icalendar.Alarm)
    assert alarm.TRIGGER == -ALARM_BEFORE


def test_an_order_has_one_entry_and_another_order_another() -> None:
    bookings = [booking(1)]
    assert to_calendar(order(), bookings, event()) == to_calendar(order(), bookings, event())
    uids = {entry_of(to_calendar(order(each), bookings, event()))["UID"] for each in ("a", "b", "a")}
    assert len(uids) == 2


def test_standing_tickets_appear_as_a_number() -> None:
    entry = entry_of(to_calendar(order(), [booking(line, "GA", row=None) for line in (1, 2, 3)], event()))
    assert entry["DESCRIPTION"] == f"Booking bk_1\n3 x GA\n{PAGE}"


@pytest.mark.parametrize("text", ["Zoë; Søn, \\ & more", "票" * 200, "END:VEVENT", 'say "hi": now', "a" * 200])
def test_names_are_preserved_and_lines_are_folded(text: str) -> None:
    body = to_calendar(order(), [booking(1, tier=text[:100])], event(name=text, venue=text))
    entry = entry_of(body)
    assert (entry["SUMMARY"], entry["LOCATION"]) == (text, text)
    assert text[:100] in str(entry["DESCRIPTION"])
    assert max(len(line) for line in body.split(b"\r\n")) <= 75
