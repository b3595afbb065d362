"""The audit: it passes after real bookings, and each invariant reports its violations."""

import asyncio
import contextlib
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
from api.errors import NotCancellable
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked, NewOrder
from api.services.orders import cancel_order, expire_holds
from api.services.payments import ChargeUpdate
from tests.integration.asynchronous import ASYNC, apply_updates, hold, let_time_pass
from tests.stack import ROOT, clean_environment, cloned_database, empty_database

pytestmark = pytest.mark.xdist_group("audit")

Isolation = Literal["serializable", "read_committed"]
Mode = Literal["inline", "async"]
TIERS, QUANTITIES = ("VIP", "Front Row", "GA"), (1, 2, 3)


def orders(count: int) -> list[NewOrder]:
    return [
        NewOrder(
            reference=f"r-{n}",
            event=schemas.BUILT_IN_EVENT,
            tier=TIERS[n % len(TIERS)],
            quantity=QUANTITIES[n // len(TIERS) % len(QUANTITIES)],
            user_id=f"user-{n}",
        )
        for n in range(count)
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
                        await cancel_order(pool, new.reference, new.user_id)
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
            await cancel_order(pool, cancelled, "u")


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
    booking = asyncio.create_task(book(database_url, orders(150), isolation, mode))
    audits = 0
    while not booking.done():
        assert await asyncio.to_thread(audit, database_url) == []
        audits += 1
    await booking
    assert audits > 1
    result = run_audit(database_url)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"All {len(INVARIANTS)} invariants hold.\n", "")


SOLD_GA = "(select min(tickets.id) from tickets join tiers on tier_id = tiers.id where name = 'GA' and status = 'sold')"
ROWS = {
    "confirmed": "(select min(id) from orders where status = 'confirmed' and expires_at is null)",
    "single": "(select min(id) from orders where status = 'confirmed' and quantity = 1)",
    "triple": "(select min(id) from orders where status = 'confirmed' and quantity = 3)",
    "declined": "(select min(id) from orders where status = 'declined' and expires_at is null)",
    "declined_later": "(select min(id) from orders where status = 'declined' and expires_at is not null)",
    "paid_late": "(select order_id from order_events where previous = 'expired')",
    "pending": "(select min(id) from orders where status = 'pending')",
    "expired": "(select order_id from payments join orders on orders.id = order_id"
    " where orders.status = 'expired' and payments.status = 'pending')",
    "refunding": "(select order_id from payments where status = 'refunding')",
    "sold_ga": SOLD_GA,
    "other_sold_ga": SOLD_GA.replace("min(", "max("),
    "free_ga": SOLD_GA.replace("'sold'", "'available'"),
    "held": "(select min(id) from tickets where status = 'held')",
    "last_vip": "(select max(tickets.id) from tickets join tiers on tier_id = tiers.id where name = 'VIP')",
}
"""Subqueries for the ids in corruptions."""

# The invariants that a corruption violates, and its statements. The first ones drop constraints where necessary.
CORRUPTIONS = [
    (
        "find_double_bookings find_missing_keys",
        """
        drop index bookings_live_ticket_key;
        with freed as (update tickets set status = 'available' where id = {other_sold_ga} returning id)
        update bookings set ticket_id = {sold_ga} where ticket_id = (select id from freed)
        """,
    ),
    ("find_wrong_statuses", "update tickets set status = 'available' where id = {sold_ga}"),
    ("find_wrong_statuses", "update tickets set status = 'sold' where id = {free_ga}"),
    (
        "find_wrong_statuses",
        "update tickets set status = 'held', held_until = now() + interval '1 h' where id = {free_ga}",
    ),
    ("find_wrong_statuses", "update tickets set status = 'sold', held_until = null where id = {held}"),
    ("find_wrong_statuses", "update tickets set status = 'available', held_until = null where id = {held}"),
    ("find_wrong_hold_ends", "update tickets set held_until = held_until + interval '1 s' where id = {held}"),
    (
        "find_overdue_holds",
        """
        update tickets set held_until = held_until - interval '1 h' where status = 'held';
        update orders set created_at = created_at - interval '1 h', expires_at = expires_at - interval '1 h'
        where status = 'pending'
        """,
    ),
    ("find_unbalanced_tiers", "update tiers set capacity = capacity - 1 where name = 'VIP'"),
    ("find_unbalanced_tiers", "delete from tickets where id = {free_ga}"),
    (
        "find_unbalanced_tiers",
        """
        alter table tickets drop constraint tickets_status_check;
        update tickets set status = 'lost' where id = {free_ga}
        """,
    ),
    (
        "find_unbalanced_tiers",
        """
        insert into tiers (event_id, name, display_order, price_minor, seated, capacity, last_position)
        values (1, 'Empty', 9, 100, false, 5, 5)
        """,
    ),
    ("find_stray_tickets", "update tickets set event_id = 99 where id = {free_ga}"),
    (
        "find_stray_tickets",
        """
        alter table tickets drop constraint tickets_tier_id_fkey;
        insert into tickets (event_id, tier_id, position) values (1, 99, 1)
        """,
    ),
    ("find_misplaced_tickets", "update tickets set position = 1001 where id = {free_ga}"),
    ("find_misplaced_tickets", "update tickets set row_label = 'Z', seat_number = 1 where id = {free_ga}"),
    ("find_misplaced_tickets", "update tickets set row_label = null, seat_number = null where id = {last_vip}"),
    (
        "find_shared_positions find_missing_keys",
        """
        alter table tickets drop constraint tickets_tier_position_key;
        update tickets set position = (select position from tickets where id = {sold_ga}) where id = {free_ga}
        """,
    ),
    (
        "find_shared_seats",
        """
        update tiers set last_position = 106 where name = 'VIP';
        update tickets set position = 106, row_label = 'A', seat_number = 1 where id = {last_vip}
        """,
    ),
    (
        "find_broken_rows",
        """
        update tiers set last_position = 106 where name = 'VIP';
        update tickets set position = 106 where id = {last_vip}
        """,
    ),
    ("find_broken_rows", "update tickets set row_label = 'X' where id = {last_vip}"),
    (
        "find_bookings_without_order",
        """
        insert into bookings (order_id, line, ticket_id, tier_id, price_minor, released_at)
        select 999999, 1, id, tier_id, 1000, now() from tickets where id = {free_ga}
        """,
    ),
    (
        "find_bookings_without_ticket",
        """
        update tiers set capacity = capacity - 1 where name = 'GA';
        delete from tickets where id = {sold_ga}
        """,
    ),
    ("find_misplaced_bookings", "update bookings set tier_id = tier_id % 3 + 1 where order_id = {single}"),
    (
        "find_misplaced_bookings",
        """
        insert into events (slug, name, venue, starts_at, sales_start_at, currency)
        values ('other', 'Other', 'Hall', now(), now(), 'USD');
        update orders set event_id = (select id from events where slug = 'other') where id = {single}
        """,
    ),
    ("find_broken_lines", "update bookings set line = 2 where order_id = {single}"),
    ("find_broken_lines", "update bookings set line = 7 where order_id = {triple} and line = 2"),
    (
        "find_broken_lines find_missing_keys",
        """
        alter table bookings drop constraint bookings_order_line_key;
        update bookings set line = 3 where order_id = {triple} and line = 2
        """,
    ),
    (
        "find_incomplete_orders find_lost_bookings",
        "update orders set quantity = quantity + 1 where id in ({confirmed}, {pending})",
    ),
    ("find_incomplete_orders", "update bookings set released_at = null where order_id = {declined_later}"),
    (
        "find_incomplete_orders",
        """
        update bookings set released_at = now() where ticket_id = {sold_ga};
        update tickets set status = 'available' where id = {sold_ga}
        """,
    ),
    ("find_wrong_totals", "update bookings set price_minor = price_minor + 1 where order_id = {confirmed}"),
    (
        "find_wrong_totals",
        """
        update orders set total_minor = 1 where id = {refunding};
        update payments set amount_minor = 1 where order_id = {refunding}
        """,
    ),
    ("find_lost_bookings", "delete from bookings where order_id = {declined_later}"),
    (
        "find_lost_bookings",
        """
        insert into bookings (order_id, line, ticket_id, tier_id, price_minor, released_at)
        select orders.id, 1, tickets.id, tickets.tier_id, orders.total_minor, now() from orders, tickets
        where orders.id = {declined} and tickets.id = {free_ga}
        """,
    ),
    ("find_orders_without_event", "update orders set event_id = 99 where id = {declined}"),
    (
        "find_double_references find_missing_keys",
        """
        alter table orders drop constraint orders_reference_key;
        update orders set reference = (select reference from orders where id = {confirmed}) where id = {declined}
        """,
    ),
    ("find_unpaid_orders", "delete from payments where order_id = {confirmed}"),
    ("find_unpaid_orders", "delete from payments where order_id = {declined}"),
    ("find_unpaid_orders", "update payments set amount_minor = amount_minor - 1 where order_id = {confirmed}"),
    ("find_unpaid_orders", "update payments set currency = 'EUR' where order_id = {confirmed}"),
    (
        "find_unpaid_orders find_missing_keys",
        """
        drop index payments_order_key;
        insert into payments (order_id, status, amount_minor, currency)
        select order_id, status, amount_minor, currency from payments where order_id = {confirmed}
        """,
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'declined' where order_id = {confirmed}
        """,
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'captured' where order_id in ({declined}, {declined_later})
        """,
    ),
    (
        "find_wrong_payments",
        "update payments set status = 'captured', next_check_at = null where order_id = {pending}",
    ),
    (
        "find_wrong_payments",
        "update payments set status = 'captured', next_check_at = null where order_id = {expired}",
    ),
    (
        "find_wrong_payments",
        """
        alter table order_events drop constraint order_events_transition_check;
        update payments set status = 'captured', next_check_at = null where order_id = {refunding}
        """,
    ),
    (
        "find_payments_without_order",
        "insert into payments (order_id, status, amount_minor, currency) values (999999, 'captured', 100, 'USD')",
    ),
    (
        "find_broken_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where order_id = {confirmed}
        """,
    ),
    (
        "find_broken_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where order_id = {paid_late} and status = 'expired'
        """,
    ),
    (
        "find_broken_histories",
        """
        drop trigger order_events_append_only on order_events;
        update order_events set status = 'pending' where order_id = {confirmed};
        insert into order_events (order_id, subject, previous, status)
        values ({confirmed}, 'order', 'pending', 'confirmed')
        """,
    ),
    (
        "find_broken_histories",
        "insert into order_events (order_id, subject, status) values ({confirmed}, 'order', 'confirmed')",
    ),
    (
        "find_broken_histories",
        """
        drop trigger orders_note_changes on orders;
        update orders set status = 'cancelled', cancelled_at = now() where id = {expired}
        """,
    ),
    (
        "find_broken_payment_histories",
        """
        drop trigger payments_note_changes on payments;
        update payments set status = 'void', next_check_at = null where order_id = {expired}
        """,
    ),
    (
        "find_broken_payment_histories",
        """
        drop trigger order_events_append_only on order_events;
        delete from order_events where order_id = {refunding} and subject = 'payment' and status = 'captured'
        """,
    ),
    (
        "find_broken_payment_histories",
        """
        insert into order_events (order_id, subject, previous, status)
        values ({confirmed}, 'payment', 'captured', 'refunded')
        """,
    ),
    (
        "find_events_without_order",
        "insert into order_events (order_id, subject, status) values (999999, 'order', 'confirmed')",
    ),
    ("find_missing_keys", "drop index bookings_live_ticket_key"),
    ("find_missing_keys", "alter table webhooks drop constraint webhooks_pkey"),
    (
        "find_missing_keys",
        """
        drop index payments_order_key;
        create index payments_order_key on payments (order_id)
        """,
    ),
]


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
    reported = [line for line in capsys.readouterr().out.splitlines() if line.startswith("audit.")]
    expected = {f"audit.{name}: {getattr(queries.audit, name).doc.splitlines()[0]}" for name in broken.split()}
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
    assert set(INVARIANTS) == set(queries.audit)
    assert {f"audit.{name}" for broken, _ in CORRUPTIONS for name in broken.split()} == {
        invariant.name for invariant in INVARIANTS
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
