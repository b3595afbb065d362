"""The background worker: runs each job again and again until it is told to stop. Any number of it may run.

A job is a function that does a bounded piece of work in a transaction of its own and returns how many rows
that were; it claims them with SKIP LOCKED, so that two workers never do the same.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable

import msgspec
import psycopg

from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.payments.http_provider import open_provider
from api.services.bookings.limits import purge_limits
from api.services.orders import expire_holds, purge_declined
from api.services.payments import PaymentProvider, reconcile_payments
from api.services.webhooks import purge_webhooks, settle_webhooks

_log = logging.getLogger(__name__)

_ERROR_PAUSE_S = 1.0


class Job(msgspec.Struct, frozen=True):
    """A piece of work, and how long the worker rests when there is none."""

    name: str
    run_once: Callable[[Pool, Settings], Awaitable[int]]
    rest_s: float


HOLDS_REST_S = 0.5
"""A hold past its time is on sale again within two seconds: this, a count of what is left, and a margin."""


def jobs(provider: PaymentProvider) -> tuple[Job, ...]:
    """Return all jobs, those that ask the provider with this one."""

    async def reconcile(pool: Pool, settings: Settings) -> int:
        return await reconcile_payments(pool, settings, provider)

    return (
        Job("expire_holds", expire_holds, rest_s=HOLDS_REST_S),
        Job("settle_webhooks", settle_webhooks, rest_s=0.5),
        Job("reconcile_payments", reconcile, rest_s=0.5),
        Job("purge_declined", purge_declined, rest_s=60),
        Job("purge_webhooks", purge_webhooks, rest_s=60),
        Job("purge_limits", purge_limits, rest_s=60),
    )


async def work(conninfo: str, settings: Settings) -> None:
    """Run all jobs until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        open_pool(conninfo, settings) as pool,
        open_provider(settings) as provider,
        asyncio.TaskGroup() as tasks,
    ):
        for job in jobs(provider):
            tasks.create_task(_repeat(job, pool, settings, stop), name=job.name)


async def _repeat(job: Job, pool: Pool, settings: Settings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            done = await job.run_once(pool, settings)
            rest_s = 0 if done else job.rest_s
        except (psycopg.Error, CommitUnknownError) as error:
            _log.warning("job %s failed and is tried again: %s", job.name, error)
            rest_s = _ERROR_PAUSE_S
        except Exception:  # noqa: BLE001 - whatever it is, the worker lives on
            # The other jobs go on, and so does this one: its next piece of work may be another.
            _log.exception("job %s failed and is tried again", job.name)
            rest_s = _ERROR_PAUSE_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), rest_s or 0.001)
