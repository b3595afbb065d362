"""The faults of the system that `make run` starts. It must recover from each without help."""

import asyncio
import os
import random
import signal

from tests.faults.faults import Fault
from tests.faults.history import History
from tests.faults.supervised_target import API, WEB_APP, WORKER, SupervisedTarget
from tests.faults.target import accepts_connections, is_running, until
from tests.full_disk import write_until_it_ends

DISK_FULL_S = (0.5, 2.5)
"""Range of the time for which buyers meet tables that cannot grow."""


async def api_killed(target: SupervisedTarget, history: History, _: random.Random) -> None:
    """Kill the parent of the API's processes; the supervisor restarts the API."""
    with history.fault("API killed, supervised", loses_responses=True):
        await target.until_replaced(API)


async def worker_killed(target: SupervisedTarget, history: History, _: random.Random) -> None:
    """Kill the worker; the supervisor restarts it."""
    with history.fault("worker killed, supervised"):
        await target.until_replaced(WORKER)


async def worker_silent(target: SupervisedTarget, history: History, _: random.Random) -> None:
    """Freeze the worker until the supervisor misses its heartbeat and restarts it."""
    with history.fault("worker silent"):
        await target.until_replaced(WORKER, signal.SIGSTOP)


async def web_app_killed(target: SupervisedTarget, history: History, _: random.Random) -> None:
    """Kill the web app; the supervisor restarts it."""
    with history.fault("web app killed"):
        await target.until_replaced(WEB_APP)
        await target.until_web_app_responds()


async def database_stopped(target: SupervisedTarget, history: History, _: random.Random) -> None:
    """Stop the database cleanly; its watchdog restarts it."""
    with history.fault("database stopped, supervised"):
        await _end_database(target, signal.SIGINT)


async def database_killed(target: SupervisedTarget, history: History, _: random.Random) -> None:
    """Kill the database with its watchdog; the supervisor restarts both."""
    with history.fault("watchdog killed"):
        for pid in target.watchdog_pids():
            os.kill(pid, signal.SIGKILL)
        await _end_database(target, signal.SIGKILL)


async def _end_database(target: SupervisedTarget, number: int) -> None:
    pid = target.server.pid
    assert pid
    os.kill(pid, number)
    await until(lambda: not is_running(pid), "the database ends")
    await until(lambda: accepts_connections(target.database_url), "the database restarts")


async def disk_full(target: SupervisedTarget, history: History, rng: random.Random) -> None:
    """Fill the disk: tables cannot grow, then PostgreSQL ends, because its recovery needs space, too; make space."""
    pid = target.server.pid
    assert pid
    with history.fault("disk full"):
        await asyncio.to_thread(target.disk.fill)
        await asyncio.sleep(rng.uniform(*DISK_FULL_S))
        await until(lambda: _has_ended(target, pid), "the database ends")
        await asyncio.to_thread(target.disk.free)
        await until(lambda: accepts_connections(target.database_url), "the database restarts")


def _has_ended(target: SupervisedTarget, pid: int) -> bool:
    """Fill the write-ahead log; return True if the database has ended."""
    write_until_it_ends(target.database_url)
    return not is_running(pid)


SUPERVISED_FAULTS: tuple[Fault[SupervisedTarget], ...] = (
    api_killed,
    worker_killed,
    worker_silent,
    web_app_killed,
    database_stopped,
    database_killed,
    disk_full,
)
