"""Check-in: a genuine code of a confirmed booking is valid; forged codes and codes of other bookings are refused."""

from pathlib import Path

import pytest
from psycopg import AsyncConnection

from api.__main__ import main
from api.commands import check_in
from api.config import Settings
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import NotFound
from api.secret import load_or_create_secret
from api.services import codes
from api.services.bookings.model import Booked, NewOrder
from api.services.order_rows import BookingRow
from api.services.orders import expire_holds, find_bookings
from api.services.returns import cancel_order, return_tickets
from api.settings.secrets import TICKET_SECRET
from tests.integration.asynchronous import ASYNC, INLINE, OPEN, apply_updates, book, hold, order


@pytest.fixture
def secret(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret that the command line and the API share."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return load_or_create_secret(Settings(data_dir=tmp_path), TICKET_SECRET)


async def booked(pool: Pool, new: NewOrder) -> list[BookingRow]:
    (outcome,) = await book(pool, new, settings=INLINE)
    assert isinstance(outcome, Booked)
    return list(outcome.bookings)


def code_of(secret: str, reference: str, booking: BookingRow) -> str:
    return codes.sign(secret, booking.id, f"{reference}-{booking.line}")


async def test_a_genuine_code_is_valid_and_shows_ticket_buyer_and_seat(
    pool: Pool, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = order("VIP", 2, ticket_ids=(17, 18), user_id="ann")
    bookings = await booked(pool, new)
    assert main(["check", code_of(secret, new.reference, bookings[1])]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ADMIT",
        f"  ticket  {new.reference}-2",
        "  place   VIP, row A, seat 18",
        "  buyer   ann",
        "  event   Aurora Sessions, 2027-06-18 20:00",
    ]


async def test_a_standing_ticket_shows_its_tier_only(
    pool: Pool, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = order("GA", 1)
    (booking,) = await booked(pool, new)
    assert main(["check", f" {code_of(secret, new.reference, booking).lower()}\n"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == "  place   GA"


async def test_a_ticket_of_a_cancelled_event_is_refused(
    pool: Pool, conn: AsyncConnection, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = order("GA", 1)
    (booking,) = await booked(pool, new)
    await conn.execute("update events set cancelled_at = now()")
    assert main(["check", code_of(secret, new.reference, booking)]) == 1
    assert capsys.readouterr().out.startswith("REFUSED: the event is cancelled.\n")


async def test_a_ticket_of_another_event_is_refused_at_an_events_entrance(
    pool: Pool, secret: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = order("GA", 1)
    (booking,) = await booked(pool, new)
    code = code_of(secret, new.reference, booking)
    assert main(["check", "--event", "winterlight", code]) == 1
    assert capsys.readouterr().out.startswith("REFUSED: the ticket is for Aurora Sessions, on 2027-06-18 20:00.\n")
    assert main(["check", "--event", new.event, code]) == 0


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "code"),
    [
        ("now() - interval '11 hours'", "null", 0),
        ("now() - interval '13 hours'", "null", 1),
        ("now() - interval '13 hours'", "now() - interval '11 hours'", 0),
        ("now() - interval '2 days'", "now() - interval '13 hours'", 1),
    ],
)
async def test_a_ticket_expires_twelve_hours_after_its_event(
    pool: Pool,
    conn: AsyncConnection,
    secret: str,
    capsys: pytest.CaptureFixture[str],
    starts_at: str,
    ends_at: str,
    code: int,
) -> None:
    new = order("GA", 1)
    (booking,) = await booked(pool, new)
    times = f"doors_at = null, starts_at = {starts_at}, ends_at = {ends_at}"
    await conn.execute(f"update events set {times}")  # noqa: S608 - the test's own text
    assert main(["check", "--event", new.event, code_of(secret, new.reference, booking)]) == code
    assert capsys.readouterr().out.startswith("REFUSED: the event is over.\n" if code else "ADMIT\n")


async def test_a_setting_extends_the_admission(
    pool: Pool, conn: AsyncConnection, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = order("GA", 1)
    (booking,) = await booked(pool, new)
    await conn.execute("update events set doors_at = null, starts_at = now() - interval '13 hours'")
    monkeypatch.setenv("ADMISSION_HOURS", "14")
    assert main(["check", code_of(secret, new.reference, booking)]) == 0


async def test_a_cancelled_event_has_no_ticket_images(pool: Pool, conn: AsyncConnection, secret: str) -> None:
    new = order("GA", 1)
    await booked(pool, new)
    assert await codes.draw_ticket(pool, secret, new.reference, 1, OPEN)
    await conn.execute("update events set cancelled_at = now()")
    with pytest.raises(NotFound):
        await codes.draw_ticket(pool, secret, new.reference, 1, OPEN)


async def test_a_forged_or_altered_code_is_refused(
    pool: Pool, secret: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = order("GA", 2)
    first, second = await booked(pool, new)
    code = code_of(secret, new.reference, first)
    foreign = load_or_create_secret(Settings(data_dir=tmp_path / "elsewhere"), TICKET_SECRET)
    forged = [
        code[:-1] + ("A" if code[-1] != "A" else "B"),
        code.replace(f"T1-{first.id}-", f"T1-{second.id}-"),  # another booking's id with this signature
        code.replace(f"T1-{first.id}-", "T1-987654321-"),
        code_of(foreign, new.reference, first),
        codes.sign(secret, first.id, f"{new.reference}-2"),
        f"{new.reference}-1",
        code[:-1],
        "",
        "'; drop table bookings",
    ]
    for each in forged:
        assert main(["check", each]) == 1, each
        assert capsys.readouterr().out == "REFUSED: not a code of this box office.\n"
    assert main(["check", code]) == 0


async def test_a_code_from_before_a_reset_is_refused(pool: Pool, secret: str) -> None:
    before = codes.sign(secret, 1, "bk_of-before-1")  # A reset database assigns the same ids again.
    (booking,) = await booked(pool, order("GA", 1))
    assert booking.id == 1
    assert main(["check", before]) == 1


@pytest.mark.parametrize("status", ["pending", "cancelled", "declined", "expired"])
async def test_a_ticket_of_an_unconfirmed_booking_is_refused(
    pool: Pool, conn: AsyncConnection, secret: str, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    held = await hold(pool, "VIP", 1)
    async with open_session(pool) as session:
        (booking,) = (await find_bookings(session, [held.id]))[held.id]
    if status == "cancelled":
        await apply_updates(pool, {held.reference: "captured"})
        assert main(["check", code_of(secret, held.reference, booking)]) == 0
        capsys.readouterr()
        await cancel_order(pool, held.reference, "u", OPEN)
    elif status == "declined":
        await apply_updates(pool, {held.reference: "declined"})
    elif status == "expired":
        await conn.execute("update orders set created_at = created_at - interval '1 h', expires_at = now()")
        await expire_holds(pool, ASYNC)
    assert main(["check", code_of(secret, held.reference, booking)]) == 1
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"REFUSED: the booking is {status}.", f"  ticket  {held.reference}-1")


async def test_a_returned_ticket_is_refused(pool: Pool, secret: str, capsys: pytest.CaptureFixture[str]) -> None:
    new = order("VIP", 2)
    bookings = await booked(pool, new)
    await return_tickets(pool, new.reference, "u", [bookings[0].id], OPEN)
    assert main(["check", code_of(secret, new.reference, bookings[0])]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "REFUSED: the ticket was returned."
    assert main(["check", code_of(secret, new.reference, bookings[1])]) == 0


async def test_a_resold_seat_is_valid_for_its_new_buyer_only(pool: Pool, database_url: str, secret: str) -> None:
    old, new = (order("VIP", 1, ticket_ids=(5,), user_id=user) for user in ("ann", "ben"))
    (olds,) = await booked(pool, old)
    await cancel_order(pool, old.reference, "ann", OPEN)
    (news,) = await booked(pool, new)
    found = [
        check_in.scan(database_url, secret, code_of(secret, each.reference, booking), admission_hours=12)
        for each, booking in ((old, olds), (new, news))
    ]
    assert [(each.user_id, each.valid) for each in found if each] == [("ann", False), ("ben", True)]
