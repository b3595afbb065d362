"""The image of a ticket's code, and the calendar file of an order."""

from datetime import timedelta

import icalendar
import psycopg
import pytest

from api.__main__ import main
from api.config import Settings
from api.secret import load_or_create_secret
from api.services import codes
from api.settings.secrets import TICKET_SECRET
from tests.acceptance.system import Buyer, assert_problem
from tests.stack import Stack


def test_each_ticket_of_a_confirmed_booking_has_the_image_of_its_code(
    stack: Stack, buyer: Buyer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order = buyer.booked(tier="VIP", quantity=2)
    settings = Settings.from_env(stack.environment)
    secret = load_or_create_secret(settings, TICKET_SECRET)
    monkeypatch.setenv("DATABASE_URL", stack.database_url)
    monkeypatch.setenv("DATA_DIR", stack.environment["DATA_DIR"])
    for number, line in enumerate(order["bookings"], start=1):
        response = buyer.client.get(f"/api/bookings/{order['reference']}/tickets/{number}.svg")
        code = codes.sign(secret, line["id"], line["bookingReference"])
        assert (response.status_code, response.content) == (200, codes.draw(code))
        assert response.headers["Content-Type"] == "image/svg+xml"
        assert response.headers["Cache-Control"] == "no-store"
        assert main(["check", code]) == 0
        printed = capsys.readouterr().out
        assert line["bookingReference"] in printed
        assert f"row {line['row']}, seat {line['seat']}" in printed


@pytest.mark.parametrize("file", ["0.svg", "3.svg", "01.svg", "-1.svg", "100000.svg", "1", "1.png", "1.svg.svg", "%31"])
def test_a_ticket_outside_a_booking_has_no_image(buyer: Buyer, file: str) -> None:
    order = buyer.booked(quantity=2)
    assert_problem(buyer.client.get(f"/api/bookings/{order['reference']}/tickets/{file}"), 404, "not_found")


def test_a_confirmed_booking_has_a_calendar_file(buyer: Buyer) -> None:
    order = buyer.booked(tier="VIP", quantity=2)
    response = buyer.client.get(f"/api/bookings/{order['reference']}/calendar.ics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{buyer.event}.ics"'
    (entry,) = icalendar.Calendar.from_ical(response.content).walk("VEVENT")
    assert entry["UID"] == f"{order['reference']}@concert-tickets"
    for line in order["bookings"]:
        assert f"row {line['row']} seat {line['seat']}" in str(entry["DESCRIPTION"])


def test_a_calendar_file_follows_the_changes_of_its_event(buyer: Buyer, stack: Stack) -> None:
    reference = buyer.booked()["reference"]

    def entry() -> icalendar.Event:
        body = buyer.client.get(f"/api/bookings/{reference}/calendar.ics").content
        (event,) = icalendar.Calendar.from_ical(body).walk("VEVENT")
        assert isinstance(event, icalendar.Event)
        assert str(event["URL"]).endswith(f"/booking/{reference}")
        return event

    entries = [entry()]
    for change in (
        "starts_at = starts_at + interval '1 day', ends_at = starts_at + interval '27 hours'",
        "address = '1 Pier Road'",
        "cancelled_at = now()",
    ):
        with psycopg.connect(stack.database_url) as conn:
            conn.execute(f"update events set {change} where slug = %s".encode(), [buyer.event])  # noqa: S608
        entries.append(entry())
        assert entries[-1]["UID"] == entries[-2]["UID"]
        assert entries[-1].sequence == entries[-2].sequence + 1
        assert entries[-1].DTSTAMP >= entries[-2].DTSTAMP
    assert "DTEND" not in entries[0]
    assert entries[1].end - entries[1].start == timedelta(hours=3)
    assert entries[2]["LOCATION"] == "Harbour Hall, 1 Pier Road"
    assert [each["STATUS"] for each in entries] == [*(["CONFIRMED"] * 3), "CANCELLED"]


@pytest.mark.parametrize("path", ["tickets/1.svg", "calendar.ics", "tickets.pdf"])
def test_an_unconfirmed_booking_has_no_codes_and_no_calendar_file(
    buyer: Buyer, declined_buyer: Buyer, path: str
) -> None:
    reference = buyer.booked()["reference"]
    assert buyer.client.get(f"/api/bookings/{reference}/{path}").status_code == 200
    buyer.client.post(f"/api/bookings/{reference}/cancel", json={"userId": "user-123"})
    declined_buyer.book(key=f"nothing-{path.replace('/', '-')}")
    for client, address in (
        (buyer.client, f"/api/bookings/{reference}/{path}"),
        (declined_buyer.client, f"/api/bookings/nothing-{path.replace('/', '-')}/{path}"),
        (buyer.client, f"/api/bookings/bk_nobody-has-this/{path}"),
        (buyer.client, f"/api/bookings/not%20a%20reference/{path}"),
    ):
        assert_problem(client.get(address), 404, "not_found")
