"""The system of any revision, started through its commands and observed over HTTP.

It uses only what every revision has in common: the commands, the variables of the environment and the HTTP interface.
"""

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import msgspec

from api.commands.bench.load import GRACE_S
from api.commands.bench.revisions import run_command
from api.commands.bench.system import PORTS, descendants, measure_cpu_s
from api.commands.ports import free_port
from api.commands.processes import (
    API,
    WORKER,
    Build,
    Process,
    ProcessEndedError,
    Service,
    environment_of,
    wait_until_ready,
)
from api.config import Settings
from api.errors import SetupError
from api.tls import PLAIN_HTTP

_COMMAND_TIMEOUT_S = 300.0
"""Time for a seed or an audit of the largest event."""
_LOG_LINES_SHOWN = 20


def payment_success_rate() -> str:
    """Return the share of captured payments from the environment; by default all, so that no booking is declined."""
    return os.environ.get("PAYMENT_SUCCESS_RATE") or "1"


class BuildSystem:
    """The API, the worker and the embedded PostgreSQL server of a build, in a directory of their own."""

    def __init__(self, build: Build, directory: Path, settings: Settings) -> None:
        self.build = build
        self._log = directory / "output.log"
        self._data_dir = directory / "data"
        self._processes: list[Process] = []
        self.settings = msgspec.structs.replace(
            settings,
            database_url=None,
            data_dir=self._data_dir,
            api_host="127.0.0.1",
            api_port=free_port(random.choice(PORTS), ("127.0.0.1",)),
            public_api_url="",
            payment_mode="inline",
        )
        # Another revision has other settings, so only the variables of this process and these reach it.
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")} | {
            "DATA_DIR": str(self.settings.data_dir),
            "API_HOST": self.settings.api_host,
            "API_PORT": str(self.settings.api_port),
            "PUBLIC_API_URL": "",
            "PAYMENT_MODE": self.settings.payment_mode,
            "PAYMENT_SUCCESS_RATE": payment_success_rate(),
            "ENDPOINT_RPS": "0",
            "SHUTDOWN_DELAY_MS": "0",
        }

    @contextlib.contextmanager
    def running(self, inventories: Mapping[str, str]) -> Iterator[None]:
        """Run the system while the context lasts, with an event for each inventory.

        Raises:
            SetupError: the build cannot run; the message contains the end of its output.
        """
        with contextlib.ExitStack() as cleanup:
            output = cleanup.enter_context(self._log.open("wb"))
            self._run("migrate")
            try:
                # The worker comes first: it keeps PostgreSQL running between the commands of the seed.
                self._start(WORKER, output.fileno(), cleanup)
                self._run("seed")
                for event, inventory in inventories.items():
                    self._run("seed", "--event", event, "--inventory", inventory)
                self._start(API, output.fileno(), cleanup)
                wait_until_ready(self.settings, self._processes)
                yield
            except (ProcessEndedError, httpx.HTTPError) as error:
                tail = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
                raise SetupError("\n".join([f"{self.build.directory} failed: {error}", *tail])) from error

    def audit(self) -> str:
        """Return the report of the audit if an invariant does not hold; an empty text otherwise."""
        try:
            self._run("audit")
        except SetupError as error:
            return str(error)
        return ""

    def tickets_sold(self, event: str) -> int:
        """Return the number of tickets of an event that are not available."""
        url = f"http://127.0.0.1:{self.settings.api_port}/api/tickets/availability?event={event}"
        tiers = httpx.get(url, trust_env=False, timeout=GRACE_S, verify=PLAIN_HTTP).raise_for_status().json()
        return sum(tier["total"] - tier["available"] for tier in tiers.values())

    def cpu_s(self) -> dict[str, float]:
        """Return the processor time of each service, as `measure_cpu_s` does."""
        roots = {process.name: process.pid for process in self._processes}
        for file in self._data_dir.rglob("postmaster.pid"):
            roots["PostgreSQL"] = int(file.read_text().split("\n", 1)[0])
        return measure_cpu_s(descendants(roots))

    def _start(self, service: Service, output_fd: int, cleanup: contextlib.ExitStack) -> None:
        environment = environment_of(service, self._environment)
        process = Process(service, environment, output_fd, self.build)
        self._processes.append(process)
        cleanup.callback(process.stop, force=lambda: False)

    def _run(self, *arguments: str) -> None:
        command: list[str | Path] = [self.build.python, "-m", "api", *arguments]
        run_command(command, self.build.directory, timeout_s=_COMMAND_TIMEOUT_S, environment=self._environment)
