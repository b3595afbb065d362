"""`python -m api run`: one command starts the whole system, one signal stops it."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from api.commands.audit import audit
from api.commands.processes import STOP_GRACE_S
from api.commands.seed import DEFAULT_EVENTS, seed_default
from api.commands.signals import FORCE_AFTER_S
from api.commands.supervisor import RESTARTS_MAX
from api.database.embedded import EmbeddedServer
from api.database.migrations import migrate
from api.database.roles import APPLICATION
from tests.stack import (
    HTTP_TIMEOUT_S,
    PLAIN_HTTP,
    Process,
    TcpServer,
    clean_environment,
    eventually,
    free_port,
    processes_of,
    responds,
    temporary_directory,
    throw_away_server,
)

RUNNING = "Stop with Ctrl-C"


class System:
    """A system started by one command, with a data directory and ports of its own."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.data_dir = directory / "data"
        self.api_port, self.web_port, self.psp_port = free_port(), free_port(), free_port()
        self.mailbox_web_port = free_port()
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self._log = directory / "run.log"
        self._environment = {
            **clean_environment(),
            "DATA_DIR": str(self.data_dir),
            "API_PORT": str(self.api_port),
            "WEB_PORT": str(self.web_port),
            "PSP_PORT": str(self.psp_port),
            "STAFF_PORT": str(free_port()),
            "MAILBOX_PORT": str(free_port()),
            "MAILBOX_WEB_PORT": str(self.mailbox_web_port),
            "API_WORKERS": "1",
            "PAYMENT_SUCCESS_RATE": "1",
            "SHUTDOWN_DELAY_MS": "0",
            **environment,
        }

    def start(self) -> None:
        self._log.unlink(missing_ok=True)
        self.process = Process(["api", "run"], self._environment, self._log)

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        await self.process.wait_until(condition, what)

    async def until_running(self) -> None:
        await self.until(lambda: RUNNING in self.process.output(), "the addresses")

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a stop signal; check that all processes end."""
        self.process.popen.send_signal(number)
        assert await self.process.wait() == 0, self.process.output()
        assert not processes_of(self.data_dir)

    def pid_of(self, command: str, default: int = 0) -> int:
        found = [pid for pid, line in processes_of(self.data_dir).items() if line.strip().endswith(command)]
        return min(found, default=default)

    async def other_pid(self, command: str, ended: int) -> int:
        """Wait until another process runs the command of a process that ended; return its id."""
        await self.until(lambda: self.pid_of(command, ended) != ended, f"another process {command}")
        return self.pid_of(command)

    def server_pid(self) -> int:
        """Return the id of PostgreSQL's main process."""
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.fixture(scope="module")
def prepared_data() -> Iterator[Path]:
    """The data directory of a stopped system: PostgreSQL with all migrations and the default events."""
    with temporary_directory() as directory:
        with throw_away_server(directory / "data") as server:
            server.ensure_database()
            migrate(server.url())
            seed_default(server.url())
        yield directory / "data"


@pytest.fixture
async def make_system() -> AsyncIterator[Callable[..., System]]:
    """Function that makes systems without data."""
    systems: list[System] = []
    with temporary_directory() as directory:

        def make(**environment: str) -> System:
            own_directory = directory / str(len(systems))
            own_directory.mkdir()
            systems.append(System(own_directory, environment))
            return systems[-1]

        yield make
        for system in systems:
            await system.process.stop()


@pytest.fixture
def make_prepared_system(make_system: Callable[..., System], prepared_data: Path) -> Callable[..., System]:
    """Function that makes systems with data, which start sooner."""

    def make(**environment: str) -> System:
        system = make_system(**environment)
        subprocess.run(["cp", "-a", prepared_data, system.data_dir], check=True)
        return system

    return make


async def test_the_system_serves_and_prints_its_addresses(make_system: Callable[..., System]) -> None:
    system = make_system()
    system.start()
    await system.until_running()
    output = system.process.output()
    assert f"Web app   http://localhost:{system.web_port}\n" in output
    assert f"API       http://localhost:{system.api_port}\n" in output
    assert f"API docs  http://localhost:{system.api_port}/schema\n" in output
    assert responds(f"{system.api_url}/health/ready")
    assert responds(f"http://127.0.0.1:{system.web_port}/")
    assert responds(f"{system.api_url}/schema")
    await system.stop()
    assert not responds(f"{system.api_url}/health/live")


async def test_two_systems_run_side_by_side_and_the_next_run_has_the_data(
    make_prepared_system: Callable[..., System],
) -> None:
    system, other = make_prepared_system(), make_prepared_system()
    system.start()
    other.start()
    await system.until_running()
    await other.until_running()
    async with httpx.AsyncClient(
        base_url=system.api_url, trust_env=False, timeout=HTTP_TIMEOUT_S, verify=PLAIN_HTTP
    ) as client:
        request = {"tier": "VIP", "quantity": 2, "userId": "user-123"}
        booked = await client.post("/api/bookings", json=request)
        assert booked.status_code == 201
        await system.stop(signal.SIGINT)
        assert responds(f"{other.api_url}/health/ready")
        await other.stop()
        system.start()
        await system.until_running()
        again = await client.get(f"/api/bookings/{booked.json()['reference']}")
        assert again.json()["bookings"] == booked.json()["bookings"]
        tiers = (await client.get("/api/tickets/availability")).json()
        assert tiers["VIP"]["available"] == 98
    await system.stop(signal.SIGINT)
    assert "Traceback" not in system.process.output()


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("PostgreSQL is created", signal.SIGINT),
        ("PostgreSQL starts", signal.SIGTERM),
        ("the database is prepared", signal.SIGINT),
        ("the API starts", signal.SIGTERM),
    ],
)
async def test_a_signal_stops_everything_at_any_moment_of_the_start(
    make_system: Callable[..., System], moment: str, number: int
) -> None:
    system = make_system()
    data = system.data_dir
    reached: dict[str, Callable[[], bool]] = {
        "PostgreSQL is created": lambda: (data / "postgres.new").exists() or (data / "postgres").exists(),
        "PostgreSQL starts": (data / "postgres" / "postmaster.pid").exists,
        "the database is prepared": lambda: "ready to accept" in _text(data / "postgres.log"),
        "the API starts": lambda: "Loaded the default event" in system.process.output(),
    }
    system.start()
    await system.until(reached[moment], moment)
    await system.stop(number)
    assert "Traceback" not in system.process.output()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_a_second_signal_stops_without_a_grace_period(make_prepared_system: Callable[..., System]) -> None:
    system = make_prepared_system()
    system.start()
    await system.until_running()
    os.kill(system.pid_of("-m webapp"), signal.SIGSTOP)  # so that it ignores SIGTERM
    system.process.popen.send_signal(signal.SIGINT)
    await system.until(lambda: "Stopping" in system.process.output(), "the first signal")
    with pytest.raises(AssertionError, match="still running"):
        await system.process.wait(FORCE_AFTER_S * 2)
    system.process.popen.send_signal(signal.SIGINT)
    assert await system.process.wait(STOP_GRACE_S - FORCE_AFTER_S * 4) == 0
    assert not processes_of(system.data_dir)


async def test_everything_ends_with_a_killed_supervisor(make_prepared_system: Callable[..., System]) -> None:
    system = make_prepared_system()
    system.start()
    await system.until_running()
    os.kill(system.process.popen.pid, signal.SIGKILL)
    assert eventually(lambda: not processes_of(system.data_dir))


async def test_each_part_that_ends_is_restarted(make_prepared_system: Callable[..., System]) -> None:
    system = make_prepared_system(PAYMENT_MODE="async")
    system.start()
    await system.until_running()
    parts = {
        "API": "-m api serve",
        "mailbox": "-m api mailbox",
        "payment simulator": "-m api psp",
        "web app": "-m webapp",
        "staff pages": "-m webapp staff",
        "worker": "-m api worker",
    }
    for command in parts.values():
        os.kill(system.pid_of(command), signal.SIGKILL)
    os.kill(system.server_pid(), signal.SIGINT)
    reports = [f"The {name} ended unexpectedly with exit code -9. Restarting it." for name in parts]
    await system.until(lambda: all(report in system.process.output() for report in reports), "the reports")
    addresses = [
        f"{system.api_url}/health/ready",
        f"http://127.0.0.1:{system.web_port}/",
        f"http://127.0.0.1:{system.psp_port}/health",
        f"http://127.0.0.1:{system.mailbox_web_port}/",
    ]
    await system.until(lambda: all(map(responds, addresses)), "all parts serve again")

    def works() -> bool:
        health = httpx.get(f"{system.api_url}/health/system", trust_env=False, verify=PLAIN_HTTP)
        return bool(health.json()["status"] == "ok")

    await system.until(works, "a worker works")
    with EmbeddedServer(system.data_dir) as server:
        assert audit(server.url()) == []
        with psycopg.connect(server.url()) as conn:
            sessions = conn.execute(
                "select distinct usename from pg_stat_activity where application_name = 'tickets-api'"
            ).fetchall()
    assert sessions == [(APPLICATION,)]

    (watchdog,) = (pid for pid, line in processes_of(system.data_dir).items() if "watchdog.py" in line)
    os.kill(watchdog, signal.SIGKILL)
    os.kill(system.server_pid(), signal.SIGKILL)
    await system.until(lambda: "The database ended unexpectedly." in system.process.output(), "the report")
    await system.until(lambda: responds(f"{system.api_url}/health/ready"), "the API serves again")
    await system.stop()


async def test_parts_that_no_longer_respond_are_restarted(make_prepared_system: Callable[..., System]) -> None:
    """The processes of the API and of the worker are frozen, and the files of the web app are deleted."""
    system = make_prepared_system(SERVER_SILENCE_MAX_S="5", WORKER_SILENCE_MAX_S="5")
    system.start()
    await system.until_running()
    worker = system.pid_of("-m api worker")
    for pid, line in processes_of(system.data_dir).items():
        if line.strip().endswith(("-m api serve", "-m api worker")):
            os.kill(pid, signal.SIGSTOP)
    shutil.rmtree(system.data_dir / "run" / f"web-{system.web_port}")
    reports = [
        *(f"The {name} has not responded for 5 s. Restarting it." for name in ("API", "web app")),
        "The worker has sent no heartbeat for 5 s. Restarting it.",
    ]
    await system.until(lambda: all(report in system.process.output() for report in reports), "the reports")
    addresses = [f"{system.api_url}/health/ready", f"http://127.0.0.1:{system.web_port}/"]
    await system.until(lambda: all(map(responds, addresses)), "both serve again")
    await system.other_pid("-m api worker", worker)
    await system.stop()


async def test_a_part_that_ends_too_often_stops_the_system(make_prepared_system: Callable[..., System]) -> None:
    system = make_prepared_system()
    system.start()
    await system.until_running()
    pid = 0
    for _ in range(RESTARTS_MAX + 1):
        pid = await system.other_pid("-m api worker", pid)
        os.kill(pid, signal.SIGKILL)
    assert await system.process.wait() == 1
    report = f"The supervisor restarted the worker {RESTARTS_MAX} times within 60 s. Stopping everything."
    assert report in system.process.output()
    assert not processes_of(system.data_dir)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        *((variable, address) for variable in ("API_PORT", "WEB_PORT") for address in ("127.0.0.1", "0.0.0.0", "::1")),  # noqa: S104
        ("PSP_PORT", "127.0.0.1"),
    ],
)
async def test_a_taken_port_is_named(make_system: Callable[..., System], variable: str, address: str) -> None:
    system = make_system(PAYMENT_MODE="async")
    port = {"API_PORT": system.api_port, "WEB_PORT": system.web_port, "PSP_PORT": system.psp_port}[variable]
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as other:
        other.bind((address, port))
        other.listen()
        system.start()
        assert await system.process.wait() == 1
    expected = f"Port {port} is taken: stop the program that uses it, or choose another with {variable}="
    assert system.process.output().startswith(expected)
    assert not system.data_dir.exists(), "a process started before the check of the ports"


async def test_serve_names_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {**clean_environment(), "DATA_DIR": str(tmp_path / "data"), "API_PORT": str(port)}
        api = Process(["api", "serve"], environment, tmp_path / "api.log")
        assert await api.wait() == 1
    assert api.output().startswith(f"Port {port} is taken: stop the program that uses it, or choose another with API_")
    assert not (tmp_path / "data").exists(), "the database started before the check of the port"


async def test_a_reset_without_a_terminal_changes_nothing(database_url: str, tmp_path: Path) -> None:
    reset = Process(["api", "reset"], {**clean_environment(), "DATABASE_URL": database_url}, tmp_path / "reset.log")
    assert await reset.wait() == 1
    assert reset.output().endswith("Type yes: \nNothing was changed.\n")
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from tickets").fetchone() == (1300,)


@pytest.mark.parametrize(
    ("first", "second"), [("API_PORT", "WEB_PORT"), ("API_PORT", "PSP_PORT"), ("WEB_PORT", "PSP_PORT")]
)
async def test_two_services_with_one_port_are_refused(
    make_system: Callable[..., System], first: str, second: str
) -> None:
    port = str(free_port())
    system = make_system(PAYMENT_MODE="async", **{first: port, second: port})
    system.start()
    assert await system.process.wait() == 1
    assert system.process.output().startswith(f"{first} and {second} are both {port}: ")


async def test_an_unused_payment_simulator_needs_no_port_and_a_hangup_stops_the_rest(
    make_prepared_system: Callable[..., System],
) -> None:
    system = make_prepared_system()
    with socket.socket() as other:
        other.bind(("127.0.0.1", system.psp_port))
        other.listen()
        system.start()
        await system.until_running()
        await system.stop(signal.SIGHUP)
    assert "Traceback" not in system.process.output()


async def test_it_runs_on_another_postgresql(make_system: Callable[..., System], other_server: TcpServer) -> None:
    name = f"run_{secrets.token_hex(4)}"
    with psycopg.connect(other_server.url(), autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    system = make_system(DATABASE_URL=other_server.url(name))
    system.start()
    await system.until_running()
    assert responds(f"{system.api_url}/api/tickets/availability")
    await system.stop()
    assert not (system.data_dir / "postgres").exists()
    with psycopg.connect(other_server.url(name)) as conn:
        tickets = sum(tier.capacity for event in DEFAULT_EVENTS for tier in event.inventory)
        assert conn.execute("select count(*) from tickets").fetchone() == (tickets,)
    assert audit(other_server.url(name)) == []


async def test_a_missing_database_is_reported_without_a_traceback(
    make_system: Callable[..., System],
) -> None:
    system = make_system(DATABASE_URL=f"postgresql://tickets:secret@127.0.0.1:{free_port()}/tickets")
    system.start()
    assert await system.process.wait() == 1
    assert system.process.output().startswith("The database cannot be used: ")
    assert "Traceback" not in system.process.output()
    assert "secret" not in system.process.output()
