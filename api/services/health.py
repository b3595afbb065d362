"""The state of the whole system, and the reason for which this process cannot sell."""

import contextlib
from collections.abc import Sequence

import msgspec
import psycopg

from api.config import Settings
from api.database import migrations, queries
from api.database.pool import Pool
from api.database.session import Statement, open_session, with_timeout
from api.errors import SetupError
from api.schemas import StandbyHealth, SystemHealth, WorkerHealth

_MIGRATIONS = migrations.load()


class _Applied(msgspec.Struct, frozen=True):
    name: str
    sha256: str


class _Overdue(msgspec.Struct, frozen=True):
    overdue: int


class _Missing(msgspec.Struct, frozen=True):
    missing: str


async def read_system(pool: Pool, settings: Settings) -> SystemHealth:
    """Read the state of workers, holds, standbys and migrations.

    Raises:
        psycopg.OperationalError: the database does not respond.
        psycopg.errors.UndefinedTable: migrations are missing.
    """
    return await with_timeout(_read_system(pool, settings))


async def _read_system(pool: Pool, settings: Settings) -> SystemHealth:
    async with open_session(pool) as session:
        pipeline = session.pipeline()
        applied = pipeline.add(Statement(queries.migrations.list_applied, {}, _Applied))
        workers = pipeline.add(Statement(queries.workers.list_workers, {}, WorkerHealth))
        overdue = pipeline.add(Statement(queries.health.count_overdue_holds, {}, _Overdue))
        standbys = pipeline.add(Statement(queries.health.list_standbys, {}, StandbyHealth))
        await pipeline.run()
    missing, fault = _compare(applied.rows)
    age = workers.rows[0].age_seconds if workers.rows else None
    problems = [fault] if fault else []
    if missing:
        problems.append(f"migrations are missing: {', '.join(missing)}")
    if age is None:
        problems.append("no worker runs")
    elif age > settings.worker_silence_max_s:
        problems.append(f"no worker has sent a heartbeat for {age:.0f} s")
    if overdue.rows[0].overdue:
        problems.append(f"{overdue.rows[0].overdue} tickets are held past the end of their hold")
    return SystemHealth(
        status="degraded" if problems else "ok",
        problems=problems,
        worker_age_seconds=age,
        workers=workers.rows,
        overdue_holds=overdue.rows[0].overdue,
        standbys=standbys.rows,
        missing_migrations=missing,
    )


async def find_obstacle(pool: Pool, settings: Settings) -> str | None:
    """Return the first reason for which the database cannot record a sale; None if there is none."""
    try:
        return await with_timeout(_find_obstacle(pool))
    except psycopg.errors.UndefinedTable:
        return f"migrations are missing: {', '.join(migration.name for migration in _MIGRATIONS)}"
    except psycopg.errors.InsufficientPrivilege as error:
        return f"the database role lacks a privilege: {error.diag.message_primary}"
    except psycopg.OperationalError:
        if await _is_read_only(settings):
            return "the database is read-only"
        return "the database does not respond"


async def _find_obstacle(pool: Pool) -> str | None:
    async with open_session(pool) as session:
        missing, fault = _compare(await session.run(Statement(queries.migrations.list_applied, {}, _Applied)))
        if fault:
            return fault
        if missing:
            return f"migrations are missing: {', '.join(missing)}"
        privileges = await session.run(Statement(queries.health.list_missing_privileges, {}, _Missing))
    if privileges:
        return f"the database role lacks privileges: {', '.join(row.missing for row in privileges)}"
    return None


def _compare(applied: Sequence[_Applied]) -> tuple[list[str], str | None]:
    """Return the names of the missing migrations, and a fault of the applied ones."""
    try:
        missing = migrations.missing(_MIGRATIONS, {row.name: row.sha256 for row in applied})
    except SetupError as error:
        return [], str(error)
    return [migration.name for migration in missing], None


async def _is_read_only(settings: Settings) -> bool:
    """Return True if a server of the URL responds and refuses writes; the pool has no connection to such a server."""
    with contextlib.suppress(psycopg.Error):
        connection = await psycopg.AsyncConnection.connect(
            settings.database_url or "",
            autocommit=True,
            connect_timeout=settings.db_connect_timeout_s,
            target_session_attrs="any",
        )
        async with connection:
            return "on" in (
                connection.info.parameter_status("in_hot_standby"),
                connection.info.parameter_status("default_transaction_read_only"),
            )
    return False
