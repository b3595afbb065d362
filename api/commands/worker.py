"""The background worker: it repeats each job until it stops. Any number of workers may run.

A job does a bounded amount of work in a transaction of its own and returns the number of rows. It claims the rows with
SKIP LOCKED, so that two workers never do the same work. Each job repeats in a task of its own, so that a slow one does
not delay the others. A worker may also run only some groups of jobs.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Collection

import msgspec
import psycopg

from api.commands.groups import GROUPS, Group
from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.database.pooler import PoolerCheck
from api.database.session import open_session
from api.errors import SetupError
from api.payments.provider import PaymentProvider
from api.services.accounts.purges import (
    purge_passkey_challenges,
    purge_sessions,
    purge_sign_in_limits,
    purge_sign_in_links,
)
from api.services.bookings.buyers import purge_guards
from api.services.bookings.limits import purge_limits
from api.services.cancellations import end_orders
from api.services.checkouts import Checkouts
from api.services.disputes import record_disputes
from api.services.event_changes import note_event_changes
from api.services.mail.delivery import Mailer
from api.services.mail.outbox import give_up_messages, purge_messages, queue_messages
from api.services.orders import expire_holds, purge_declined
from api.services.payments import reconcile_payments
from api.services.providers import open_payments
from api.services.refunds import request_refunds
from api.services.webhooks import purge_webhooks, settle_webhooks
from api.services.workers import beat, leave, purge_workers

_log = logging.getLogger(__name__)

HOLDS_PAUSE_S = 0.5
"""An overdue hold is on sale again within two seconds: this pause, one refresh of the counts, and a margin."""
CHECKOUTS_PAUSE_S = 0.2
"""Hosted pages are closed within the second for which their orders wait at the end of a hold."""
HEARTBEAT_PAUSE_S = 1.0
_ERROR_PAUSE_S = 1.0


class Job(msgspec.Struct, frozen=True):
    """A background job; `pause_s` is the pause after a run that found nothing to do."""

    name: str
    group: Group
    run_once: Callable[[Pool, Settings], Awaitable[int]]
    pause_s: float


def jobs(provider: PaymentProvider, mailer: Mailer) -> tuple[Job, ...]:
    """Return all jobs; `provider` receives the requests of payments and refunds, and `mailer` sends messages."""

    async def reconcile(pool: Pool, settings: Settings) -> int:
        return await reconcile_payments(pool, settings, provider)

    async def refund(pool: Pool, settings: Settings) -> int:
        return await request_refunds(pool, settings, provider)

    hosted: tuple[Job, ...] = ()
    if isinstance(provider, Checkouts):
        gateway = provider.gateway

        async def dispute(pool: Pool, settings: Settings) -> int:
            return await record_disputes(pool, settings, gateway)

        hosted = (
            Job("close_checkouts", "payments", provider.close_ended, pause_s=CHECKOUTS_PAUSE_S),
            Job("record_disputes", "payments", dispute, pause_s=0.5),
        )
    return (
        *hosted,
        Job("beat", "core", beat, pause_s=HEARTBEAT_PAUSE_S),
        Job("expire_holds", "core", expire_holds, pause_s=HOLDS_PAUSE_S),
        Job("settle_webhooks", "core", settle_webhooks, pause_s=0.5),
        Job("reconcile_payments", "payments", reconcile, pause_s=0.5),
        Job("request_refunds", "payments", refund, pause_s=0.5),
        Job("end_orders", "payments", end_orders, pause_s=1),
        Job("note_event_changes", "mail", note_event_changes, pause_s=1),
        Job("queue_messages", "mail", queue_messages, pause_s=0.5),
        Job("send_messages", "mail", mailer.send_messages, pause_s=0.5),
        Job("give_up_messages", "mail", give_up_messages, pause_s=60),
        Job("purge_messages", "mail", purge_messages, pause_s=60),
        Job("purge_declined", "core", purge_declined, pause_s=60),
        Job("purge_webhooks", "core", purge_webhooks, pause_s=60),
        Job("purge_limits", "core", purge_limits, pause_s=60),
        Job("purge_guards", "core", purge_guards, pause_s=60),
        Job("purge_sessions", "core", purge_sessions, pause_s=60),
        Job("purge_sign_in_links", "core", purge_sign_in_links, pause_s=60),
        Job("purge_passkey_challenges", "core", purge_passkey_challenges, pause_s=60),
        Job("purge_sign_in_limits", "core", purge_sign_in_limits, pause_s=60),
        Job("purge_workers", "core", purge_workers, pause_s=60),
    )


async def work(conninfo: str, settings: Settings, groups: Collection[Group] = GROUPS) -> None:
    """Run the jobs of some groups until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    mailer = Mailer(settings)
    admit = PoolerCheck(conninfo, settings).admit
    async with open_pool(conninfo, settings, admit) as pool, open_payments(settings, pool) as provider:
        async with asyncio.TaskGroup() as tasks:
            for job in jobs(provider, mailer):
                if job.group in groups:
                    tasks.create_task(_repeat(job, pool, settings, stop), name=job.name)
        with contextlib.suppress(psycopg.Error, CommitUnknownError):  # A purge removes the row later.
            await leave(pool)


async def _repeat(job: Job, pool: Pool, settings: Settings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            async with open_session(pool) as session:
                await session.check_commits()
            done = await job.run_once(pool, settings)
            pause_s = 0 if done else job.pause_s
        except (psycopg.Error, CommitUnknownError, SetupError) as error:
            _log.warning("Job %s failed and runs again: %s", job.name, error)
            pause_s = _ERROR_PAUSE_S
        except Exception:  # noqa: BLE001 - an unexpected error must not end the worker
            _log.exception("Job %s failed and runs again", job.name)
            pause_s = _ERROR_PAUSE_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s or 0.001)
