"""The seed: the default events, other events, and repetition without effect."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from api.__main__ import main
from api.commands.audit import audit
from api.commands.seed import (
    DEFAULT_EVENTS,
    parse_inventory,
    seed,
    seed_default,
    seed_if_empty,
)
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.errors import ConfigError
from api.services.bookings.model import Item, NewOrder
from tests.stack import empty_database


def rows(url: str, query: str) -> list[TupleRow]:
    with psycopg.connect(url) as conn:
        return conn.execute(query).fetchall()


def test_the_built_in_event_has_its_three_tiers_and_their_seats(database_url: str) -> None:
    tiers = rows(
        database_url,
        """
        select tiers.name, price_minor, capacity, count(*), min(row_label), max(row_label), min(seat_number),
            max(seat_number), count(distinct (row_label, seat_number))
        from tiers join tickets on tickets.tier_id = tiers.id
        group by tiers.id order by display_order
        """,
    )
    assert tiers == [
        ("VIP", 10_000, 100, 100, "A", "E", 1, 20, 100),
        ("Front Row", 5_000, 200, 200, "F", "O", 1, 20, 200),
        ("GA", 1_000, 1_000, 1_000, None, None, None, None, 1),
    ]


def test_exactly_neighbouring_seats_have_consecutive_positions(database_url: str) -> None:
    wrong = rows(
        database_url,
        """
        select a.id, b.id from tickets a join tickets b on a.tier_id = b.tier_id and a.id <> b.id
        where a.row_label is not null
            and (b.position = a.position + 1)
                <> (b.row_label = a.row_label and b.seat_number = a.seat_number + 1)
        """,
    )
    assert wrong == []


@pytest.mark.parametrize(
    ("tickets", "last_row"), [(20 * 26, "Z"), (20 * 27, "AA"), (20 * 53, "BA"), (20 * 702, "ZZ"), (20 * 703, "AAA")]
)
def test_row_labels_continue_after_z(database_url: str, tickets: int, last_row: str) -> None:
    seed(database_url, event="long", inventory=parse_inventory(f"VIP={tickets}"))
    query = "select row_label from tickets where event_id <> 1 order by position desc limit 1"
    assert rows(database_url, query) == [(last_row,)]


def test_repeated_and_concurrent_seeds_create_each_ticket_once(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate(url)
        with ThreadPoolExecutor(4) as seeds:
            created = list(seeds.map(lambda _: seed(url), range(4)))
        assert sorted(created) == [0, 0, 0, 1300]
        assert seed_if_empty(url) == 0
        assert seed(url) == 0
        assert rows(url, "select count(*) from tickets") == [(1300,)]


def test_an_empty_database_gets_three_events_one_of_them_sold_out(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate(url)
        assert seed_if_empty(url) == sum(tier.capacity for event in DEFAULT_EVENTS for tier in event.inventory)
        assert seed_if_empty(url) == 0
        assert set(seed_default(url).values()) == {0}
        events = rows(
            url,
            """
            select slug, venue, time_zone, starts_at > now(), starts_at - doors_at = interval '1 hour',
                sales_start_at > now() + interval '30 days',
                (select string_agg(distinct status, ',') from tickets where event_id = events.id)
            from events order by starts_at
            """,
        )
        assert events == [
            ("small-hours", "Harbour Hall", "America/New_York", True, True, False, "sold"),
            ("aurora-sessions", "Harbour Hall", "America/New_York", True, True, False, "available"),
            ("winterlight", "Harbour Hall", "America/New_York", True, True, True, "available"),
        ]
        orders = "select distinct orders.status, payments.status from orders join payments on order_id = orders.id"
        assert rows(url, orders) == [("confirmed", "captured")]
        assert audit(url) == []


@pytest.mark.parametrize("slug", ["small-hours", "winterlight"])
def test_a_default_event_that_is_seeded_alone_equals_its_plan(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch, slug: str
) -> None:
    query = """
        select slug, events.name, doors_at, starts_at, sales_start_at > now() + interval '30 days',
            tiers.name, price_minor, capacity,
            (select string_agg(distinct status, ',') from tickets where tier_id = tiers.id)
        from events join tiers on events.id = event_id order by slug, display_order
    """
    with empty_database(server) as all_events, empty_database(server) as one_event:
        migrate(all_events)
        seed_default(all_events)
        monkeypatch.setenv("DATABASE_URL", one_event)
        assert main(["seed", "--event", slug]) == 0
        expected = [row for row in rows(all_events, query) if row[0] == slug]
        assert rows(one_event, query) == expected != []


def test_the_tickets_of_a_given_inventory_are_available(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate(url)
        assert seed(url, event="small-hours", inventory=parse_inventory("GA=5")) == 5
        assert rows(
            url, "select name, status, count(*) from events join tickets on events.id = event_id group by 1, 2"
        ) == [("Small Hours", "available", 5)]


@pytest.mark.parametrize("option", ["--event", "--inventory"])
def test_an_empty_argument_is_refused(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    before = rows(database_url, "select count(*) from tickets")
    assert main(["seed", option, ""]) == 1
    assert capsys.readouterr().err.startswith(f"{option} '' ")
    assert rows(database_url, "select count(*) from tickets") == before


def test_concurrent_seeds_of_the_default_events_sell_each_ticket_once(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate(url)
        with ThreadPoolExecutor(4) as seeds:
            created = list(seeds.map(lambda _: seed_default(url), range(4)))
        for event in DEFAULT_EVENTS:
            tickets = sum(tier.capacity for tier in event.inventory)
            assert sorted(each[event.slug] for each in created) == [0, 0, 0, tickets]
        assert audit(url) == []


def test_a_buyer_of_the_seed_can_repeat_the_order(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate(url)
        seed_default(url)
        stored = rows(
            url,
            """
            select reference, slug, tiers.name, quantity, user_id, request_digest
            from orders join events on events.id = event_id
                join bookings on order_id = orders.id and line = 1 join tiers on tiers.id = bookings.tier_id
            """,
        )
    assert stored
    for reference, event, tier, quantity, user_id, digest in stored:
        order = NewOrder(reference=reference, event=event, items=(Item(tier=tier, quantity=quantity),), user_id=user_id)
        assert order.digest == digest


def test_a_seed_adds_missing_tiers_and_resizes_none(database_url: str) -> None:
    assert seed(database_url, event="club", inventory=parse_inventory("GA=10")) == 10
    assert seed(database_url, event="club", inventory=parse_inventory("GA=99")) == 0
    assert seed(database_url, event="club", inventory=parse_inventory("VIP=41,GA=99")) == 41
    assert seed(database_url, event="club", inventory=parse_inventory("Front Row=21,VIP=1,Balcony=2")) == 23
    tiers = """
        select tiers.name, capacity, count(*), min(row_label), max(row_label)
        from events join tiers on events.id = event_id join tickets on tier_id = tiers.id
        where slug = 'club' group by tiers.id order by display_order
    """
    assert rows(database_url, tiers) == [
        ("GA", 10, 10, None, None),
        ("VIP", 41, 41, "A", "C"),
        ("Front Row", 21, 21, "D", "E"),
        ("Balcony", 2, 2, None, None),
    ]


def test_a_seed_with_more_rows_than_labels_changes_nothing(database_url: str) -> None:
    with pytest.raises(ConfigError, match="18279 rows"):
        seed(database_url, event="endless", inventory=parse_inventory(f"VIP={20 * 18_279}"))
    assert rows(database_url, "select slug from events") == [("aurora-sessions",)]


def test_a_seed_may_take_longer_than_its_role_allows_requests(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute(
            """
            create function nap() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return null; end';
            create trigger nap after insert on tiers for each statement execute function nap();
            """
        )
    hasty = make_conninfo(database_url, options="-c statement_timeout=100 -c lock_timeout=100")
    with ThreadPoolExecutor(2) as seeds:  # The second waits for the lock on the event.
        created = seeds.map(lambda _: seed(hasty, event="club", inventory=parse_inventory("GA=10")), range(2))
        assert sorted(created) == [0, 10]


def test_a_large_event_has_every_ticket_once(database_url: str) -> None:
    assert seed(database_url, event="arena", inventory=parse_inventory("VIP=40000,GA=60000")) == 100_000
    counted = rows(
        database_url,
        "select count(*), count(distinct (tier_id, position)) from tickets where event_id <> 1",
    )
    assert counted == [(100_000, 100_000)]
