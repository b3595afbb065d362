"""A primary and its synchronous standby, each on a loopback address of its own."""

import asyncio
import atexit
import contextlib
import functools
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from api.database import queries
from api.database.programs import binaries_for, owner_of, run_as
from tests.faults.target import children_of, frozen, is_running
from tests.faulty_proxy import FaultyProxy
from tests.stack import TEMPLATE, eventually, free_port, prepare_template, temporary_directory

_SETTINGS = {
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "wal_log_hints": "on",
    "max_pred_locks_per_transaction": "512",
    "max_pred_locks_per_page": "64",
    "unix_socket_directories": "",
    # The tests decide when a replication connection ends.
    "wal_sender_timeout": "0",
    "wal_receiver_timeout": "0",
    "wal_retrieve_retry_interval": "100ms",
}


class Server:
    """A PostgreSQL server with a data directory of its own; `tickets` is its superuser."""

    def __init__(self, directory: Path, host: str) -> None:
        self.host = host
        self.port = free_port()
        self.cluster = directory / host
        self._owner = owner_of(self.cluster)
        self._binaries = binaries_for(self._owner)
        self._log = directory / f"{host}.log"
        directory.chmod(0o711)  # mkdtemp's 0700 would exclude the server's user.
        self.cluster.mkdir(mode=0o700)
        if self._owner:
            os.chown(self.cluster, *self._owner)

    def create(self) -> None:
        """Initialize an empty cluster."""
        self._run("initdb", "--username=tickets", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        with (self.cluster / "postgresql.conf").open("a") as settings:
            # `rewind` needs the log since the promotion. It recovers a killed server with the settings of this file.
            settings.write("wal_keep_size = '512MB'\n")

    def copy(self, template: Path) -> None:
        """Copy the cluster of a stopped server."""
        for path in template.iterdir():
            subprocess.run(["cp", "-a", str(path), str(self.cluster)], check=True)

    def follow(self, link: FaultyProxy) -> None:
        """Make the copied cluster a standby that replicates through `link`."""
        (self.cluster / "standby.signal").touch()
        with (self.cluster / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host=127.0.0.1 port={link.port} user=tickets sslmode=disable'\n")
            # After its promotion the server has no standby of its own.
            settings.write("synchronous_standby_names = ''\n")

    def rewind(self, source: "Server") -> None:
        """Undo the changes of this stopped server that `source` lacks, and copy the changes of `source`."""
        self._run("pg_rewind", f"--source-server={source.url()}")

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        # `FaultyProxy` connects to 127.0.0.1.
        settings = {**_SETTINGS, "port": str(self.port), "listen_addresses": f"127.0.0.1,{self.host}"}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self._log}", f"--options={options}")

    def processes(self) -> list[int]:
        """Return the ids of the server's processes."""
        with contextlib.suppress(OSError):
            return [self._postmaster(), *children_of(self._postmaster())]
        return []

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes with SIGSTOP for the duration of the context, the one that starts others first."""
        with frozen(self._postmaster()), frozen(*children_of(self._postmaster())):
            yield

    def _postmaster(self) -> int:
        return int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])

    def shut_down(self) -> None:
        """Stop the server cleanly."""
        self._run("pg_ctl", "stop", "--wait", "--mode=fast")

    def stop(self) -> None:
        """Kill all processes at once, as a power cut does."""
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not any(map(is_running, pids)))
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "promote", "--wait")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://tickets@{self.host}:{self.port}/{database}?sslmode=disable&gssencmode=disable"

    def rows(self, statement: sql.SQL) -> list[tuple[object, ...]]:
        """Run a statement in the tests' database; return its rows."""
        with psycopg.connect(self.url(TEMPLATE), autocommit=True) as conn:
            cursor = conn.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def count_waiting(self) -> int:
        """Return the number of commits that wait for the standby."""
        rows = self.rows(sql.SQL("select count(*)::int from pg_stat_activity where wait_event = 'SyncRep'"))
        return int(str(rows[0][0]))

    def read_timeline(self) -> tuple[int, int]:
        """Return the system identifier and the timeline of this primary."""
        ((cluster, wal_file),) = self.rows(sql.SQL(queries.replication.read_timeline.sql))
        return int(str(cluster)), int(str(wal_file)[:8], 16)

    def replicate_synchronously(self, names: str) -> None:
        """Set `synchronous_standby_names`."""
        with psycopg.connect(self.url(TEMPLATE), autocommit=True) as conn:
            conn.execute(sql.SQL("alter system set synchronous_standby_names = {}").format(names))
            conn.execute("select pg_reload_conf()")

    def until_synchronous(self) -> None:
        """Wait until a standby is synchronous."""
        synchronous = sql.SQL("select 1 from pg_stat_replication where sync_state = 'sync'")
        assert eventually(lambda: bool(self.rows(synchronous))), self._log.read_text()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self.cluster), *arguments]
        self._log.touch(mode=0o666)
        self._log.chmod(0o666)
        with self._log.open("ab") as log:
            code = run_as(self._owner, command, cwd=self.cluster, output_fd=log.fileno())
        assert code == 0, f"{program} ended with {code}:\n{self._log.read_text()}"


class Pair(NamedTuple):
    """A primary with the tests' database, and a standby for which its commits wait."""

    primary: Server
    standby: Server
    link: FaultyProxy
    """The replication connection."""

    @property
    def url(self) -> str:
        """A URL with both hosts, the primary first."""
        hosts = f"{self.primary.host}:{self.primary.port},{self.standby.host}:{self.standby.port}"
        return f"postgresql://tickets@{hosts}/{TEMPLATE}?target_session_attrs=read-write&sslmode=disable"

    def fail_over(self) -> None:
        """Kill the primary, lose the data in flight, and promote the standby."""
        self.primary.stop()
        self.link.cut()
        self.standby.promote()


@functools.cache
def _template() -> Path:
    """Return the cluster of a stopped server that has the tests' database, one for the whole process."""
    resources = contextlib.ExitStack()
    atexit.register(resources.close)
    directory = resources.enter_context(temporary_directory())
    server = Server(directory, "127.0.0.2")
    server.create()
    server.start()
    prepare_template(server)
    server.shut_down()
    return server.cluster


@contextlib.asynccontextmanager
async def replicated_pair() -> AsyncIterator[Pair]:
    """Run a primary and its synchronous standby."""
    template = await asyncio.to_thread(_template)
    with temporary_directory() as directory:
        primary, standby = Server(directory, "127.0.0.2"), Server(directory, "127.0.0.3")
        async with FaultyProxy(primary.port) as link:
            pair = Pair(primary, standby, link)
            try:
                await asyncio.to_thread(_start, pair, template)
                yield pair
            finally:
                link.mend()
                for server in (primary, standby):
                    server.stop()


def _start(pair: Pair, template: Path) -> None:
    pair.primary.copy(template)
    pair.primary.start()
    pair.standby.copy(template)
    pair.standby.follow(pair.link)
    pair.standby.start()
    pair.primary.replicate_synchronously("*")
    pair.primary.until_synchronous()
