"""The whole system as `make run` starts it, on a small disk."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from api.database.embedded import EmbeddedServer
from tests.faults.target import MODES, SHORT_TIMEOUTS, Target, is_running, until
from tests.full_disk import Disk, small_disk
from tests.stack import Process, clean_environment, free_port, processes_of, responds, temporary_directory

DISK_MB = 1536
"""Size of the disk: the data, and the server's log of up to a gigabyte."""
WORKER_SILENCE_MAX_S = 8
RUNNING = "Stop with Ctrl-C"
"""The last line that `make run` prints at its start."""
API, WORKER, WEB_APP = "-m api serve", "-m api worker", "-m webapp"
"""The ends of the command lines of the system's parts."""


class SupervisedTarget(Target):
    """A system whose supervisor restarts its parts."""

    def __init__(self, mode: str, disk: Disk, log: Path, environment: Mapping[str, str]) -> None:
        ports = {name: free_port() for name in ("API_PORT", "WEB_PORT", "PSP_PORT", "MAILBOX_PORT", "MAILBOX_WEB_PORT")}
        super().__init__(mode, ports["API_PORT"], f"http://127.0.0.1:{ports['PSP_PORT']}")
        self.web_url = f"http://127.0.0.1:{ports['WEB_PORT']}/"
        self.disk = disk
        self.server = EmbeddedServer(disk.directory / "data")
        self._log = log
        self._environment = {
            **clean_environment(),
            "DATA_DIR": str(self.server.data_dir),
            **{name: str(port) for name, port in ports.items()},
            "API_WORKERS": "2",
            "ENDPOINT_RPS": "0",
            "SHUTDOWN_DELAY_MS": "0",
            "WORKER_SILENCE_MAX_S": str(WORKER_SILENCE_MAX_S),
            **SHORT_TIMEOUTS,
            **MODES[mode],
            **environment,
        }

    @property
    def database_url(self) -> str:
        return self.server.url()

    def logs(self) -> str:
        return self._log.read_text(errors="replace")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the system for the duration of the context."""
        process = Process(["api", "run"], self._environment, self._log)
        try:
            await process.wait_until(lambda: RUNNING in process.output(), "the addresses")
            yield
        finally:
            await process.stop()

    def pids_of(self, command: str) -> set[int]:
        """Return the processes whose command line ends with a text."""
        return {pid for pid, line in processes_of(self.server.data_dir).items() if line.strip().endswith(command)}

    def watchdog_pids(self) -> Iterator[int]:
        """Return the process that restarts the database."""
        return (pid for pid, line in processes_of(self.server.data_dir).items() if "watchdog.py" in line)

    async def until_replaced(self, command: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a part's processes, and wait until the supervisor has started others."""
        before = self.pids_of(command)
        for pid in sorted(before):  # The parent comes first, so that it does not restart its children.
            os.kill(pid, number)
        await until(lambda: bool(self.pids_of(command) - before), f"the supervisor restarts {command}")
        await until(lambda: not any(map(is_running, before)), f"the former processes of {command} end")

    async def until_web_app_responds(self) -> None:
        await until(lambda: responds(self.web_url), "the web app responds")


@contextlib.asynccontextmanager
async def running_supervised_target(
    mode: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[SupervisedTarget]:
    """Run the system in a payment mode as `make run` does."""
    with small_disk(DISK_MB) as disk, temporary_directory() as directory:
        target = SupervisedTarget(mode, disk, directory / "run.log", environment or {})
        async with target.running():
            yield target
