"""The migration of joined texts names the stored texts that its constraints refuse."""

import psycopg
import pytest

from api.database import migrations
from api.database.embedded import EmbeddedServer
from api.errors import SetupError
from tests.stack import empty_database

MIGRATION = "0022_joined_texts"


def test_the_migration_names_texts_with_controls_of_shorthand(server: EmbeddedServer) -> None:
    with empty_database(server) as url:
        migrations.migrate(url, [each for each in migrations.load() if each.name < MIGRATION])
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(
                """
                insert into events (slug, name, venue, starts_at, sales_start_at, currency)
                values ('e', E'A\\U0001bca0B', 'Hall', '9000-01-01', '2026-01-01', 'USD')
                """
            )
            refusal = r"Table events, row 'e', column name: 'A\\U0001bca0B' is not a trimmed text"
            with pytest.raises(SetupError, match=refusal):
                migrations.migrate(url)
            conn.execute("update events set name = 'AB'")
            migrations.migrate(url)
