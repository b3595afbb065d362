"""Names of buyers: the migrations normalize stored names as the API normalizes the names of requests."""

import unicodedata
from typing import LiteralString

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from api.config import Settings
from api.database import migrations
from api.database.embedded import EmbeddedServer
from api.database.pool import open_pool
from api.errors import SetupError
from api.services.order_views import list_orders
from api.services.returns import cancel_order
from api.text import _BLANKS, normalize
from tests.integration.asynchronous import OPEN
from tests.stack import application_url, empty_database

LAST_WITHOUT_NAMES = "0011_readable_values"
"""The last migration before those that normalize names."""

EVENT = """
    insert into events (slug, name, venue, starts_at, sales_start_at, currency)
    values ('old', 'Old', 'Hall', '9000-01-01', '2026-01-01', 'USD')
"""
ORDER: LiteralString = """
    with placed as (
        insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
        values (1, %s, %s, sha256('x'), 'confirmed', 1, 100, 'USD') returning id
    )
    insert into payments (order_id, status, amount_minor, currency) select id, 'captured', 100, 'USD' from placed
"""


def migrate_before_names(url: str) -> None:
    migrations.migrate(url, [each for each in migrations.load() if each.name <= LAST_WITHOUT_NAMES])


async def test_orders_with_names_of_any_spelling_are_listed_and_cancelled(server: EmbeddedServer) -> None:
    names = [" Bob ", unicodedata.normalize("NFD", "Zoë"), "\ufeff\u3000" + unicodedata.normalize("NFD", "Ångström\n")]
    with empty_database(server) as url:
        migrate_before_names(url)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(EVENT)
            for number, name in enumerate(names):
                conn.execute(ORDER, [f"r-{number}", name])
        migrations.migrate(url)
        async with open_pool(application_url(url), Settings()) as pool:
            for number, name in enumerate(names):
                (listed,) = (await list_orders(pool, normalize(name), OPEN, limit=2, cursor=None)).orders
                assert (listed.reference, listed.status) == (f"r-{number}", "confirmed")
                cancelled, _ = await cancel_order(pool, f"r-{number}", normalize(name), OPEN)
                assert cancelled.status == "cancelled"


def test_the_migration_names_orders_whose_name_is_blank(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrate_before_names(url)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(EVENT)
            conn.execute(ORDER, ["blank", " \u3000"])
            refusal = r"row '1', column user_id: ' \\u3000' is not a name with a visible character"
            with pytest.raises(SetupError, match=refusal):
                migrations.migrate(url)
            conn.execute("update orders set user_id = 'Bob'")
            migrations.migrate(url)


async def test_a_stored_name_has_no_blank_around_it(conn: AsyncConnection) -> None:
    insert: LiteralString = """
        insert into orders (event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
        select id, 'r', %s, sha256('x'), 'confirmed', 1, 100, 'USD' from events limit 1
    """
    for blank in unicodedata.normalize("NFC", _BLANKS):
        for name in (f"{blank}Bob", f"Bob{blank}"):
            with pytest.raises(CheckViolation, match="orders_user_trimmed_check"):
                await conn.execute(insert, [name])
    await conn.execute(insert, ["Bob B"])
