"""The measurement of a running system under load."""

import asyncio
import multiprocessing
import os
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from tests.stack import Stack
from tests.webapp.load_test.generator import play
from tests.webapp.load_test.plan import Measured, Plan
from tests.webapp.load_test.report import spread

SETTLE_S = 15.0
"""Time for the processes to start, and for queues to empty before the first booking."""


@dataclass
class Usage:
    """Memory in kB (`pss` shares what several processes have) and processor time in seconds of a process group."""

    pss_kb: int
    cpu_s: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read the usage of a process and its children. Only Linux has these files."""
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pids = [pid, *map(int, children)]
        rollups = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in pids]
        times = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13] for each in pids]
        pss = sum(int(kb) for rollup in rollups for kb in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE))
        return cls(pss, sum(sum(map(int, each)) for each in times) / os.sysconf("SC_CLK_TCK"))


async def measure(plan: Plan, stack: Stack) -> dict[str, Any]:
    """Let the browsers arrive, book and leave; return the figures."""
    pids = {name: stack._processes[name].popen.pid for name in ("web", "api")}
    before = {name: Usage.of(pid) for name, pid in pids.items()}
    began = time.time()
    arrival_s = plan.browsers / plan.arrivals * 1.5 + SETTLE_S
    ports = (stack.web_port, stack.api_port)
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(plan.processes, mp_context=context) as pool:
        say(f"{plan.browsers} browsers arrive, {plan.arrivals:g} per second")
        playing = [
            loop.run_in_executor(pool, play, number, plan.share(number), ports, began + arrival_s)
            for number in range(plan.processes)
        ]
        await asyncio.sleep(began + arrival_s - time.time())
        connected = {name: Usage.of(pid) for name, pid in pids.items()}
        idle_s = _idle_s()
        say(f"they book, {plan.rate:g} per second")
        await asyncio.sleep(plan.seconds)
        booked = {name: Usage.of(pid) for name, pid in pids.items()}
        idle_s = _idle_s() - idle_s
        measured = Measured()
        for each in await asyncio.gather(*playing):
            measured.add(each)
    return {
        "plan": asdict(plan),
        "bookings": measured.sent,
        "repeats": measured.repeats,
        **{name: spread(getattr(measured, name)) for name in ("load_ms", "book_ms", "late_ms", "poll_ms")},
        "cores": os.cpu_count(),
        "idle_cores_while_booking": round(idle_s / plan.seconds, 2),
        "polls_per_s": round(len(measured.poll_ms) / plan.seconds),
        "files": dict(measured.files),
        "polls": dict(measured.polls),
        "servers": {
            name: {
                "mb_before": round(before[name].pss_kb / 1024),
                "mb_connected": round(connected[name].pss_kb / 1024),
                "cores_while_arriving": round((connected[name].cpu_s - before[name].cpu_s) / arrival_s, 2),
                "cores_while_booking": round((booked[name].cpu_s - connected[name].cpu_s) / plan.seconds, 2),
            }
            for name in pids
        },
        "errors": dict(measured.errors),
        "acknowledged": len(measured.acknowledged),
        "in_database": _confirmed(stack.database_url, measured.acknowledged),
        "log": stack.logs()[-2000:],
    }


def _idle_s() -> float:
    """Return the idle time of all cores since the machine's start. Only Linux has this file."""
    return float(Path("/proc/uptime").read_text().split()[1])


def _confirmed(database_url: str, acknowledged: set[str]) -> list[int]:
    """Return the number of confirmed orders, and of the acknowledged ones among them."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute("select reference from orders where status = 'confirmed'").fetchall()
    found = {reference for (reference,) in rows}
    return [len(found), len(found & acknowledged)]


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
