"""A primary and a synchronous standby of it, each with an address of its own."""

import contextlib
import os
import signal
from pathlib import Path

import psycopg

from api.database.programs import binaries_for, owner_of, run_as
from tests.stack import TEMPLATE, eventually

STANDBY = "standby"
"""The standby's application name, which the primary's `synchronous_standby_names` contains."""
SETTINGS = {
    "max_connections": "60",
    "shared_buffers": "32MB",
    "wal_log_hints": "on",
    "max_pred_locks_per_transaction": "512",
    "max_pred_locks_per_page": "64",
    # A frozen peer must not end the replication by itself.
    "wal_sender_timeout": "0",
    "wal_receiver_timeout": "0",
}


class ReplicatedServer:
    """A PostgreSQL server on a loopback address of its own."""

    def __init__(self, directory: Path, name: str, host: str, port: int) -> None:
        self.cluster = directory / name
        self.host = host
        self.port = port
        self._owner = owner_of(self.cluster)
        self._binaries = binaries_for(self._owner)
        self._log = directory / f"{name}.log"
        directory.chmod(0o711)  # mkdtemp's 0700 would exclude the server's user.
        self.cluster.mkdir(mode=0o700)
        if self._owner:
            os.chown(self.cluster, *self._owner)

    def create(self) -> None:
        """Initialize an empty primary that accepts replication connections."""
        self.run("initdb", "--username=tickets", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")

    def copy_of(self, primary: "ReplicatedServer") -> None:
        """Initialize a standby of a running primary."""
        conninfo = f"host={primary.host} port={primary.port} user=tickets application_name={STANDBY}"
        self.run("pg_basebackup", "-d", conninfo, "--checkpoint=fast", "--write-recovery-conf", "--no-sync")

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = {**SETTINGS, "listen_addresses": self.host, "port": str(self.port), "unix_socket_directories": ""}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self.run("pg_ctl", "start", "--wait", f"--log={self._log}", f"--options={options}")

    def kill(self) -> None:
        """Kill all processes of the server with SIGKILL, as a power cut does."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not any(_runs(pid) for pid in pids))
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "promote", "--wait")

    def processes(self) -> list[int]:
        """Return the ids of the postmaster and its children, the postmaster first."""
        with contextlib.suppress(OSError):
            postmaster = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            return [postmaster, *_children(postmaster)]
        return []

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tickets@{self.host}:{self.port}/{database}"

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement outside of a transaction; return its rows."""
        with psycopg.connect(self.url(TEMPLATE), autocommit=True, connect_timeout=5) as conn:
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on the server's data directory."""
        command = [str(self._binaries / program), "-D", str(self.cluster), *arguments]
        with self._log.open("ab") as log:
            code = run_as(self._owner, command, cwd=self.cluster, output_fd=log.fileno())
        assert code == 0, f"{program} ended with {code}:\n{self._log.read_text()}"
