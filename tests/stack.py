"""Throw-away PostgreSQL servers and whole systems of real processes."""

import asyncio
import contextlib
import itertools
import os
import random
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol

import httpx
import msgspec
import psycopg
from psycopg import sql

from api.commands.seed import seed
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.database.programs import binaries_for, owner_of, run_as
from api.database.roles import APPLICATION, OWNER, ensure_application_role

ROOT = Path(__file__).parent.parent

READY_TIMEOUT_S = 60.0
"""The longest time from a process's start until it is ready; the web app is the slowest."""
STOP_TIMEOUT_S = 60.0
"""The longest time from SIGTERM to the end of a process, which finishes its requests first."""
POLL_S = 0.05
HTTP_TIMEOUT_S = 30.0

PATIENT = {"BOOKING_WAIT_MS": "20000", "STATEMENT_TIMEOUT_MS": "20000"}
"""Settings under which a request waits on a busy machine instead of failing."""

PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""TLS settings without certificates. By default each httpx client loads all certificates, which takes 20 ms."""

TEMPLATE = "tickets_template"

_MEMORY = Path("/dev/shm")  # noqa: S108 - `tempfile` makes the names of the directories in it
"""A file system in memory, on Linux."""
_MEMORY_BYTES_MIN = 6 * 1024**3
"""Free space that the data of all test processes may need."""

# Below the usual range of ephemeral ports. A client that polls the port of a stopped server could otherwise get the
# same port for its own end of the connection. It would then connect to itself.
_PORTS = range(20_000, 32_000)


def _own_ports() -> Iterator[int]:
    """Yield the ports of this test process in random order, again and again. The processes of a run share no port."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = _PORTS[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    return itertools.cycle(random.sample(ports, len(ports)))


_OWN_PORTS = _own_ports()


class Server(Protocol):
    """A throw-away PostgreSQL server."""

    def url(self, database: str = ...) -> str: ...
    def stop(self) -> None: ...


class TcpServer:
    """A PostgreSQL server as an operator runs it: with TCP, a password and default settings.

    Its programs are the newest ones installed on this system, otherwise those of the embedded server.
    """

    def __init__(self, directory: Path) -> None:
        self.cluster = directory / "cluster"
        self.port = free_port()
        self._password = secrets.token_hex(8)
        self._owner = owner_of(self.cluster)
        self.binaries = _system_binaries() or binaries_for(self._owner)
        self._log = directory / "server.log"

    def start(self) -> None:
        self.cluster.mkdir()
        if self._owner:
            self.cluster.parent.chmod(0o711)  # mkdtemp's 0700 would exclude the server's user.
            os.chown(self.cluster, *self._owner)
        password_file = self.cluster.with_name("password")
        password_file.write_text(self._password)
        with password_file.open() as password:
            self._run(
                *("initdb", "--username=tickets", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                "--no-sync",
                "--pwfile=/dev/stdin",
                stdin_fd=password.fileno(),
            )
        self._run(
            *("pg_ctl", "start", "--wait", "--log=server.log"),
            f"--options=-h 127.0.0.1 -p {self.port} -k . -c max_connections=200 -c fsync=off",
        )

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=fast")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tickets:{self._password}@127.0.0.1:{self.port}/{database}"

    def _run(self, program: str, *arguments: str, stdin_fd: int = subprocess.DEVNULL) -> None:
        command = [str(self.binaries / program), "-D", str(self.cluster), *arguments]
        with self._log.open("ab") as log:
            code = run_as(self._owner, command, cwd=self.cluster, output_fd=log.fileno(), stdin_fd=stdin_fd)
        assert code == 0, f"{program} ended with {code}:\n{self._log.read_text()}"


def _system_binaries() -> Path | None:
    def version(path: Path) -> int:
        return int(path.parent.name) if path.parent.name.isdigit() else 0

    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
    on_path = shutil.which("postgres")
    candidates = [*debian, *([Path(on_path).parent] if on_path else [])]
    return next((path for path in candidates if (path / "postgres").exists()), None)


def throw_away_server(data_dir: Path) -> EmbeddedServer:
    """Return an embedded server that does not wait for the disk."""
    return EmbeddedServer(data_dir, durable=False)


@contextlib.contextmanager
def embedded_server() -> Iterator[EmbeddedServer]:
    """Run a throw-away embedded server."""
    with temporary_directory() as directory, throw_away_server(directory / "data") as server:
        yield server


@contextlib.contextmanager
def tcp_server() -> Iterator[TcpServer]:
    """Run a throw-away server with TCP."""
    with temporary_directory() as directory:
        server = TcpServer(directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """Create a directory with a short path, because pytest's paths are too long for a Unix socket.

    It is in memory if the system has room there. A disk needs several times as long to copy a template database.
    """
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN
    with tempfile.TemporaryDirectory(prefix="tickets-", dir=_MEMORY if has_room else None) as name:
        yield Path(name)


def prepare_template(server: Server) -> None:
    """Create the migrated and seeded database that tests clone."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        ensure_application_role(server.url("postgres"))
        if conn.info.password:  # Both roles have the same one.
            role, password = sql.Identifier(APPLICATION), sql.Literal(conn.info.password)
            conn.execute(sql.SQL("alter role {} password {}").format(role, password))
    migrate(server.url(TEMPLATE))
    seed(server.url(TEMPLATE))  # Only the built-in event; tests create others.


def application_url(url: str) -> str:
    """Return the URL of a database for the application's role, from the URL for its owner."""
    return url.replace(f"//{OWNER}", f"//{APPLICATION}", 1)


@contextlib.contextmanager
def cloned_database(server: Server, template: str = TEMPLATE) -> Iterator[str]:
    """Yield the URL of a fresh copy of a template; drop the copy afterwards, despite open connections."""
    with _database(server, template) as url:
        yield url


@contextlib.contextmanager
def empty_database(server: Server) -> Iterator[str]:
    """Yield the URL of an empty database; drop it afterwards, despite open connections."""
    with _database(server, "template0") as url:
        yield url


@contextlib.contextmanager
def _database(server: Server, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        # Without fsync this strategy takes less time than the other one, which logs each page.
        conn.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(identifier, sql.Identifier(template))
        )
        try:
            yield server.url(name)
        finally:
            conn.execute(sql.SQL("drop database {} with (force)").format(identifier))


def free_port() -> int:
    """Return a free port."""
    for port in _OWN_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise AssertionError("the ports never end")


def processes_of(data_dir: Path) -> dict[int, str]:
    """Return the commands of the processes that use a data directory, by process id.

    Their command, environment or working directory names the directory. The result is empty except on Linux.
    """
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = (process / "environ").read_bytes()
            working_dir = (process / "cwd").readlink()
            if str(data_dir) in command or os.fsencode(data_dir) in environment or data_dir in working_dir.parents:
                found[int(process.name)] = command
    return found


def clean_environment() -> dict[str, str]:
    """Return the environment without the settings of a developer's own system.

    Processes may write bytecode. Otherwise each of their several hundred starts compiles every module.
    """
    names = {*(field.name.upper() for field in msgspec.structs.fields(Settings)), "PYTHONDONTWRITEBYTECODE"}
    return {name: value for name, value in os.environ.items() if name not in names}


class Process:
    """A process of the system with its output in a file."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path, source: Path = ROOT) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=source,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that `kill` reaches its workers
            )

    async def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition is true; fail if the process ends before."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not condition():
            code = self.popen.poll()
            assert code is None, f"{what}: the process ended with {code}\n{self.output()}"
            assert time.monotonic() < deadline, f"{what}: not in {READY_TIMEOUT_S:.0f} s\n{self.output()}"
            await asyncio.sleep(POLL_S)

    async def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait until the process ends; return its exit code."""
        deadline = time.monotonic() + timeout_s
        while (code := self.popen.poll()) is None:
            assert time.monotonic() < deadline, f"still running after {timeout_s:.0f} s\n{self.output()}"
            await asyncio.sleep(POLL_S)
        return code

    async def stop(self) -> None:
        """Send SIGTERM; after the deadline kill the process and its workers."""
        if self.popen.poll() is None:
            self.popen.terminate()
            with contextlib.suppress(AssertionError):
                await self.wait()
        await self.kill()

    async def kill(self) -> None:
        """Kill the process and its workers, like a crash."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        await self.wait()

    def output(self) -> str:
        """Return the output so far."""
        return self.log.read_text(errors="replace")


class Stack:
    """A running system of real processes on ports of its own.

    `database_url` connects as the owner of the database. The processes connect as the application's role. A change of
    `environment` takes effect at the next start of a process.
    """

    def __init__(self, database_url: str, directory: Path, environment: Mapping[str, str], source: Path = ROOT) -> None:
        self.database_url = database_url
        self.api_port, self.web_port, self.psp_port = free_port(), free_port(), free_port()
        self.staff_port, self.mailbox_port, mailbox_web_port = free_port(), free_port(), free_port()
        self.mailbox_url = f"http://localhost:{mailbox_web_port}"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.web_url = f"http://localhost:{self.web_port}"
        self.simulator_url = f"http://127.0.0.1:{self.psp_port}"
        self.environment = {
            **clean_environment(),
            "DATABASE_URL": application_url(database_url),
            "DATA_DIR": str(directory / "data"),
            "API_PORT": str(self.api_port),
            "WEB_PORT": str(self.web_port),
            "PSP_PORT": str(self.psp_port),
            "STAFF_PORT": str(self.staff_port),
            "MAILBOX_PORT": str(self.mailbox_port),
            "MAILBOX_WEB_PORT": str(mailbox_web_port),
            "STRIPE_API_URL": self.simulator_url,  # for PAYMENT_PROVIDER=stripe
            "SHUTDOWN_DELAY_MS": "0",  # Tests have no load balancer.
            # Most tests send many requests of few users. The limits have tests of their own.
            "BOOKINGS_PER_MINUTE": "0",
            "ENDPOINT_RPS": "0",
            **environment,
        }
        self.private_server: EmbeddedServer | None = None
        self._directory = directory
        self._source = source
        self._processes: dict[str, Process] = {}
        self._cleanup = contextlib.ExitStack()

    @property
    def api_process(self) -> subprocess.Popen[bytes]:
        return self._processes["api"].popen

    @property
    def worker_process(self) -> subprocess.Popen[bytes]:
        return self._processes["worker"].popen

    @property
    def simulator_process(self) -> subprocess.Popen[bytes]:
        return self._processes["payment simulator"].popen

    def keep(self, resource: contextlib.AbstractContextManager[object]) -> None:
        """Close a resource after the processes have stopped."""
        self._cleanup.push(resource)

    async def start_api(self, *, ready: bool = True) -> None:
        """Start the API, always on the same port; wait until it is ready, or only until it runs."""
        await self._start("api", ["api", "serve"], f"{self.api_url}/health/{'ready' if ready else 'live'}")

    async def stop_api(self, *, kill: bool = False) -> None:
        """Stop the API; `kill` kills it and its workers, like a crash."""
        process = self._processes["api"]
        await (process.kill() if kill else process.stop())

    async def start_web(self) -> None:
        await self._start("web", ["webapp"], f"http://127.0.0.1:{self.web_port}/")

    async def start_staff_pages(self) -> None:
        """Start the server of the staff pages, always on the same port."""
        await self._start("staff", ["webapp", "staff"], f"http://127.0.0.1:{self.staff_port}/health/live")

    async def stop_staff_pages(self, *, kill: bool = False) -> None:
        process = self._processes["staff"]
        await (process.kill() if kill else process.stop())

    async def start_mailbox(self) -> None:
        """Start the mailbox for development, to which the worker sends e-mails without `SMTP_URL`."""
        await self._start("mailbox", ["api", "mailbox"], f"{self.mailbox_url}/")

    async def start_worker(self, name: str = "worker") -> int:
        """Start a worker; return the id of its process."""
        return self._run(name, ["api", "worker"]).popen.pid

    async def stop_worker(self, *, kill: bool = False) -> None:
        process = self._processes["worker"]
        await (process.kill() if kill else process.stop())

    async def start_payment_simulator(self) -> None:
        """Start the payment simulator, always on the same port."""
        await self._start("payment simulator", ["api", "psp"], f"{self.simulator_url}/health")

    async def stop_payment_simulator(self, *, kill: bool = False) -> None:
        process = self._processes["payment simulator"]
        await (process.kill() if kill else process.stop())

    def stop_database(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the database server of a stack with a private one."""
        assert self.private_server, "only start_stack(private_server=True) has a server that may stop"
        self.private_server.stop(mode)

    def start_database(self) -> None:
        assert self.private_server
        self.private_server.start()

    async def stop(self) -> None:
        """Stop all processes concurrently, then the database."""
        await asyncio.gather(*(process.stop() for process in self._processes.values()))
        self._cleanup.close()

    def logs(self) -> str:
        """Return the output of all processes so far."""
        return "\n".join(f"--- {name} ---\n{p.output()}" for name, p in self._processes.items())

    async def _start(self, name: str, arguments: list[str], address: str) -> None:
        process = self._run(name, arguments)
        await process.wait_until(lambda: responds(address), f"{name} at {address}")

    def _run(self, name: str, arguments: list[str]) -> Process:
        process = Process(arguments, self.environment, self._directory / f"{name}.log", self._source)
        self._processes[name] = process
        return process


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait until a condition is true; return False if it is not within `READY_TIMEOUT_S`."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def responds(address: str) -> bool:
    """Return True if a GET of an address succeeds."""
    try:
        response = httpx.get(address, timeout=HTTP_TIMEOUT_S, follow_redirects=True, trust_env=False, verify=PLAIN_HTTP)
    except httpx.TransportError:
        return False
    return response.is_success
