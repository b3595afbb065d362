"""The shorter check constraints admit exactly the rows that the earlier ones admitted."""

import itertools
from collections.abc import Mapping, Sequence

import psycopg
import pytest
from psycopg import sql

from api.database import migrations
from api.database.embedded import EmbeddedServer
from tests.stack import empty_database

MIGRATION = "0040_shorter_checks"

WORDS = ["pending", "confirmed", "declined", "expired", "cancelled", "returned", "sold", "x", ""]
TIMES = [None, "0001-01-01 23:59:59+00", "0001-01-02 00:00:00+00", "2026-12-01 00:00:00+00", "infinity"]
TIMES += ["-infinity", "9999-12-30 23:59:59.999999+00", "9999-12-31 00:00:00+00"]
STATES = [
    "new",
    "pending",
    "confirmed",
    "declined",
    "expired",
    "cancelled",
    "captured",
    "void",
    "refunding",
    "refunded",
]
STATES += ["live", "released", "requested", "succeeded", "failed", "available", "held", "x", "new>pending"]

Grid = Mapping[str, Sequence[str | int | None]]

GRIDS: dict[str, list[Grid]] = {
    "orders": [
        {"status": WORDS, "expires_at": TIMES, "cancelled_at": TIMES, "created_at": TIMES},
        {"locale": [None, "en", "de", "ar", "fr", "", "en,de"]},
    ],
    "payments": [
        {"status": [*STATES, None], "created_at": TIMES[:1], "next_check_at": TIMES[:1]},
        {"created_at": TIMES, "next_check_at": TIMES},
    ],
    "bookings": [
        {"released_at": TIMES, "released_reason": [None, *WORDS], "refund_id": [None, 1], "created_at": TIMES},
    ],
    "tickets": [{"status": [None, *STATES]}],
    "order_events": [
        {
            "subject": ["order", "payment", "line", "refund", "x", "", "order:new>pending"],
            "previous": [None, *STATES],
            "status": STATES,
            "detail": [None, 1],
        }
    ],
}
"""The values of the columns that the constraints of each table read. The rows are all of their combinations."""


def admitted(conn: psycopg.Connection, table: str, grid: Grid) -> list[bool]:
    """Return whether the constraints of a table that read only the grid's columns admit each row of the grid."""
    checks = conn.execute(
        """
        select pg_get_expr(conbin, conrelid) from pg_constraint
        where conrelid = %(table)s::regclass and contype = 'c' and conkey <@ array(
            select attnum from pg_attribute where attrelid = %(table)s::regclass and attname = any(%(columns)s)
        )
        """,
        {"table": table, "columns": list(grid)},
    ).fetchall()
    assert checks
    both = sql.SQL(" and ").join(sql.SQL("({}) is not false").format(sql.SQL(check)) for (check,) in checks)
    columns = sql.SQL(", ").join(map(sql.Identifier, grid))
    select = sql.SQL("select {} from pg_temp.grid order by number").format(both)
    conn.execute("drop table if exists pg_temp.grid")
    conn.execute(
        sql.SQL("create temporary table grid as select 0 as number, {} from {} limit 0").format(
            columns, sql.Identifier(table)
        )
    )
    with (
        conn.cursor() as cursor,
        cursor.copy(sql.SQL("copy pg_temp.grid (number, {}) from stdin").format(columns)) as copy,
    ):
        for number, values in enumerate(itertools.product(*grid.values())):
            copy.write_row((number, *values))
    return [row[0] for row in conn.execute(select)]


@pytest.mark.parametrize("table", GRIDS)
def test_the_shorter_checks_admit_the_same_rows(server: EmbeddedServer, table: str) -> None:
    with empty_database(server) as url, psycopg.connect(url, autocommit=True) as conn:
        migrations.migrate(url, [each for each in migrations.load() if each.name < MIGRATION])
        before = [admitted(conn, table, grid) for grid in GRIDS[table]]
        migrations.migrate(url, [each for each in migrations.load() if each.name <= MIGRATION])
        assert [admitted(conn, table, grid) for grid in GRIDS[table]] == before
        assert all({True, False} == set(rows) for rows in before)
