"""Constraints refuse values that a reader cannot represent, display or type; the migration names existing ones."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.errors import CheckViolation

from api.commands.audit import audit
from api.commands.seed import seed_default
from api.config import Settings
from api.database import migrations
from api.database.embedded import EmbeddedServer
from api.database.pool import Pool, open_pool
from api.database.programs import binaries_for
from api.errors import SetupError
from tests.integration.asynchronous import ASYNC, hold
from tests.stack import ROOT, clean_environment, empty_database

MIGRATION = "0011_readable_values"

TIMES = {
    "account_sessions": ["created_at", "expires_at", "revoked_at", "rotated_at"],
    "accounts": ["created_at", "verified_at"],
    "booking_limits": ["booked_at"],
    "bookings": ["created_at", "released_at"],
    "checkouts": ["created_at", "next_close_at"],
    "disputes": ["created_at", "next_check_at"],
    "cancellations": ["finished_at", "started_at"],
    "cancelled_orders": ["ended_at", "next_attempt_at"],
    "event_changes": ["created_at", "doors_at", "finished_at", "next_attempt_at", "seen_at", "starts_at"],
    "events": [
        *("cancelled_at", "created_at", "doors_at", "ends_at"),
        *("sales_end_at", "sales_start_at", "starts_at", "updated_at"),
    ],
    "grants": ["granted_at", "revoked_at"],
    "messages": ["created_at", "next_attempt_at", "sent_at"],
    "order_events": ["created_at"],
    "orders": ["cancelled_at", "created_at", "expires_at"],
    "passkey_challenges": ["created_at", "expires_at"],
    "passkeys": ["created_at", "last_used_at"],
    "payments": ["created_at", "next_check_at"],
    "refund_rate": ["used_until"],
    "refunds": ["created_at", "next_check_at", "settled_at"],
    "sign_in_limits": ["tried_at"],
    "sign_in_links": ["created_at", "expires_at", "used_at"],
    "tickets": ["held_until"],
    "webhooks": ["processed_at", "received_at"],
    "workers": ["heartbeat_at", "started_at"],
}
"""Every column with times, by table."""

UNREADABLE_TIMES = [
    *("infinity", "-infinity", "4713-01-01 00:00:00+00 BC", "0001-12-31 23:59:59+00 BC", "0001-01-01 23:59:59+00"),
    *("9999-12-31 00:00:00+00", "10000-01-01 00:00:00+00", "294276-12-31 00:00:00+00"),
]
READABLE_TIMES = ["0001-01-02 00:00:00+00", "2028-02-29 12:00:00+00", "9999-12-30 23:59:59.999999+00"]


@pytest.fixture
def settings() -> Settings:
    return ASYNC


@pytest.fixture
async def rows(conn: AsyncConnection, pool: Pool) -> AsyncConnection:
    """A connection to a database with a row in every table, whose only constraints are those of the times."""
    await hold(pool)
    await conn.execute("insert into webhooks (id, payload) values ('w', '{}')")
    await conn.execute(
        "insert into refunds (key, payment_id, amount_minor, status, reason, requested_by, next_check_at)"
        " select gen_random_uuid(), id, 1, 'requested', 'r', 'buyer', now() from payments"
    )
    await conn.execute("insert into checkouts (payment_id, provider_id, url) select id, 'cs_1', 'u' from payments")
    await conn.execute("insert into disputes (id) values ('du_1')")
    await conn.execute(
        "insert into cancellations (event_id, reason, last_refund_id) select id, 'r', 0 from events limit 1"
    )
    await conn.execute("insert into cancelled_orders (order_id, event_id, amount_minor) values (1, 1, 0)")
    await conn.execute("update events set name = 'changed' where id = 1")
    await conn.execute("insert into workers (id) values ('w')")
    await conn.execute(
        "insert into messages (kind, order_id, source_id, locale, message_id, status)"
        " values ('declined', 1, 1, 'en', '<a@b>', 'skipped')"
    )
    await conn.execute("insert into booking_limits (user_id, booked_at) values ('u', array[now()])")
    await conn.execute("insert into accounts (email) values ('a@b')")
    await conn.execute(
        "insert into account_sessions (account_id, token_digest, expires_at)"
        " select id, sha256('t'), now() from accounts"
    )
    await conn.execute("insert into grants (account_id, role, granted_by) select id, 'door', 'admin' from accounts")
    await conn.execute(
        "insert into sign_in_links (message_id, email, locale, expires_at) values (1, 'a@b', 'en', now())"
    )
    await conn.execute(
        "insert into passkeys (account_id, credential_id, public_key, sign_count, transports, name)"
        " select id, 'c', 'k', 0, '{}', 'n' from accounts"
    )
    await conn.execute("insert into passkey_challenges (challenge, expires_at) values (sha256('c'), now())")
    await conn.execute("insert into sign_in_limits (key, tried_at) values (sha256('a'), array[now()])")
    for table in TIMES:
        await conn.execute(sql.SQL("alter table {} disable trigger user").format(sql.Identifier(table)))
    cursor = await conn.execute(
        """
        select conrelid::regclass::text, conname from pg_constraint
        where connamespace = 'public'::regnamespace and conrelid <> 0 and contype = 'c'
            and conname not like '%\\_times\\_check'
        """
    )
    for table, name in await cursor.fetchall():
        await conn.execute(
            sql.SQL("alter table {} drop constraint {}").format(sql.Identifier(table), sql.Identifier(name))
        )
    return conn


async def test_every_time_is_between_the_years_1_and_9999(rows: AsyncConnection) -> None:
    cursor = await rows.execute(
        """
        select table_name, array_agg(column_name::text order by column_name) from information_schema.columns
        where table_schema = 'public' and table_name <> 'migrations'
            and (data_type = 'timestamp with time zone' or udt_name = '_timestamptz')
        group by table_name
        """
    )
    assert dict(await cursor.fetchall()) == TIMES
    for table, columns in TIMES.items():
        for column in columns:
            value = sql.SQL("array[now(), %s::timestamptz]" if column in ("booked_at", "tried_at") else "%s")
            update = sql.SQL("update {} set {} = {}").format(sql.Identifier(table), sql.Identifier(column), value)
            for readable in READABLE_TIMES:
                await rows.execute(update, [readable])
            for unreadable in UNREADABLE_TIMES:
                with pytest.raises(CheckViolation) as refusal:
                    await rows.execute(update, [unreadable])
                assert refusal.value.diag.constraint_name == f"{table}_times_check", (column, unreadable)
    with pytest.raises(CheckViolation, match="booking_limits_times_check"):
        await rows.execute("update booking_limits set booked_at = array[now(), null]")
    with pytest.raises(CheckViolation, match="sign_in_limits_times_check"):
        await rows.execute("update sign_in_limits set tried_at = array[now(), null]")


ZONES = ["UTC", "America/New_York", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "Etc/GMT+5", "US/Eastern"]
OTHER_ZONES = [
    *(
        "",
        "Z",
        "EST",
        "EST5EDT",
        "GMT",
        "CET",
        "Zulu",
        "utc",
        "Japan",
        "localtime",
        "Factory",
        "UTC+3",
        "+3",
        "<+03>-3",
    ),
    *("posix/America/New_York", "right/America/New_York", "posixrules"),
    *("America/New_York ", " America/New_York", "America/New_York\n", "UTC\n", "america/new_york", "AMERICA/NEW_YORK"),
    *("America", "America/", "/America/New_York", "America//New_York", "America/New York", "America/New_York'"),
    # PostgreSQL reads these as POSIX rules: a name and an offset.
    *("Mars/Olympus", "Mars/Olympus5", "America/New_York5", "Foo/Bar+5"),
]


async def test_a_time_zone_is_utc_or_an_iana_name_with_a_slash(conn: AsyncConnection) -> None:
    for zone in ZONES:
        await conn.execute("update events set time_zone = %s", [zone])
    for zone in OTHER_ZONES:
        with pytest.raises(CheckViolation) as refusal:
            await conn.execute("update events set time_zone = %s", [zone])
        assert refusal.value.diag.constraint_name in ("events_time_zone_check", "events_check_time_zone"), zone
    insert = """
        insert into events (slug, name, venue, starts_at, sales_start_at, currency, time_zone)
        values ('e', 'E', 'V', now(), now(), 'USD', 'Mars/Olympus5')
    """
    with pytest.raises(CheckViolation, match="'Mars/Olympus5'"):
        await conn.execute(insert)


TEXTS = ["Zoë & the Ñandúes", "가나다", "東京 公演", "حفلة 2026", "R&B: “live”!", "Tiếng Việt", "❤️", "A  B"]
JOINED_TEXTS = [
    "نمی\u200cشود",
    "PDF\u200c\u0647\u0627",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "A \u2764\ufe0f\u200d\U0001f525",
    "ක්\u200dෂ",
]
"""Texts whose joiners are part of their words and emoji."""
INVISIBLE = [
    *("\t", "\n", "\r", "\r\n", "\x01", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\u2029"),
    *("\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2068", "\u2069"),
    *("\u00ad", "\u034f", "\u115f", "\u180e", "\u200b", "\u200c", "\u200d", "\u2060", "\u2064", "\u2800", "\u3164"),
    *("\ufeff", "\uffa0", "\ufff9", "\ufffe", "\U000e0001", "\U000e0041"),
    *("\U0001bca0", "\U0001bca3"),
]
BLANKS = [" ", "\u00a0", "\u1680", "\u2003", "\u202f", "\u205f", "\u3000"]
OTHER_TEXTS = [
    *(f"A{character}B" for character in INVISIBLE),
    *(f"{character}AB" for character in [*INVISIBLE, *BLANKS]),
    *(f"AB{character}" for character in [*INVISIBLE, *BLANKS]),
    *(character for character in [*INVISIBLE, *BLANKS]),
    "Zoe\u0308",  # not in normalization form C: a request with the composed letter would not find it
    "\u1100\u1161",
    *("می\u200c\u200cشود", "می\u200c\u200dشود", "می \u200cشود", "می\u200c شود", "می\u200c\u3000شود"),
    *("\u200cمی", "می\u200c", "\u200dمی", "می\u200d", "A1\u200d2B"),
]


@pytest.mark.parametrize(
    ("column", "update"),
    [
        ("events.name", "update events set name = %s"),
        ("events.venue", "update events set venue = %s"),
        ("events.description", "update events set description = %s"),
        ("tiers.name", "update tiers set name = %s where id = 1"),
        ("tickets.row_label", "update tickets set row_label = %s where id = 1"),
    ],
)
async def test_every_shown_text_can_be_displayed(conn: AsyncConnection, column: str, update: str) -> None:
    table, _, attribute = column.partition(".")
    constraint = "row_label_check" if attribute == "row_label" else f"{table}_texts_check"
    for text in [*TEXTS, *JOINED_TEXTS]:
        await conn.execute(update, [text])
    for text in OTHER_TEXTS:
        if attribute == "description" and text == "A\nB":
            await conn.execute(update, [text])
            continue
        with pytest.raises(CheckViolation) as refusal:
            await conn.execute(update, [text])
        assert refusal.value.diag.constraint_name == constraint, ascii(text)
    if attribute != "description":
        with pytest.raises(CheckViolation):
            await conn.execute(update, [""])


@pytest.mark.parametrize(
    "slug", ["", "-", "A", "a_b", "a--b", "-a", "a-", "a\n", " a", "ä", "a/b", ".", "..", "a" * 65]
)
async def test_a_slug_fits_into_a_url(unchanged: AsyncConnection, slug: str) -> None:
    with pytest.raises(CheckViolation, match="events_slug_check"):
        await unchanged.execute("update events set slug = %s", [slug])


@pytest.mark.parametrize("currency", ["", "usd", "US", "USDT", "US1", "U$D", "USD\n", "ÜSD"])
async def test_a_currency_has_three_capital_letters(unchanged: AsyncConnection, currency: str) -> None:
    with pytest.raises(CheckViolation, match="events_currency_check"):
        await unchanged.execute("update events set currency = %s", [currency])


@pytest.mark.parametrize(
    ("table", "column", "most"),
    [
        ("tiers", "price_minor", 10**12),
        ("bookings", "price_minor", 10**12),
        ("orders", "quantity", 1000),
        ("orders", "total_minor", 10**15),
        ("payments", "amount_minor", 10**15),
    ],
)
async def test_amounts_are_exact_in_javascript(
    conn: AsyncConnection, pool: Pool, table: str, column: str, most: int
) -> None:
    await hold(pool)
    update = sql.SQL("update {} set {} = %s").format(sql.Identifier(table), sql.Identifier(column))
    await conn.execute(update, [most])
    for refused in (most + 1, -1):
        with pytest.raises(CheckViolation):
            await conn.execute(update, [refused])
    assert 1000 * 10**12 <= 10**15 < 2**53


@contextmanager
def before_migration(server: EmbeddedServer) -> Iterator[str]:
    """A database with all earlier migrations."""
    with empty_database(server) as url:
        migrations.migrate(url, [each for each in migrations.load() if each.name < MIGRATION])
        yield url


def upgrade(url: str) -> None:
    migrations.migrate(url, [each for each in migrations.load() if each.name <= MIGRATION])


def test_the_migration_names_every_value_that_it_refuses(server: EmbeddedServer) -> None:
    with before_migration(server) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            """
            insert into events (slug, name, venue, starts_at, sales_start_at, sales_end_at, currency, time_zone)
            values
                ('good', 'Good', 'Hall', '2027-01-01', '2026-01-01', null, 'USD', 'Asia/Tokyo'),
                ('endless', 'Endless', 'Hall', '2027-01-01', '2026-01-01', 'infinity', 'USD', 'UTC'),
                ('zoned', E'Zoned\\u202e', 'Hall ', '2027-01-01', '2026-01-01', null, 'USD', 'EST')
            """
        )
        conn.execute(
            """
            insert into tiers (event_id, name, display_order, price_minor, seated, capacity, last_position)
            values (1, 'GA', 1, 1000000000001, false, 1, 1)
            """
        )
        conn.execute("insert into booking_limits (user_id, booked_at) values ('ann', '{infinity}')")
        schema = "select count(*) from pg_constraint"
        before = conn.execute(schema).fetchone()
        done = subprocess.run(
            [sys.executable, "-m", "api", "migrate"],
            cwd=ROOT,
            env=clean_environment() | {"DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        first, *faults = done.stderr.splitlines()
        assert first == (
            f"Migration {MIGRATION} changed nothing, because it refuses these values. Correct them and run it again."
        )
        text = "a trimmed text without invisible characters"
        assert sorted(faults) == [
            f"Table {where} is not {expected}."
            for where, expected in (
                (
                    "booking_limits, row 'ann', column booked_at: '{infinity}'",
                    "a list of times between the years 1 and 9999",
                ),
                ("events, row 'endless', column sales_end_at: 'infinity'", "a time between the years 1 and 9999"),
                (r"events, row 'zoned', column name: 'Zoned\u202e'", text),
                ("events, row 'zoned', column time_zone: 'EST'", "UTC or an IANA time zone with a slash"),
                ("events, row 'zoned', column venue: 'Hall '", text),
                ("tiers, row '1', column price_minor: '1000000000001'", "a price of at most 10^12 minor units"),
            )
        ]
        assert conn.execute(schema).fetchone() == before
        with pytest.raises(SetupError, match="'infinity' is not a time"):
            upgrade(url)
        conn.execute("update events set sales_end_at = null, name = 'Zoned', venue = 'Hall', time_zone = 'UTC'")
        conn.execute("update tiers set price_minor = 100")
        conn.execute("delete from booking_limits")
        upgrade(url)


def copy(source: str, target: str) -> None:
    """Restore a dump of a database in another database."""
    binaries = binaries_for(None)
    dump = [str(binaries / "pg_dump"), "--no-owner", source]
    dumped = subprocess.run(dump, capture_output=True, text=True, check=True)
    psql = [str(binaries / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", target]
    subprocess.run(psql, input=dumped.stdout, capture_output=True, text=True, check=True)


async def test_a_dump_can_be_restored(server: EmbeddedServer, database_url: str, pool: Pool) -> None:
    seed_default(database_url)
    await hold(pool, "VIP", 2)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("update events set time_zone = 'Asia/Tokyo', description = E'One\\n\\nTwo', doors_at = null")
        conn.execute("alter table events disable trigger events_check_time_zone")
        conn.execute("update events set time_zone = 'America/Zone_Of_2030'")
        conn.execute("alter table events enable trigger events_check_time_zone")
    with empty_database(server) as restored:
        copy(database_url, restored)
        with psycopg.connect(restored, autocommit=True) as conn:
            count = """
                select (select count(*) from tickets), (select count(*) from order_events),
                    (select count(*) from pg_constraint), (select count(*) from pg_trigger)
            """
            with psycopg.connect(database_url) as original:
                assert conn.execute(count).fetchone() == original.execute(count).fetchone()
            with pytest.raises(CheckViolation, match="events_times_check"):
                conn.execute("update events set starts_at = 'infinity'")
            with pytest.raises(CheckViolation, match="Mars/Olympus"):
                conn.execute("update events set time_zone = 'Mars/Olympus'")
            with pytest.raises(CheckViolation, match="events_texts_check"):
                conn.execute("update events set venue = ' '")
        assert migrations.migrate(restored) == []
        assert audit(restored) == []
        async with open_pool(restored, ASYNC) as other:
            await hold(other, "VIP", 2)
