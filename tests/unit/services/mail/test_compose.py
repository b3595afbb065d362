"""The composition of e-mails: the facts of the order in text and HTML, and no reference to another host."""

import base64
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any, get_args

import icalendar
import msgspec
import pytest

from api.schemas import Locale
from api.services.access import Access, link_secret
from api.services.codes import is_genuine
from api.services.mail.compose import Sender, compose, is_true
from api.services.mail.facts import Facts, Occasion
from api.services.mail.outbox import NOTICES, Claimed, Kind
from api.services.mail.texts import load
from api.services.order_rows import BookingRow, OrderEvent, OrderRow

LOCALES: tuple[Locale, ...] = get_args(Locale)
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind not in {"links", "sign_in", *NOTICES})
"""The messages about one order."""
NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
SECRET = base64.b64encode(bytes(range(24))).decode()
SENDER = Sender("tickets@example.org", "https://tickets.example.org", f"acsec_{SECRET}", f"tksec_{SECRET}")
YESTERDAY = NOW - timedelta(days=1)
CANCELLED = {"cancelled_at": YESTERDAY, "revision": 4}
"""The changes of an event by its cancellation."""
ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
STATUSES: dict[Kind, tuple[str, str]] = {
    "held": ("pending", "pending"),
    "confirmed": ("confirmed", "captured"),
    "declined": ("declined", "declined"),
    "expired": ("expired", "pending"),
    "cancelled": ("cancelled", "refunding"),
    "event_cancelled": ("cancelled", "refunding"),
    "event_changed": ("confirmed", "captured"),
    "returned": ("confirmed", "captured"),
    "refunded": ("cancelled", "refunded"),
}

EARLIER = Occasion("Aurora", "Old Mill", None, datetime(2027, 6, 17, 20, 30), None, None)  # noqa: DTZ001 - a local time
"""The details of the event before a change."""


def facts(kind: Kind = "confirmed", **changes: Any) -> Facts:
    """Return an order of two seats and a standing ticket; `changes` are those of its event."""
    status, payment = STATUSES[kind]
    order = OrderRow(
        id=1,
        reference="bk:1+a",
        user_id="u",
        request_digest=b"",
        status=status,
        total_minor=22_050,
        currency="USD",
        created_at=NOW,
        expires_at=NOW,
        payment=payment,
        event="aurora-sessions",
        paid_late=False,
    )
    seats = [("VIP", "A", 17), ("VIP", "A", 18), ("GA", None, None)]
    bookings = [
        BookingRow(
            id=100 + line,
            order_id=1,
            line=line,
            ticket_id=line,
            tier=tier,
            price_minor=7350,
            row_label=row,
            seat_number=seat,
            created_at=NOW,
        )
        for line, (tier, row, seat) in enumerate(seats, start=1)
    ]
    times: dict[str, Any] = {
        "sales_start_at": NOW,
        "sales_end_at": None,
        "starts_at": NOW + timedelta(days=200),
        "ends_at": None,
        "cancelled_at": None,
        "read_at": NOW,
    }
    name = changes.pop("name", "Aurora <Sessions> & Friends")
    event = OrderEvent(
        slug="aurora-sessions",
        name=name,
        venue="Harbour Hall",
        address="Pier 4",
        updated_at=NOW,
        ordered_at=NOW,
        **{"revision": 3} | times | changes,
    )
    local = datetime(2027, 6, 18, 20, 30)  # noqa: DTZ001 - a local time
    return Facts(order, bookings, event, Occasion(name, "Harbour Hall", "Pier 4", local, local, local))


def message(kind: Kind = "confirmed", locale: Locale = "en", **changes: Any) -> Claimed:
    values: dict[str, Any] = {
        "id": 1,
        "kind": kind,
        "order_id": 1,
        "recipient": "ann@example.org",
        "locale": locale,
        "message_id": "<7@tickets.example.org>",
        "attempts": 1,
        "is_old": False,
    }
    return Claimed(**values | changes)


def sent(mail: EmailMessage) -> EmailMessage:
    """Return a message as its receiver parses it."""
    parsed = message_from_bytes(mail.as_bytes(), policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


class VisibleText(HTMLParser):
    """Collects the text and the addresses of an HTML document."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "background")]

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def parsed_html(mail: EmailMessage) -> VisibleText:
    parser = VisibleText()
    parser.feed(body(mail, "html"))
    return parser


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_message_refers_to_the_web_app_only_and_has_no_script(kind: Kind, locale: Locale) -> None:
    mail = sent(compose(message(kind, locale), facts(kind), SENDER, NOW))
    html = parsed_html(mail)
    link = f"https://tickets.example.org/booking/bk%3A1%2Ba#{link_secret(SENDER.access_secret, 'bk:1+a')}"
    assert {address for address in html.addresses if not address.startswith("cid:")} == {link}
    assert ADDRESS.findall(body(mail, "html").replace("&amp;", "&")) == [link]
    assert ADDRESS.findall(body(mail, "plain")) == [link]
    assert html.tags.isdisjoint({"script", "link", "iframe", "form", "object", "embed", "base"})


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_have_the_facts_of_the_order(kind: Kind, locale: Locale) -> None:
    mail = sent(compose(message(kind, locale), facts(kind), SENDER, NOW))
    direction = "rtl" if locale == "ar" else "ltr"
    assert f'<html lang="{locale}" dir="{direction}">' in body(mail, "html")
    assert mail["Content-Language"] == locale
    for text in (body(mail, "plain"), parsed_html(mail).text):
        for fact in (
            "Aurora <Sessions> & Friends",
            "Harbour Hall, Pier 4",
            "220",
            "bk:1+a",
            "XZ9J-GVWA",
            "VIP",
            "17",
            "18",
            "GA",
        ):
            assert fact in text
        for note in ("private", "automatic", "times"):
            assert load(locale)[note] in text
        assert "{" not in text


def test_the_link_gives_access_to_its_order_only() -> None:
    text = body(sent(compose(message(), facts(), SENDER, NOW)), "plain")
    (link,) = ADDRESS.findall(text)
    access = Access.of([link.partition("#")[2]], key=SENDER.access_secret, is_open=False)
    order = facts().order
    own = msgspec.structs.replace(order, access_digest=b"x" * 32)
    assert access.admits(own)
    assert not access.admits(msgspec.structs.replace(own, reference="bk:1"))


def test_tickets_are_attached_as_codes_and_as_a_calendar_file() -> None:
    mail = sent(compose(message(), facts(), SENDER, NOW))
    codes = re.findall(r"T1-[0-9]+-[A-Z2-7]{24}", body(mail, "plain"))
    assert [
        is_genuine(SENDER.ticket_secret, code, 100 + line, f"bk:1+a-{line}") for line, code in enumerate(codes, 1)
    ] == [
        True,
        True,
        True,
    ]
    images = {part["Content-ID"]: part for part in mail.walk() if part.get_content_type() == "image/png"}
    assert images.keys() == {f"<ticket-{line}>" for line in (1, 2, 3)}
    assert {f"cid:{name[1:-1]}" for name in images} <= set(parsed_html(mail).addresses)
    assert len({part.get_content() for part in images.values()}) == 3
    assert all(part.get_content().startswith(b"\x89PNG") for part in images.values())
    (calendar,) = [part for part in mail.iter_attachments() if part.get_content_type() == "text/calendar"]
    assert calendar.get_filename() == "aurora-sessions.ics"
    (entry,) = icalendar.Calendar.from_ical(calendar.get_content()).walk("VEVENT")
    assert entry["SUMMARY"] == "Aurora <Sessions> & Friends"
    assert "L1." not in calendar.get_content()  # Calendars are shared with others.


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"confirmed", "event_changed"}])
def test_only_a_confirmation_has_codes(kind: Kind) -> None:
    mail = sent(compose(message(kind), facts(kind), SENDER, NOW))
    assert "T1-" not in mail.as_string()
    expected = ["text/calendar"] if kind == "event_cancelled" else []
    assert [part.get_content_type() for part in mail.iter_attachments()] == expected


def test_a_cancelled_event_has_no_codes() -> None:
    mail = sent(compose(message(), facts(cancelled_at=YESTERDAY), SENDER, NOW))
    assert list(mail.iter_attachments()) == []


def test_a_cancelled_event_removes_its_calendar_entry() -> None:
    confirmed = sent(compose(message(), facts(), SENDER, NOW))
    cancelled = sent(compose(message("event_cancelled"), facts("event_cancelled", **CANCELLED), SENDER, NOW))
    before, after = [
        icalendar.Calendar.from_ical(part.get_content()).walk("VEVENT")[0]
        for mail in (confirmed, cancelled)
        for part in mail.iter_attachments()
        if part.get_content_type() == "text/calendar"
    ]
    assert after["UID"] == before["UID"]
    assert [(entry["STATUS"], entry["SEQUENCE"]) for entry in (before, after)] == [("CONFIRMED", 3), ("CANCELLED", 4)]


def test_the_cancellation_of_an_event_without_a_payment_has_no_attachment() -> None:
    unpaid = facts("event_cancelled", **CANCELLED)
    order = msgspec.structs.replace(unpaid.order, payment="void")
    mail = sent(compose(message("event_cancelled"), msgspec.structs.replace(unpaid, order=order), SENDER, NOW))
    assert list(mail.iter_attachments()) == []
    assert "We have not received a payment." in body(mail, "plain")


@pytest.mark.parametrize("kind", ["held", "confirmed", "expired", "returned"])
def test_a_cancelled_event_makes_earlier_news_of_its_orders_untrue(kind: Kind) -> None:
    assert not is_true(kind, facts(kind, cancelled_at=YESTERDAY))


def test_the_headers_prevent_replies_and_identify_the_message() -> None:
    mail = sent(compose(message(), facts(), SENDER, NOW))
    assert mail["From"] == "tickets@example.org"
    assert mail["To"] == "ann@example.org"
    assert mail["Message-ID"] == "<7@tickets.example.org>"
    assert mail["Date"] == "Mon, 30 Nov 2026 12:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Subject"] == "Your tickets for Aurora <Sessions> & Friends"


@pytest.mark.parametrize(
    "recipient",
    ["ann@example.org\r\nBcc: eve@example.org", "ann,eve@example.org", "<ann>@example.org", "ann@ex ample.org"],
)
def test_an_address_cannot_add_a_header_or_a_recipient(recipient: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several messages of the library
        compose(message(recipient=recipient), facts(), SENDER, NOW)


def test_the_name_of_an_event_cannot_add_a_header() -> None:
    with pytest.raises(ValueError, match="linefeed"):
        compose(message(), facts(name="Aurora\r\nBcc: eve@example.org"), SENDER, NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_true_in_the_state_that_it_announces(kind: Kind) -> None:
    assert is_true(kind, facts(kind), EARLIER)


def test_a_change_of_an_event_is_not_true_after_it_was_undone() -> None:
    present = facts("event_changed")
    assert not is_true("event_changed", present, msgspec.structs.replace(present.occasion, expires_at=None))
    assert not is_true("event_changed", present)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({"doors_at": None}, "Doors: \n  8:30\u202fPM\n  before: not announced\n"),
        ({"name": "Aurora"}, "Concert: \n  Aurora <Sessions> & Friends\n  before: Aurora\n"),
        ({"address": None}, "Venue: \n  Harbour Hall, Pier 4\n  before: Harbour Hall\n"),
        (
            {"time_zone": "Europe/Berlin"},
            "8:30\u202fPM (UTC)\n  before: Friday, June 18, 2027, 8:30\u202fPM (Europe/Berlin)\n",
        ),
    ],
)
def test_a_changed_detail_has_its_value_before_the_change(before: dict[str, Any], expected: str) -> None:
    present = facts("event_changed")
    mail = compose(message("event_changed"), present, SENDER, NOW, msgspec.structs.replace(present.occasion, **before))
    text = body(sent(mail), "plain").replace("\r\n", "\n")
    assert expected in text
    assert text.count("before: ") == (2 if "time_zone" in before else 1)


@pytest.mark.parametrize(
    ("kind", "later"), [("held", "confirmed"), ("confirmed", "cancelled"), ("expired", "confirmed")]
)
def test_a_message_is_not_true_after_the_next_change(kind: Kind, later: Kind) -> None:
    assert not is_true(kind, facts(later))
