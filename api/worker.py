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
from api.db import Pool, open_pool
from api.services.orders import forget_declined

_log = logging.getLogger(__name__)

_ERROR_PAUSE_S = 1.0


class Job(msgspec.Struct, frozen=True):
    """A piece of work, and how long the worker rests when there is none."""

    name: str
    run_once: Callable[[Pool, Settings], Awaitable[int]]
    rest_s: float


JOBS = (Job("forget_declined", forget_declined, rest_s=60),)


async def work(conninfo: str, settings: Settings) -> None:
    """Run all jobs until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_pool(conninfo, settings) as pool, asyncio.TaskGroup() as tasks:
        for job in JOBS:
            tasks.create_task(_repeat(job, pool, settings, stop), name=job.name)


async def _repeat(job: Job, pool: Pool, settings: Settings, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            done = await job.run_once(pool, settings)
            rest_s = 0 if done else job.rest_s
        except psycopg.Error as error:
            _log.warning("job %s failed and is tried again: %s", job.name, error)
            rest_s = _ERROR_PAUSE_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), rest_s or 0.001)
