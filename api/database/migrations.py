"""Forward-only migrations: `sql/migrations/*.sql` in the order of their names, each applied once.

One runner applies migrations while concurrent runners wait. Each file runs in its own transaction, which also records
the file's SHA-256. A file that was edited after it was applied is refused. `sql/privileges.sql` follows the migrations,
so that the application's role has its privileges on new tables.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import msgspec
import psycopg
from psycopg.rows import TupleRow, tuple_row

from api.database import queries
from api.database.pool import REQUIRED_SETTINGS, settings_parameters
from api.errors import SetupError

SERVER_VERSION_MIN = 15
"""The oldest major version of PostgreSQL that this system supports."""
_LOCK_TIMEOUT_MS = 5000
"""The longest wait for a table lock. A longer wait would block the requests that queue behind the migration."""
_TIMEOUTS = ("statement_timeout", "lock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")


class Migration(msgspec.Struct, frozen=True):
    """A migration file."""

    name: str
    sql: LiteralString
    sha256: str


def load(directory: Path = queries.SQL_DIR / "migrations") -> list[Migration]:
    """Return the migrations of a directory in the order of their application."""
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        migrations.append(Migration(name=path.stem, sql=text, sha256=digest))
    return migrations


def load_privileges() -> LiteralString:
    """Return the statements that grant the application's role its privileges."""
    return (queries.SQL_DIR / "privileges.sql").read_text(encoding="utf-8")


def connect(conninfo: str) -> psycopg.Connection[TupleRow]:
    """Open an autocommit connection for work on the whole database.

    A connection pooler may lie between, so the connection keeps no prepared statement and no session state.
    """
    return psycopg.connect(
        conninfo,
        autocommit=True,
        connect_timeout=10,
        client_encoding="UTF8",
        prepare_threshold=None,
        row_factory=tuple_row,
    )


@contextlib.contextmanager
def unlimited_transaction(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Run the context in a transaction with `REQUIRED_SETTINGS` and without time limits.

    The time limits of the role apply to requests.
    """
    with connection.transaction():
        values = REQUIRED_SETTINGS | dict.fromkeys(_TIMEOUTS, "0")
        connection.execute(queries.sessions.apply_settings.sql, settings_parameters(values, local=True))
        yield


def migrate(conninfo: str, migrations: list[Migration] | None = None) -> list[str]:
    """Apply the missing migrations; return their names.

    The application's role then gets its privileges, if the role exists and this role may grant them. After a logical
    restore the entries of the history get new numbers.

    Args:
        conninfo: connects as the owner of the database.
        migrations: the migrations to apply, without privileges; None for those of `sql/`.

    Raises:
        SetupError: the server is too old, or the database does not store UTF-8. An applied migration was edited or is
            unknown to this version of the code. A migration refuses stored values. The role may not create tables.
        psycopg.Error: a migration failed and was rolled back; the earlier ones stay applied.
    """
    privileges = load_privileges() if migrations is None else None
    if migrations is None:
        migrations = load()
    names: list[str] = []
    with connect(conninfo) as connection:
        version = connection.info.server_version // 10_000
        if version < SERVER_VERSION_MIN:
            raise SetupError(f"The server is PostgreSQL {version}, but {SERVER_VERSION_MIN} or newer is needed.")
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise SetupError(
                f"The database {connection.info.dbname!r} stores text as {encoding}, but UTF8 is needed: create it "
                "with `create database NAME encoding 'UTF8' template template0`."
            )
        try:
            while (name := _apply_next(connection, migrations)) is not None:
                names.append(name)
        except psycopg.errors.InsufficientPrivilege as error:
            raise SetupError(
                f"The role {connection.info.user!r} cannot apply the migrations ({error.diag.message_primary}): "
                "set DATABASE_DIRECT_URL to the URL of the database's owner."
            ) from error
        if privileges:
            _grant(connection, privileges)
            _rebase_feeds(connection)
    return names


def missing(migrations: list[Migration], applied: dict[str, str]) -> list[Migration]:
    """Return the migrations that a database lacks.

    Args:
        migrations: the files of this version of the code.
        applied: the database's migrations, by name, with the SHA-256 of each.

    Raises:
        SetupError: an applied migration was edited or is unknown.
    """
    known = {migration.name for migration in migrations}
    if unknown := sorted(applied.keys() - known):
        raise SetupError(
            f"The database has migrations that this version lacks ({', '.join(unknown)}): "
            "run the newer version that applied them."
        )
    for migration in migrations:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise SetupError(
                f"Migration {migration.name} was edited after it was applied: restore the file and put the "
                "change into a new migration."
            )
    return [migration for migration in migrations if migration.name not in applied]


def _apply_next(connection: psycopg.Connection[TupleRow], migrations: list[Migration]) -> str | None:
    """Apply the first missing migration; return its name, or None if none is missing."""
    with unlimited_transaction(connection):
        connection.execute(queries.migrations.lock_runner.sql)
        connection.execute("set local client_min_messages = warning")
        if not _is_true(connection, queries.migrations.table_exists):
            connection.execute(queries.migrations.create_table.sql)
        applied: dict[str, str] = dict(connection.execute(queries.migrations.list_applied.sql).fetchall())
        for migration in missing(migrations, applied):
            connection.execute("select set_config('lock_timeout', %s, true)", [str(_LOCK_TIMEOUT_MS)])
            _apply(connection, migration)
            connection.execute(
                queries.migrations.insert_migration.sql, {"name": migration.name, "sha256": migration.sha256}
            )
            return migration.name
    return None


def _apply(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    """Run a migration's statements.

    Raises:
        SetupError: the migration refuses stored values; the message names each of them.
        psycopg.Error: a statement failed.
    """
    try:
        connection.execute(migration.sql)
    except psycopg.errors.RaiseException as error:
        raise SetupError(
            f"Migration {migration.name} changed nothing, because it refuses these values. Correct them and run it "
            f"again.\n{_printable(error.diag.message_primary or '')}"
        ) from None


def _printable(text: str) -> str:
    """Replace the characters that a terminal hides or executes by their escape sequences."""
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )


def _grant(connection: psycopg.Connection[TupleRow], privileges: LiteralString) -> None:
    with unlimited_transaction(connection):
        connection.execute(queries.migrations.lock_runner.sql)
        if _is_true(connection, queries.migrations.may_grant):
            connection.execute(privileges)


def _rebase_feeds(connection: psycopg.Connection[TupleRow]) -> None:
    """Number the history again after a logical restore, which mixes the transaction ids of two servers."""
    with unlimited_transaction(connection):
        connection.execute(queries.migrations.lock_runner.sql)
        if _is_true(connection, queries.feeds.are_foreign):
            connection.execute(queries.feeds.rebase_feeds.sql)


def _is_true(connection: psycopg.Connection[TupleRow], query: queries.Query) -> bool:
    return connection.execute(query.sql).fetchone() == (True,)
