"""A change of an event's name, place or times is announced once to each buyer with tickets, with old and new values."""

import asyncio
from datetime import datetime

import icalendar
import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection, OperationalError

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool
from api.database.session import Session
from api.schemas import BUILT_IN_EVENT, Locale
from api.services import event_changes
from api.services.event_changes import note_event_changes
from api.services.mail.texts import Texts
from api.services.order_rows import OrderRow
from api.services.returns import cancel_order
from tests.integration.asynchronous import INLINE, OPEN, book, hold, order, response
from tests.integration.services.cancelled_events import cancel
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer, Received

ANN, BOB = "ann@example.org", "bob@example.org"
POSTPONE = "update events set starts_at = starts_at + interval '1 day', doors_at = doors_at + interval '1 day'"


@pytest.fixture
def prompt(settings: Settings) -> Settings:
    """Settings without a delay, which the environment cannot have."""
    return msgspec.structs.replace(settings, event_change_delay_s=0)


async def sell(pool: Pool, *addresses: str, locale: Locale = "en") -> None:
    for address in addresses:
        await book(pool, order(email=address, locale=locale), settings=INLINE)


async def note_all(pool: Pool, settings: Settings) -> None:
    while await note_event_changes(pool, settings):
        pass


async def entries(conn: AsyncConnection) -> list[tuple[int, int]]:
    """Return the orders and the changes of all entries about changes of events."""
    cursor = await conn.execute("select order_id, detail from order_events where subject = 'event' order by id")
    return await cursor.fetchall()


async def local_times(conn: AsyncConnection) -> tuple[datetime, datetime]:
    """Return the local start and the local time of the doors of the built-in event."""
    cursor = await conn.execute(
        "select starts_at at time zone time_zone, doors_at at time zone time_zone from events where slug = %s",
        [BUILT_IN_EVENT],
    )
    ((starts_at, doors_at),) = await cursor.fetchall()
    return starts_at, doors_at


def plain(received: Received) -> str:
    body = received.mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def calendar_of(received: Received) -> icalendar.Component:
    (part,) = [part for part in received.mail.iter_attachments() if part.get_content_type() == "text/calendar"]
    (entry,) = icalendar.Calendar.from_ical(part.get_content()).walk("VEVENT")
    return entry


SUBJECTS: dict[Locale, tuple[str, str]] = {
    "en": ("Changed: Aurora Nights", "before: "),
    "de": ("Geändert: Aurora Nights", "bisher: "),
    "ar": ("تغيير في حفل Aurora Nights", "سابقًا: "),
}
"""The subject of a message, and the words before an old value."""


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("locale", SUBJECTS)
async def test_a_buyer_reads_the_old_and_the_new_values(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, prompt: Settings, locale: Locale
) -> None:
    await sell(pool, ANN, locale=locale)
    await post.run()
    old = await local_times(conn)
    await conn.execute(f"{POSTPONE}, name = 'Aurora Nights', venue = 'Old Mill' where slug = %s", [BUILT_IN_EVENT])
    new = await local_times(conn)
    for _ in range(2):
        await note_all(pool, prompt)
        await post.run()
    confirmed, changed = mail_server.received
    subject, before = SUBJECTS[locale]
    assert changed.mail["Subject"] == subject
    texts, text = Texts(locale), plain(changed)
    assert all(texts.date(starts_at) in text for starts_at, _ in (old, new))
    assert all(value in text for value in ("Aurora Nights", "Aurora Sessions", "Old Mill", "Harbour Hall"))
    # The doors open at the same time of another day.
    assert text.count(before) == 3
    assert calendar_of(changed)["UID"] == calendar_of(confirmed)["UID"]
    assert int(str(calendar_of(changed)["SEQUENCE"])) == int(str(calendar_of(confirmed)["SEQUENCE"])) + 1
    assert calendar_of(changed)["SUMMARY"] == "Aurora Nights"
    assert "application/pdf" in [part.get_content_type() for part in changed.mail.iter_attachments()]
    assert "T1-" in text


@pytest.mark.parametrize(
    "change",
    [
        "update events set description = 'Now with strings.'",
        "update events set sales_end_at = starts_at, hold_seconds = 60, tickets_max = 4",
        "update events set name = name, starts_at = starts_at",
        "update tiers set price_minor = price_minor + 1",
        "update events set cancelled_at = now()",
    ],
)
async def test_other_changes_are_not_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, prompt: Settings, change: str
) -> None:
    await sell(pool, ANN)
    await post.run()
    await conn.execute(change.encode())
    await note_all(pool, prompt)
    await post.run()
    assert len(mail_server.received) == 1
    cursor = await conn.execute("select count(*) from event_changes")
    assert await cursor.fetchall() == [(0,)]


@pytest.mark.usefixtures("audited")
async def test_changes_within_the_delay_share_a_message(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings, prompt: Settings
) -> None:
    await sell(pool, ANN)
    await post.run()
    await conn.execute("update events set name = 'A' where slug = %s", [BUILT_IN_EVENT])
    assert await note_event_changes(pool, settings) == 0  # The delay has not passed.
    await conn.execute("update events set name = 'B', venue = 'Old Mill' where slug = %s", [BUILT_IN_EVENT])
    await note_all(pool, prompt)
    await post.run()
    (_, changed) = mail_server.received
    text = plain(changed)
    assert "Concert: \n  B\n  before: Aurora Sessions\n" in text
    assert "before: Harbour Hall" in text


@pytest.mark.usefixtures("audited")
async def test_a_change_that_is_undone_in_time_is_not_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, prompt: Settings
) -> None:
    await sell(pool, ANN)
    await post.run()
    for name in ("A", "Aurora Sessions"):
        await conn.execute("update events set name = %s where slug = %s", [name, BUILT_IN_EVENT])
    await note_all(pool, prompt)
    await post.run()
    assert len(mail_server.received) == 1
    assert await entries(conn) == []


@pytest.mark.usefixtures("audited")
async def test_only_orders_that_had_tickets_before_the_change_get_a_message(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings, prompt: Settings
) -> None:
    await sell(pool, ANN, "gone@example.org")
    await hold(pool, email="pending@example.org", locale="en")
    cursor = await conn.execute("select reference from orders where email = 'gone@example.org'")
    ((reference,),) = await cursor.fetchall()
    await cancel_order(pool, reference, "u", OPEN)
    await post.run()
    await conn.execute(f"{POSTPONE} where slug = %s", [BUILT_IN_EVENT])
    assert await note_event_changes(pool, settings) == 0  # The worker sees the change.
    await sell(pool, "later@example.org")
    await post.run()
    mail_server.received.clear()
    await note_all(pool, prompt)
    await post.run()
    assert [received.recipients for received in mail_server.received] == [[ANN]]


@pytest.mark.usefixtures("audited")
async def test_a_booking_during_the_change_gets_a_message(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, database_url: str, prompt: Settings
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as owner:
        await owner.execute(f"{POSTPONE} where slug = %s", [BUILT_IN_EVENT])
        await sell(pool, ANN)  # It reads the old values, and begins after the change has begun.
    await note_all(pool, prompt)
    await post.run()
    assert [received.mail["Subject"] for received in mail_server.received] == [
        "Your tickets for Aurora Sessions",
        "Changed: Aurora Sessions",
    ]
    assert len(await entries(conn)) == 1


@pytest.mark.usefixtures("audited")
async def test_a_crash_in_any_batch_loses_and_repeats_no_entry(
    post: Post,
    pool: Pool,
    conn: AsyncConnection,
    mail_server: MailServer,
    prompt: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_changes, "_BATCH", 2)
    append = event_changes._append

    async def crash(session: Session, change: event_changes._Change) -> None:
        await append(session, change)
        raise OperationalError("the worker has lost the database")

    await sell(pool, *(f"{number}@example.org" for number in range(5)))
    await post.run()
    mail_server.received.clear()
    await conn.execute(f"{POSTPONE} where slug = %s", [BUILT_IN_EVENT])
    for noted in (0, 2, 4):
        with monkeypatch.context() as broken:
            broken.setattr(event_changes, "_append", crash)
            with pytest.raises(OperationalError):
                await note_event_changes(pool, prompt)
        assert len(await entries(conn)) == noted
        assert await note_event_changes(pool, prompt) == 1
    assert await note_event_changes(pool, prompt) == 0
    await post.run()
    recipients = sorted(received.recipients[0] for received in mail_server.received)
    assert recipients == [f"{number}@example.org" for number in range(5)]


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize(("batch", "scanned"), [(1, 3), (2, 3), (3, 3), (2, 100)])
async def test_orders_of_other_events_are_passed_over(
    pool: Pool,
    conn: AsyncConnection,
    database_url: str,
    prompt: Settings,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    scanned: int,
) -> None:
    monkeypatch.setattr(event_changes, "_BATCH", batch)
    monkeypatch.setattr(event_changes, "_SCANNED_MAX", scanned)
    seed(database_url, event="other", inventory=parse_inventory("GA=50"))
    concerned = []
    for event in ["other"] * 5 + [BUILT_IN_EVENT] * 2 + ["other"] * 8 + [BUILT_IN_EVENT] * 3 + ["other"] * 4:
        (outcome,) = await book(pool, order(event=event), settings=INLINE)
        booked = response(outcome)
        assert isinstance(booked, OrderRow)
        if event == BUILT_IN_EVENT:
            concerned.append(booked.id)
    await conn.execute(f"{POSTPONE} where slug = %s", [BUILT_IN_EVENT])
    await note_all(pool, prompt)
    assert [order_id for order_id, _ in await entries(conn)] == concerned


@pytest.mark.usefixtures("audited")
async def test_concurrent_workers_append_each_entry_once(
    pool: Pool, conn: AsyncConnection, prompt: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_changes, "_BATCH", 1)
    await sell(pool, *(f"{number}@example.org" for number in range(6)))
    await conn.execute(f"{POSTPONE} where slug = %s", [BUILT_IN_EVENT])
    await asyncio.gather(*(note_all(pool, prompt) for _ in range(3)))
    await note_all(pool, prompt)
    noted = [order_id for order_id, _ in await entries(conn)]
    assert len(noted) == len(set(noted)) == 6


@pytest.mark.usefixtures("audited")
async def test_a_change_during_the_notification_has_its_own_message(
    post: Post,
    pool: Pool,
    conn: AsyncConnection,
    mail_server: MailServer,
    prompt: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_changes, "_BATCH", 1)
    await sell(pool, ANN, BOB)
    await post.run()
    mail_server.received.clear()
    await conn.execute("update events set name = 'A' where slug = %s", [BUILT_IN_EVENT])
    assert await note_event_changes(pool, prompt) == 1
    await conn.execute("update events set name = 'B' where slug = %s", [BUILT_IN_EVENT])
    await note_all(pool, prompt)
    await post.run()
    texts = {
        (received.recipients[0], plain(received).partition("before: ")[2].split("\n")[0])
        for received in mail_server.received
    }
    assert texts == {(address, name) for address in (ANN, BOB) for name in ("Aurora Sessions", "A")}
    assert all(received.mail["Subject"] == "Changed: B" for received in mail_server.received)


@pytest.mark.usefixtures("audited")
async def test_a_cancelled_event_announces_only_its_cancellation(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, prompt: Settings
) -> None:
    await sell(pool, ANN)
    await post.run()
    await conn.execute(f"{POSTPONE} where slug = %s", [BUILT_IN_EVENT])
    await note_all(pool, prompt)
    await cancel(pool)
    await post.run()
    assert len(mail_server.received) == 1
    cursor = await conn.execute("select kind, status from messages order by id")
    assert await cursor.fetchall() == [("confirmed", "sent"), ("event_changed", "skipped")]


async def test_an_event_that_is_over_is_not_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, prompt: Settings
) -> None:
    await sell(pool, ANN)
    await post.run()
    await conn.execute("update events set doors_at = null, starts_at = now() - interval '1 day'")
    await conn.execute("delete from event_changes")
    await conn.execute("update events set name = 'A'")
    await note_all(pool, prompt)
    await post.run()
    assert len(mail_server.received) == 1
