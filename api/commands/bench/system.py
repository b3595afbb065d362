"""What is measured: a PostgreSQL, the API and the worker of the benchmark's own, and what they take of the machine."""

import contextlib
import os
import random
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import psycopg
from psycopg import sql

from api.commands.audit import Violation, audit
from api.commands.bench.load import GRACE_S, LoadResult, Plan
from api.commands.ports import free_port
from api.commands.processes import (
    API,
    ROOT,
    WORKER,
    Process,
    ProcessEndedError,
    check_alive,
    end_with_parent,
    wait_until_ready,
)
from api.commands.seed import TierPlan, seed
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.errors import SetupError

MACHINE = "machine"
"""Stands beside the names of the parts, for all processes of the machine but this one and its load generators."""

_PORTS = range(20_000, 32_000)
"""Below the usual range of ephemeral ports."""
_LOAD_TIMEOUT_S = 60.0
"""How long the generator may take beyond its plan: its start, and a machine that is busy."""
_LOG_LINES_SHOWN = 20

_TEMPLATE = "bench_template"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of the system holds in memory."""

    processes: int
    rss_mb: float
    """What its processes see, together: what they share counts for each."""
    pss_mb: float
    """The same, with what they share counted once: a part's true size."""


class Servers:
    """A PostgreSQL server with throw-away databases, and now and then an API and a worker."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._server = EmbeddedServer(directory / "data")
        self._directory = directory
        self._databases: list[str] = []
        self._processes: dict[str, Process] = {}
        # What the load needs to be what it is said to be; all else is as the environment says.
        self.settings = msgspec.structs.replace(
            settings,
            data_dir=directory / "data",
            api_host="127.0.0.1",
            api_port=free_port(random.choice(_PORTS), ("127.0.0.1",)),
            public_api_url="",
            payment_mode="inline",
            payment_success_rate=1.0,
            endpoint_rps=0,
            shutdown_delay_ms=0,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run PostgreSQL while the context lasts."""
        with self._server:
            self._server.ensure_database(_TEMPLATE)
            migrate(self._server.url(_TEMPLATE))
            yield

    def new_database(self, events: dict[str, tuple[TierPlan, ...]]) -> str:
        """Make a database with these events, all written to disk; return its URL."""
        name = f"bench_{secrets.token_hex(4)}"
        with self._administration() as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE))
            )
        self._databases.append(name)
        url = self._server.url(name)
        for event, inventory in events.items():
            seed(url, event=event, inventory=inventory)
        with self._administration() as connection:
            connection.execute("checkpoint")  # what seeding has left to be written would slow down the first run
        return url

    def audit(self) -> dict[str, list[Violation]]:
        """Check the invariants in each database; return what breaks them, by database."""
        return {name: audit(self._server.url(name)) for name in self._databases}

    def server_version(self) -> str:
        """Return PostgreSQL's version."""
        with self._administration() as connection:
            return str(connection.info.parameter_status("server_version"))

    @contextlib.contextmanager
    def api(self, database_url: str) -> Iterator[None]:
        """Run the API and the worker on a database while the context lasts."""
        log = self._directory / "api.log"
        settings = msgspec.structs.replace(self.settings, database_url=database_url)
        with contextlib.ExitStack() as cleanup:
            output = cleanup.enter_context(log.open("wb"))
            for service in (WORKER, API):
                process = Process(service, _environment(settings), output.fileno())
                self._processes[service.name] = process
                cleanup.callback(process.stop, force=lambda: False)
            cleanup.callback(self._processes.clear)
            try:
                wait_until_ready(settings, self._processes.values())
                yield
                check_alive(self._processes.values())
            except (ProcessEndedError, SetupError, httpx.HTTPError) as error:
                tail = log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
                raise SetupError("\n".join([f"The benchmark cannot go on: {error}", *tail])) from error

    def load(self, plan: Plan) -> LoadResult:
        """Run the load generator.

        Raises:
            SetupError: it failed; says how.
        """
        command = [sys.executable, "-m", "api.commands.bench.load"]
        with subprocess.Popen(  # noqa: S603 - our own module
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - one system call, which takes no lock
        ) as process:
            try:
                output, errors = process.communicate(
                    msgspec.json.encode(plan), timeout=plan.warmup_s + plan.seconds + GRACE_S + _LOAD_TIMEOUT_S
                )
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise SetupError(f"The load generator failed: {errors.decode(errors='replace').strip()}")
        return msgspec.json.decode(output, type=LoadResult)

    def retries(self) -> float:
        """Return how many booking requests the API had to run again since its start."""
        url = f"http://127.0.0.1:{self.settings.api_port}/metrics"
        answer = httpx.get(url, trust_env=False, timeout=GRACE_S).raise_for_status()
        values = (line.split() for line in answer.text.splitlines() if line.startswith("booking_retries_total"))
        return sum(float(value) for *_, value in values)

    def cpu_s(self) -> dict[str, float]:
        """Return the processor time that each part has taken so far, and the machine without us, in seconds.

        Only Linux tells.
        """
        parts = {name: sum(map(_cpu_s, pids)) for name, pids in self._process_ids().items()}
        return parts | {MACHINE: _machine_cpu_s() - sum(os.times()[:4])} if parts else {}

    def memory(self) -> dict[str, Memory]:
        """Return what each part holds in memory now; only Linux tells."""
        return {name: _memory(pids) for name, pids in self._process_ids().items()}

    def _administration(self) -> psycopg.Connection:
        return psycopg.connect(self._server.url("postgres"), autocommit=True)

    def _process_ids(self) -> dict[str, list[int]]:
        """Return the processes of each part."""
        roots = {name: process.pid for name, process in self._processes.items()}
        if pid := self._server.pid:
            roots["PostgreSQL"] = pid
        parents = _parents()
        found: dict[str, list[int]] = {name: [] for name in roots}
        for pid in parents:
            ancestors = set(_ancestors(pid, parents))
            for name, root in roots.items():
                if root in ancestors:
                    found[name].append(pid)
        return {name: pids for name, pids in found.items() if pids}


@contextlib.contextmanager
def throw_away_servers(settings: Settings) -> Iterator[Servers]:
    """Run a PostgreSQL server of its own; all of it is gone afterwards."""
    # A short path: the socket's address is limited.
    with tempfile.TemporaryDirectory(prefix="tickets-bench-") as directory:
        servers = Servers(settings, Path(directory))
        with servers.running():
            yield servers


def _environment(settings: Settings) -> dict[str, str]:
    values = msgspec.structs.asdict(settings)
    return os.environ | {name.upper(): str(value) for name, value in values.items() if value is not None}


def _parents() -> dict[int, int]:
    """Return the parent of each process of this machine."""
    parents = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(directory.name)] = int(_stat(directory)[1])
    return parents


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid in parents:
        yield pid
        pid = parents[pid]


def _stat(directory: Path) -> list[str]:
    """Return the fields of a process's `stat` from its state on: its name, before them, may contain anything."""
    return (directory / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    try:
        fields = _stat(Path("/proc", str(pid)))
    except OSError:  # it has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _machine_cpu_s() -> float:
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _memory(pids: list[int]) -> Memory:
    rss_kb = pss_kb = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
            values = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
            rss_kb += values["Rss"]
            pss_kb += values["Pss"]
    return Memory(processes=len(pids), rss_mb=round(rss_kb / 1024, 1), pss_mb=round(pss_kb / 1024, 1))
