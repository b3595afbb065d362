"""The state of the whole system, and the reason for which this process cannot sell."""

import asyncio
import contextlib
import time
from collections.abc import Sequence

import msgspec
import psycopg

from api.config import Settings
from api.database import migrations, queries
from api.database.pool import Pool
from api.database.session import Statement, open_session, with_timeout
from api.errors import SetupError
from api.health_schemas import (
    CancellationHealth,
    JobHealth,
    MailHealth,
    MailPriorityHealth,
    StandbyHealth,
    SystemHealth,
    WorkerHealth,
)
from api.money import to_major
from api.services.cancellations import Count, count_unfinished
from api.services.disputes import DECIDED

WRITE_FAILURE_S = 5.0
"""Time after a failed write to the server's disk for which the process is not ready.

The disk may be full. No harmless write can prove the opposite, so after this time the next sale does.
"""
_MIGRATIONS = migrations.load()


class _Applied(msgspec.Struct, frozen=True):
    name: str
    sha256: str


class _Overdue(msgspec.Struct, frozen=True):
    overdue: int


class _Failed(msgspec.Struct, frozen=True):
    failed: int


class _Stuck(msgspec.Struct, frozen=True):
    stuck: int


class _Disputes(msgspec.Struct, frozen=True):
    undecided: int
    lost: int


class _Missing(msgspec.Struct, frozen=True):
    missing: str


class _Wait(msgspec.Struct, frozen=True):
    wait_seconds: float


async def read_system(pool: Pool, settings: Settings) -> SystemHealth:
    """Read the state of workers, holds, refunds, disputes, e-mails, jobs, cancellations, standbys and migrations.

    Raises:
        psycopg.OperationalError: the database does not respond.
        psycopg.errors.UndefinedTable: migrations are missing.
    """
    system, cancelled = await asyncio.gather(
        with_timeout(_read_system(pool, settings)), _read_cancellations(pool, settings)
    )
    problems = [*system.problems, *cancelled.problems]
    return msgspec.structs.replace(
        system,
        status="degraded" if problems else "ok",
        problems=problems,
        jobs=[*system.jobs, *cancelled.jobs],
        cancellations=cancelled.progress,
    )


class _Cancelled(msgspec.Struct, frozen=True):
    """The state of unfinished cancellations."""

    progress: list[CancellationHealth] = []
    jobs: list[JobHealth] = []
    problems: list[str] = []


async def _read_cancellations(pool: Pool, settings: Settings) -> _Cancelled:
    """Return the state of unfinished cancellations, which is a problem if the database does not read it in time.

    The time grows with the orders of the cancelled events. It must not hide the rest of the system's state.
    """
    try:
        counts, jobs = await with_timeout(_count_unfinished(pool))
    except psycopg.OperationalError:
        return _Cancelled(problems=["the progress of cancelled events cannot be counted in time"])
    progress = [
        CancellationHealth(
            count.event, count.currency, count.state, count.orders, to_major(count.amount_minor, count.currency)
        )
        for count in counts
    ]
    return _Cancelled(progress, jobs, _late(jobs, settings))


async def _count_unfinished(pool: Pool) -> tuple[list[Count], list[JobHealth]]:
    async with open_session(pool) as session:
        pipeline = session.pipeline()
        counts = pipeline.add(count_unfinished())
        jobs = pipeline.add(Statement(queries.cancellations.read_lag, {}, JobHealth))
        await pipeline.run()
    return counts.rows, jobs.rows


def _late(jobs: Sequence[JobHealth], settings: Settings) -> list[str]:
    """Return the problems of the jobs that are late."""
    return [
        f"the job {job.job} is {job.lag_seconds:.0f} s late" for job in jobs if job.lag_seconds > settings.job_lag_max_s
    ]


async def _read_system(pool: Pool, settings: Settings) -> SystemHealth:
    """Read the state of the system without that of cancellations."""
    async with open_session(pool) as session:
        pipeline = session.pipeline()
        applied = pipeline.add(Statement(queries.migrations.list_applied, {}, _Applied))
        workers = pipeline.add(Statement(queries.workers.list_workers, {}, WorkerHealth))
        overdue = pipeline.add(Statement(queries.health.count_overdue_holds, {}, _Overdue))
        refunds = pipeline.add(Statement(queries.refunds.count_failed, {}, _Failed))
        hours = {"hours": settings.refund_requested_max_hours}
        stuck = pipeline.add(Statement(queries.refunds.count_stuck, hours, _Stuck))
        disputes = pipeline.add(Statement(queries.disputes.count_disputes, {"decided": list(DECIDED)}, _Disputes))
        standbys = pipeline.add(Statement(queries.health.list_standbys, {}, StandbyHealth))
        wait = pipeline.add(Statement(queries.replication.read_longest_wait, {}, _Wait))
        mail = pipeline.add(Statement(queries.messages.read_lag, {}, MailHealth))
        priorities = pipeline.add(Statement(queries.messages.read_priorities, {}, MailPriorityHealth))
        parameters = {
            "delay_s": settings.event_change_delay_s,
            "messages_days": settings.messages_kept_days,
            "webhooks_days": settings.webhooks_kept_days,
            "declined_days": settings.declined_kept_days,
        }
        jobs = pipeline.add(Statement(queries.health.read_job_lags, parameters, JobHealth))
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
    problems += _refund_problems(refunds.rows[0].failed, stuck.rows[0].stuck, settings)
    if disputes.rows[0].undecided:
        problems.append(f"undecided disputes: {disputes.rows[0].undecided}")
    if wait.rows[0].wait_seconds > settings.round_trip_max_s:
        problems.append(f"a commit has waited for the standby for {wait.rows[0].wait_seconds:.0f} s")
    if mail.rows[0].feed_lag_seconds > settings.job_lag_max_s:
        problems.append(f"a change of an order waits for its e-mail for {mail.rows[0].feed_lag_seconds:.0f} s")
    if mail.rows[0].queue_lag_seconds > settings.job_lag_max_s:
        problems.append(f"an e-mail is {mail.rows[0].queue_lag_seconds:.0f} s late")
    problems += _late(jobs.rows, settings)
    return SystemHealth(
        status="degraded" if problems else "ok",
        problems=problems,
        worker_age_seconds=age,
        workers=workers.rows,
        overdue_holds=overdue.rows[0].overdue,
        failed_refunds=refunds.rows[0].failed,
        undecided_disputes=disputes.rows[0].undecided,
        lost_disputes=disputes.rows[0].lost,
        mail=msgspec.structs.replace(mail.rows[0], priorities=priorities.rows),
        jobs=jobs.rows,
        cancellations=[],
        standbys=standbys.rows,
        missing_migrations=missing,
    )


def _refund_problems(failed: int, stuck: int, settings: Settings) -> list[str]:
    """Return the problems of refunds that the provider has refused, and of those that it has not accepted in time."""
    problems = [f"failed refunds: {failed}"] if failed else []
    if stuck:
        problems.append(f"refunds requested for more than {settings.refund_requested_max_hours} h: {stuck}")
    return problems


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
        pipeline = session.pipeline()
        privileges = pipeline.add(Statement(queries.health.list_missing_privileges, {}, _Missing))
        wait = pipeline.add(Statement(queries.replication.read_longest_wait, {}, _Wait))
        await pipeline.run()
    if privileges.rows:
        return f"the database role lacks privileges: {', '.join(row.missing for row in privileges.rows)}"
    if wait.rows[0].wait_seconds > session.round_trip_max_s:
        return "commits wait for the standby"
    if time.monotonic() - session.shared.write_failed_at < WRITE_FAILURE_S:
        return "the database cannot write to its disk"
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
