"""`python -m api reset` drops everything that the migrations create, and starts over."""

import psycopg
import pytest

from api.__main__ import main
from api.commands.audit import audit
from api.database import queries
from api.database.pool import Pool
from tests.integration.asynchronous import hold

REMAINING = """
    select 'table ' || relname from pg_class where relnamespace = 'public'::regnamespace
    union all
    select 'function ' || oid::regprocedure from pg_proc where pronamespace = 'public'::regnamespace
    union all
    select 'type ' || typname from pg_type where typnamespace = 'public'::regnamespace
"""


def test_nothing_remains_of_the_schema(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        for drop in (
            queries.migrations.drop_tables,
            queries.migrations.drop_domains,
            queries.migrations.drop_functions,
        ):
            conn.execute(drop.sql)
        assert conn.execute(REMAINING).fetchall() == []
        conn.rollback()


async def test_a_reset_starts_over(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await hold(pool)
    await pool.close()
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("DATABASE_DIRECT_URL", raising=False)
    for _ in range(2):
        assert main(["reset", "--yes"]) == 0
        assert audit(database_url) == []
        with psycopg.connect(database_url) as conn:
            counts = "select (select count(*) from events), (select count(*) from orders where user_id = 'u')"
            assert conn.execute(counts).fetchone() == (3, 0)
