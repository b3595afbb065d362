"""The audit: it passes after real bookings, and each invariant reports its violations."""

import asyncio
import contextlib
import itertools
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Literal, cast, get_args

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from api import schemas
from api.__main__ import main
from api.commands.audit import INVARIANTS, ROWS_SHOWN_MAX, audit
from api.config import Settings
from api.database import queries
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.database.pool import Pool, open_pool
from api.database.session import open_session
from api.errors import NotCancellable
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked, Item, NewOrder
from api.services.orders import expire_holds, find_bookings
from api.services.payments import ChargeUpdate
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import ASYNC, OPEN, apply_updates, hold, let_time_pass
from tests.integration.commands import corruptions
from tests.integration.commands.corruptions_accounts import ACCOUNT_CORRUPTIONS
from tests.integration.commands.corruptions_cancellations import CANCELLATION_CORRUPTIONS
from tests.integration.commands.corruptions_money import MONEY_CORRUPTIONS, MONEY_ROWS
from tests.stack import ROOT, clean_environment, cloned_database, empty_database

pytestmark = pytest.mark.xdist_group("audit")

CORRUPTIONS = corruptions.CORRUPTIONS + MONEY_CORRUPTIONS + ACCOUNT_CORRUPTIONS + CANCELLATION_CORRUPTIONS
ROWS = corruptions.ROWS | MONEY_ROWS

Isolation = Literal["serializable", "read_committed"]
Mode = Literal["inline", "async"]
TIERS, QUANTITIES = ("VIP", "Front Row", "GA"), (1, 2, 3)


def orders(count: int, first: int = 0) -> list[NewOrder]:
    return [
        NewOrder(
            reference=f"r-{n}",
            event=schemas.BUILT_IN_EVENT,
            items=(Item(tier=TIERS[n % len(TIERS)], quantity=QUANTITIES[n // len(TIERS) % len(QUANTITIES)]),),
            user_id=f"user-{n}",
        )
        for n in range(first, first + count)
    ]


async def book(
    database_url: str, wanted: list[NewOrder], isolation: Isolation = "serializable", mode: Mode = "inline"
) -> None:
    """Book through two concurrent batchers, like two processes; some payments are declined."""
    settings = Settings(
        payment_mode=mode,
        payment_success_rate=0.7,
        booking_isolation=isolation,
        booking_batch_max=5,
        booking_wait_ms=20_000,
        booking_attempts_max=100,
        bookings_per_minute=0,
    )
    async with open_pool(database_url, settings) as pool:
        batchers = [BookingBatcher(pool, settings, on_commit=lambda _: None) for _ in range(2)]
        settling = asyncio.Semaphore(3)
        async with batchers[0].running(), batchers[1].running():
            await asyncio.gather(*(book_and_settle(pool, random.choice(batchers), new, settling) for new in wanted))


async def book_and_settle(pool: Pool, batcher: BookingBatcher, new: NewOrder, settling: asyncio.Semaphore) -> None:
    """Book; then apply two random updates to a pending order."""
    booked = await batcher.book(new)
    if isinstance(booked, Booked) and booked.order.status == "pending":
        async with settling:
            for update in random.sample(["captured", "declined", "cancelled", "unknown"], 2):
                if update == "cancelled":
                    with contextlib.suppress(NotCancellable):
                        await cancel_order(pool, new.reference, new.user_id, OPEN)
                else:
                    await apply_updates(pool, {new.reference: cast("ChargeUpdate", update)})


async def create_orders_of_every_kind(database_url: str) -> None:
    """Create orders of each tier, quantity, status and payment mode."""
    await book(database_url, orders(90))
    async with (
        open_pool(database_url, ASYNC) as pool,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn,
    ):
        late, void, *_ = [(await hold(pool, "GA", 2)).reference for _ in range(3)]
        await let_time_pass(conn, ASYNC.hold_seconds + 1)
        await expire_holds(pool, ASYNC)
        await apply_updates(pool, {late: "captured", void: "unknown"})
        paid, declined, unpaid, refunded, *_ = [(await hold(pool, "VIP", 2)).reference for _ in range(6)]
        await apply_updates(pool, {paid: "captured", declined: "declined", refunded: "captured"})
        for cancelled in (unpaid, refunded):
            await cancel_order(pool, cancelled, "u", OPEN)
        kept = await hold(pool, "VIP", 3)
        await apply_updates(pool, {kept.reference: "captured"})
        async with open_session(pool) as session:
            bookings = (await find_bookings(session, [kept.id]))[kept.id]
        await return_tickets(pool, kept.reference, "u", [bookings[1].id], OPEN)


@pytest.fixture(scope="module")
def booked_template(server: EmbeddedServer) -> Iterator[str]:
    """The name of a template database with orders of every kind."""
    with cloned_database(server) as url:
        asyncio.run(create_orders_of_every_kind(url))
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def booked_url(server: EmbeddedServer, booked_template: str) -> Iterator[str]:
    """A database with orders of every kind and without violations."""
    with cloned_database(server, booked_template) as url:
        yield url


def run_audit(database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", "audit"],
        cwd=ROOT,
        env={**clean_environment(), "DATABASE_URL": database_url, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("isolation", get_args(Isolation))
async def test_the_audit_passes_during_and_after_real_bookings(
    database_url: str, isolation: Isolation, mode: Mode
) -> None:
    audited_twice = asyncio.Event()

    async def book_until_audited() -> None:
        for first in itertools.count(0, 150):
            await book(database_url, orders(150, first), isolation, mode)
            if audited_twice.is_set():
                return

    booking = asyncio.create_task(book_until_audited())
    audits = 0
    while not booking.done():
        assert await asyncio.to_thread(audit, database_url) == []
        audits += 1
        if audits == 2:
            audited_twice.set()
    await booking
    result = run_audit(database_url)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"All {len(INVARIANTS)} invariants hold.\n", "")


@pytest.mark.parametrize(("broken", "corruption"), CORRUPTIONS)
async def test_a_violation_is_reported_and_no_other(
    booked_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: str,
    corruption: str,
) -> None:
    with psycopg.connect(booked_url) as connection:
        for statement in corruption.format(**ROWS).split(";"):
            assert connection.execute(statement.encode()).rowcount, "nothing was corrupted"
    monkeypatch.setenv("DATABASE_URL", booked_url)
    assert main(["audit"]) == 1
    reported = [line for line in capsys.readouterr().out.splitlines() if line.startswith("audit")]
    invariants = {invariant.name.partition(".")[2]: invariant for invariant in INVARIANTS}
    expected = {f"{invariants[name].name}: {invariants[name].doc.splitlines()[0]}" for name in broken.split()}
    assert set(reported) == expected


def test_orders_of_every_kind_violate_no_invariant(booked_url: str) -> None:
    with psycopg.connect(booked_url) as connection:
        rows = connection.execute("""
            select distinct orders.status, payments.status from orders join payments on orders.id = order_id
        """).fetchall()
    assert set(rows) == {
        ("pending", "pending"),
        ("confirmed", "captured"),
        ("declined", "declined"),
        ("expired", "pending"),
        ("expired", "void"),
        ("cancelled", "pending"),
        ("cancelled", "refunding"),
    }
    assert audit(booked_url) == []


def test_every_invariant_is_checked_and_has_a_corruption() -> None:
    expected = {
        *(*queries.audit, *queries.audit_accounts, *queries.audit_cancellations),
        *(*queries.audit_histories, *queries.audit_messages, *queries.audit_money),
    }
    assert set(INVARIANTS) == expected
    assert {name for broken, _ in CORRUPTIONS for name in broken.split()} == {
        invariant.name.partition(".")[2] for invariant in INVARIANTS
    }


def test_a_violation_with_many_rows_shows_some_of_them_and_their_number(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("update tickets set status = 'sold'")
    result = run_audit(database_url)
    assert result.returncode == 1
    rows = [line for line in result.stdout.splitlines() if line.startswith("  ticket_id=")]
    assert rows[0] == "  ticket_id=1 status='sold' booking_id=None order_status=None"
    assert len(rows) == ROWS_SHOWN_MAX
    assert "  ... 1300 rows in all\n" in result.stdout


def test_the_audit_is_read_only_and_independent_of_the_servers_settings(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        for setting in ("default_transaction_read_only = on", "enable_seqscan = off", "statement_timeout = '100ms'"):
            connection.execute(f'alter database "{name}" set {setting}'.encode())
    assert audit(database_url) == []


def test_a_database_without_tables_fails(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        result = run_audit(url)
        assert result.returncode == 1
        assert "make migrate" in result.stderr
        assert "Traceback" not in result.stderr
        migrate(url)
        assert run_audit(url).returncode == 0
