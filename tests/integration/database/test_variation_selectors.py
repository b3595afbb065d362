"""A variation selector without a character before it is invisible, so no shown text has one."""

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from api.database import migrations
from api.database.embedded import EmbeddedServer
from api.errors import SetupError
from tests.stack import empty_database

MIGRATION = "0028_variation_selectors"


@pytest.mark.parametrize(
    "name", ["\ufe0f", "\ufe0f\ufe0f", "\ufe0e \ufe0f", "\ufe0fA", "A \ufe0f", "\u2764\u200d\ufe0f"]
)
async def test_a_variation_selector_follows_a_visible_character(conn: AsyncConnection, name: str) -> None:
    with pytest.raises(CheckViolation):
        await conn.execute("update tiers set name = %s where id = 1", [name])


@pytest.mark.parametrize("name", ["\u2764\ufe0f", "A \u2764\ufe0f\u200d\U0001f525", "1\ufe0f\u20e3"])
async def test_an_emoji_may_have_a_variation_selector(conn: AsyncConnection, name: str) -> None:
    await conn.execute("update tiers set name = %s where id = 1", [name])


def test_the_migration_names_texts_without_a_visible_character(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrations.migrate(url, [each for each in migrations.load() if each.name < MIGRATION])
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(
                """
                insert into events (slug, name, venue, starts_at, sales_start_at, currency)
                values ('e', E'\\ufe0f', 'Hall', '9000-01-01', '2026-01-01', 'USD')
                """
            )
            refusal = "Table events, row 'e', column name: '\ufe0f' is not a trimmed text"
            with pytest.raises(SetupError, match=refusal):
                migrations.migrate(url)
            conn.execute("update events set name = 'A'")
            migrations.migrate(url)
