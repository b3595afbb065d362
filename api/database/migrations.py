"""Forward-only migrations: `sql/migrations/*.sql` in the order of their names, each applied once.

Of several runners one applies while the others wait. Each file runs in its own transaction and is noted with
its SHA-256: a file that was edited after it was applied is refused.
"""

import hashlib
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow, tuple_row

from api.database import queries
from api.errors import SetupError

SERVER_VERSION_MIN = 15
"""The oldest PostgreSQL that this system is tested with."""
_LOCK_TIMEOUT_MS = 5000
"""How long a migration waits for a table that others use: waiting longer would hold up everyone behind it."""


class Migration(msgspec.Struct, frozen=True):
    """A migration's file: its name, text and checksum."""

    name: str
    sql: LiteralString
    sha256: str


def load(directory: Path = queries.SQL_DIR / "migrations") -> list[Migration]:
    """Return the migrations of a directory in the order in which they are applied."""
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        migrations.append(Migration(name=path.stem, sql=text, sha256=digest))
    return migrations


def connect(conninfo: str) -> psycopg.Connection[TupleRow]:
    """Open an autocommit connection for work on the whole database.

    Its statements may take as long as they need: the limits that a role has are for its requests.
    """
    connection = psycopg.connect(conninfo, autocommit=True, connect_timeout=10, row_factory=tuple_row)
    connection.execute("set statement_timeout = 0; set lock_timeout = 0")
    return connection


def migrate(conninfo: str, migrations: list[Migration] | None = None) -> list[str]:
    """Apply what is missing; return the names of the migrations applied now.

    Raises:
        SetupError: an applied migration was edited, or is unknown to this version of the code, or the server
            is too old.
        psycopg.Error: a migration failed; it left nothing behind, and those before it stay applied.
    """
    if migrations is None:
        migrations = load()
    with connect(conninfo) as connection:
        version = connection.info.server_version // 10_000
        if version < SERVER_VERSION_MIN:
            raise SetupError(f"The server is PostgreSQL {version}: {SERVER_VERSION_MIN} or newer is needed.")
        connection.execute(queries.migrations.lock_runner.sql)
        try:
            connection.execute("set client_min_messages = warning")
            connection.execute(queries.migrations.create_table.sql)
            applied: dict[str, str] = dict(connection.execute(queries.migrations.list_applied.sql).fetchall())
            return [m.name for m in missing(migrations, applied) if _apply(connection, m)]
        finally:
            if not connection.closed:
                connection.execute(queries.migrations.unlock_runner.sql)


def missing(migrations: list[Migration], applied: dict[str, str]) -> list[Migration]:
    """Return the migrations that are yet to be applied to a database that has noted `applied`.

    Raises:
        SetupError: what the database has noted does not fit the files.
    """
    known = {migration.name for migration in migrations}
    if unknown := sorted(applied.keys() - known):
        raise SetupError(
            f"The database has migrations that this version does not know ({', '.join(unknown)}): "
            "it belongs to a newer version; run that one."
        )
    for migration in migrations:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise SetupError(
                f"Migration {migration.name} was edited after it was applied: restore the file and put the "
                "change into a new migration."
            )
    return [migration for migration in migrations if migration.name not in applied]


def _apply(connection: psycopg.Connection[TupleRow], migration: Migration) -> bool:
    with connection.transaction():
        connection.execute("select set_config('lock_timeout', %s, true)", [str(_LOCK_TIMEOUT_MS)])
        connection.execute(migration.sql)
        connection.execute(
            queries.migrations.insert_migration.sql, {"name": migration.name, "sha256": migration.sha256}
        )
    return True
