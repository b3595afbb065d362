"""The measured system: throw-away PostgreSQL, API and worker, with their use of processor and memory."""

import contextlib
import os
import random
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from api.commands.audit import Violation, audit
from api.commands.bench.load import GRACE_S
from api.commands.bench.plan import LoadResult, Plan
from api.commands.ports import free_port
from api.commands.processes import (
    API,
    ROOT,
    WORKER,
    Process,
    ProcessEndedError,
    Service,
    check_alive,
    end_with_parent,
    environment_of,
    wait_until_ready,
)
from api.commands.seed import TierPlan, seed
from api.config import Settings
from api.database import queries
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.database.roles import APPLICATION
from api.errors import SetupError
from api.tls import PLAIN_HTTP

MACHINE = "machine"
"""Key, beside the names of services, for all processes of the machine except the benchmark's own."""

PORTS = range(20_000, 32_000)
"""Ports below the usual range of ephemeral ports."""
_LOAD_TIMEOUT_S = 60.0
"""Time for the generator's start and end, in addition to its plan."""
_LOG_LINES_SHOWN = 20

_TEMPLATE = "bench_template"
_LOAD_GENERATOR = Service("load generator", ("api.commands.bench.load",))


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of a service."""

    processes: int
    rss_mb: float
    """Sum of the resident set sizes, which counts shared memory once for each process."""
    pss_mb: float
    """Sum of the proportional set sizes, which divides shared memory among its users."""


class Servers:
    """A PostgreSQL server with throw-away databases, and optionally an API and a worker."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._server = EmbeddedServer(directory / "data")
        self._directory = directory
        self._databases: list[str] = []
        self._processes: dict[str, Process] = {}
        # The measurement depends on these settings. The others come from the environment.
        self.settings = msgspec.structs.replace(
            settings,
            data_dir=directory / "data",
            api_host="127.0.0.1",
            api_port=free_port(random.choice(PORTS), ("127.0.0.1",)),
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
        """Create a database with events, flush it to disk, and return its URL for the application."""
        name = f"bench_{secrets.token_hex(4)}"
        with self._administration() as connection:
            connection.execute(
                sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE))
            )
        self._databases.append(name)
        for event, inventory in events.items():
            seed(self._server.url(name), event=event, inventory=inventory)
        with self._administration() as connection:
            connection.execute("checkpoint")  # Otherwise the first run would pay for the seed's writes.
        return self._server.url(name, APPLICATION)

    def audit(self) -> dict[str, list[Violation]]:
        """Audit each database; return the violations by database."""
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
                process = Process(service, environment_of(service, _environment(settings)), output.fileno())
                self._processes[service.name] = process
                cleanup.callback(process.stop, force=lambda: False)
            cleanup.callback(self._processes.clear)
            try:
                wait_until_ready(settings, self._processes.values())
                yield
                check_alive(self._processes.values())
            except (ProcessEndedError, SetupError, httpx.HTTPError) as error:
                tail = log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
                raise SetupError("\n".join([f"The benchmark failed: {error}", *tail])) from error

    def retries(self) -> float:
        """Return the number of retried booking requests since the API's start."""
        url = f"http://127.0.0.1:{self.settings.api_port}/metrics"
        response = httpx.get(url, trust_env=False, timeout=GRACE_S, verify=PLAIN_HTTP).raise_for_status()
        values = (line.split() for line in response.text.splitlines() if line.startswith("booking_retries_total"))
        return sum(float(value) for *_, value in values)

    def cpu_s(self) -> dict[str, float]:
        """Return the result of `measure_cpu_s` for the services."""
        return measure_cpu_s(self._process_ids())

    def memory(self) -> dict[str, Memory]:
        """Return the memory of each service; empty except on Linux."""
        return {name: _memory(pids) for name, pids in self._process_ids().items()}

    def _administration(self) -> psycopg.Connection:
        return psycopg.connect(self._server.url("postgres"), autocommit=True)

    def _process_ids(self) -> dict[str, list[int]]:
        """Return the ids of each service's processes, descendants included."""
        roots = {name: process.pid for name, process in self._processes.items()}
        if pid := self._server.pid:
            roots["PostgreSQL"] = pid
        return descendants(roots)


def run_load(plan: Plan) -> LoadResult:
    """Run the load generator.

    Raises:
        SetupError: the generator failed; the message contains its output.
    """
    command = [sys.executable, "-m", *_LOAD_GENERATOR.arguments]
    with subprocess.Popen(  # noqa: S603 - our own module
        command,
        cwd=ROOT,
        env=environment_of(_LOAD_GENERATOR, os.environ),
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


@contextlib.contextmanager
def throw_away_servers(settings: Settings) -> Iterator[Servers]:
    """Run a throw-away PostgreSQL server; delete its data afterwards."""
    # The directory's path is short, because that of a Unix socket is limited.
    with tempfile.TemporaryDirectory(prefix="tickets-bench-") as directory:
        servers = Servers(settings, Path(directory))
        with servers.running():
            yield servers


def _environment(settings: Settings) -> dict[str, str]:
    values = msgspec.structs.asdict(settings)
    return os.environ | {name.upper(): str(value) for name, value in values.items() if value is not None}


def descendants(roots: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the ids of the processes below each root, itself included, without names that have none."""
    parents = _parents()
    found: dict[str, list[int]] = {name: [] for name in roots}
    for pid in parents:
        ancestors = set(_ancestors(pid, parents))
        for name, root in roots.items():
            if root in ancestors:
                found[name].append(pid)
    return {name: pids for name, pids in found.items() if pids}


def measure_cpu_s(services: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return the processor time of each service and of the machine without this benchmark, in seconds.

    The result is empty without services, as on systems other than Linux.
    """
    spent = {name: sum(map(_cpu_s, pids)) for name, pids in services.items()}
    return spent | {MACHINE: _machine_cpu_s() - sum(os.times()[:4])} if spent else {}


def _parents() -> dict[int, int]:
    """Return the parent's id of each process of this machine."""
    parents = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(directory.name)] = int(_stat(directory)[1])
    return parents


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid in parents:
        yield pid
        pid = parents[pid]


def count_booked(url: str) -> tuple[int, int]:
    """Return the numbers of orders and tickets in a database."""
    with psycopg.connect(url, row_factory=tuple_row) as connection:
        (row,) = connection.execute(queries.bench.count_booked.sql).fetchall()
    return row


def _stat(directory: Path) -> list[str]:
    """Return the fields of a process's `stat` after its name, which may contain spaces and parentheses."""
    return (directory / "stat").read_text(errors="replace").rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    try:
        fields = _stat(Path("/proc", str(pid)))
    except OSError:  # The process has just ended.
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
