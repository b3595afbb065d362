"""The readiness check names each privilege that the database role lacks."""

import psycopg
import pytest
from psycopg import sql

from api.config import Settings
from api.database.pool import open_pool
from api.database.roles import APPLICATION
from api.services.health import find_obstacle
from tests.stack import application_url

FUNCTIONS = [
    "book_batch",
    "claim_any",
    "event_admits",
    "event_rules",
    "leave_out",
    "live_orders",
    "lock_chosen",
    "lock_reference",
    "mark_tickets",
    "note_buyers",
    "recent",
    "require_rows",
]
"""The functions that statements and other functions call."""


@pytest.mark.parametrize(
    ("privilege", "on"),
    [
        *(("EXECUTE", function) for function in FUNCTIONS),
        *((privilege, "workers") for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")),
        ("USAGE", "orders_id_seq"),
    ],
)
async def test_a_missing_privilege_is_named(database_url: str, privilege: str, on: str) -> None:
    kinds = {"EXECUTE": "function", "USAGE": "sequence"}
    revoke = sql.SQL("revoke {} on {} {} from public, {}").format(
        sql.SQL(privilege), sql.SQL(kinds.get(privilege, "table")), sql.SQL(on), sql.Identifier(APPLICATION)
    )
    settings = Settings(database_url=application_url(database_url))
    async with open_pool(settings.database_url or "", settings) as pool:
        assert await find_obstacle(pool, settings) is None
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(revoke)
        assert await find_obstacle(pool, settings) == f"the database role lacks privileges: {privilege} on {on}"


def test_every_function_of_the_application_that_no_constraint_calls_is_checked(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            """
            select proname from pg_proc
            where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype
                and proname <> 'is_displayable'
                and has_function_privilege(%s, oid, 'execute')
            order by proname
            """,
            [APPLICATION],
        ).fetchall()
    assert [name for (name,) in rows] == FUNCTIONS
