"""The seed: the built-in event, other events as data, and any repetition harmless."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.rows import TupleRow

from api.embedded import EmbeddedServer
from api.migrate import migrate
from api.seed import parse_inventory, seed, seed_if_empty
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


def test_neighbouring_seats_and_only_they_have_consecutive_positions(database_url: str) -> None:
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


@pytest.mark.parametrize(("tickets", "last_row"), [(20 * 26, "Z"), (20 * 27, "AA"), (20 * 53, "BA")])
def test_rows_go_on_after_z(database_url: str, tickets: int, last_row: str) -> None:
    seed(database_url, event="long", inventory=parse_inventory(f"VIP={tickets}"))
    query = "select row_label from tickets where event_id <> 1 order by position desc limit 1"
    assert rows(database_url, query) == [(last_row,)]


def test_repeated_and_concurrent_seeds_make_each_ticket_once(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate(url)
        with ThreadPoolExecutor(4) as seeds:
            made = list(seeds.map(lambda _: seed(url), range(4)))
        assert sorted(made) == [0, 0, 0, 1300]
        assert seed_if_empty(url) == 0
        assert seed(url) == 0
        assert rows(url, "select count(*) from tickets") == [(1300,)]


def test_a_seed_never_resizes_a_tier_but_adds_one_that_is_missing(database_url: str) -> None:
    assert seed(database_url, event="club", inventory=parse_inventory("GA=10")) == 10
    assert seed(database_url, event="club", inventory=parse_inventory("GA=99")) == 0
    capacities = "select tiers.name, capacity from tiers join events on events.id = event_id where slug = 'club'"
    assert rows(database_url, capacities) == [("GA", 10)]


def test_a_large_event_has_every_ticket_once(database_url: str) -> None:
    assert seed(database_url, event="arena", inventory=parse_inventory("VIP=40000,GA=60000")) == 100_000
    counted = rows(
        database_url,
        "select count(*), count(distinct (tier_id, position)) from tickets where event_id <> 1",
    )
    assert counted == [(100_000, 100_000)]
