"""The default PostgreSQL server, kept in `DATA_DIR`: used when `DATABASE_URL` is unset.

Several processes share one server. The first one starts it, and it stops after the last one has ended, even by a
crash. Three file locks in `DATA_DIR` coordinate them. The kernel releases a lock when its holder ends, whereas a list
of process ids would outlive a crash.

* `starting.lock`, exclusive: one process at a time starts, joins or leaves.
* `users.lock`, shared: each user holds it. The watchdog (`api/database/watchdog.py`) waits for the exclusive lock and
  then stops the server.
* `server.lock`: the watchdog and every server process inherit it, so it is free once all of them have ended.

The wheel's own `get_server` is not used. It keeps a list of process ids, adds a system user and, as root, opens every
parent directory of the data to everyone.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg import sql

from api.config import Settings
from api.data_dir import open_private, prepare, unusable
from api.database.programs import Owner, adopt, binaries_for, data_argument, owner_of, run_as, server_environment
from api.database.roles import APPLICATION, OWNER, ensure_application_role, write_authentication
from api.errors import SetupError

DATABASE = "tickets"
PORT = 5432
"""Part of the socket file's name; the server does not listen on TCP."""

START_TIMEOUT_S = 120.0
"""Long enough for recovery after a crash, which replays the log."""
STOP_TIMEOUT_S = 60.0
"""Long enough for the shutdown's checkpoint, which writes up to `shared_buffers`."""
KILL_TIMEOUT_S = 10.0
"""Time for the server to end after SIGQUIT, and again after SIGKILL."""
POLL_S = 0.02
LOG_BYTES_MAX = 10_000_000
"""The next start renames a larger log; one older log is kept."""
NEW_CLUSTER_BYTES = 150_000_000
"""Space for a new cluster, the default events, and the log of the first changes."""
SOCKET_PATH_BYTES_MAX = 103
"""Limit of a Unix socket's path on macOS, in bytes; Linux allows 107."""

SERVER_SETTINGS = {
    # Clients connect only through the socket in the data directory, whose mode is 0700.
    "listen_addresses": "",
    "port": str(PORT),
    # Relative to the data directory, in which the server runs, so the path is never too long for a socket.
    "unix_socket_directories": ".",
    # A confirmed booking survives a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Enough for `DB_POOL_MAX` in each API process, the workers, migrations and psql.
    "max_connections": "200",
    # By default SERIALIZABLE locks a whole page after three tuples of it were read, and a table after a few pages.
    # Bookings would then conflict over tickets that they never touched.
    "max_pred_locks_per_transaction": "512",
    "max_pred_locks_per_page": "64",
    # Large enough for the tables and indexes of a large event.
    "shared_buffers": "256MB",
    # Compiling a short statement takes longer than running it.
    "jit": "off",
    # Bookings take milliseconds, so a wait of a second for a lock is unusual.
    "log_lock_waits": "on",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
"""Command-line settings, which override those that an older version of the code wrote to a file."""


class EmbeddedServer:
    """One use of the server in a data directory; a context manager that starts and stops the server.

    Args:
        data_dir: the directory of the server's data, which is created if it does not exist.
        durable: False for throw-away data, which a crash of the machine may destroy. The server then does not wait for
            the disk. A crash of the server itself still loses nothing.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self.data_dir / "postgres.log"
        self._durable = durable
        self._users_fd: int | None = None
        self._reaper: threading.Thread | None = None

    def __enter__(self) -> "EmbeddedServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Return the server's process id, or None if it does not run."""
        try:
            return int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def url(self, database: str = DATABASE, role: str = OWNER) -> str:
        """Return the libpq URL of one of the server's databases for a role."""
        host = quote(str(self._socket_dir()), safe="")
        return f"postgresql://{role}@/{quote(database)}?host={host}&port={PORT}"

    def start(self) -> None:
        """Start the server, or join the running one, and wait until it accepts connections. Repeating it is harmless.

        This process then has no variables of libpq, because these are for other servers. `PGHOSTADDR`, for example,
        would redirect every connection to this server to another address.

        Raises:
            SetupError: the server cannot run here; the message gives the reason.
        """
        for name in [name for name in os.environ if name.startswith("PG")]:
            del os.environ[name]
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise unusable(self.data_dir, error) from error
        except BaseException:  # Ctrl-C during initdb included
            self.stop()
            raise

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Leave the server; stop it, and wait for its end, if it has no other user.

        Args:
            mode: `fast` writes a checkpoint; `immediate` stops like a crash, so the next start recovers.
        """
        if self._users_fd is None:
            return
        users_fd, self._users_fd = self._users_fd, None
        try:
            with self._starting():
                last = self._leave(users_fd, mode)
        except FileNotFoundError:  # The data directory was deleted, so no other process can start or join the server.
            last = self._leave(users_fd, mode)
        if last and self._reaper:
            self._reaper.join(KILL_TIMEOUT_S)

    def _leave(self, users_fd: int, mode: Literal["fast", "immediate"]) -> bool:
        """Release the users' lock; stop the server and return True if it has no other user."""
        last = _try_lock(users_fd)
        if last:
            self._signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
        else:
            # The call returns at once while the server has other users. If the watchdog is already stopping the
            # server, it returns after the watchdog's end.
            fcntl.flock(users_fd, fcntl.LOCK_SH)
        os.close(users_fd)
        if last:
            with contextlib.suppress(FileNotFoundError):  # The data directory was deleted.
                self._wait_until_ended()
            self._short_socket_dir().unlink(missing_ok=True)
        return last

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server and start it again."""
        self.stop(mode)
        self.start()

    def keep_reachable(self) -> bool:
        """Restore the link to the server's socket; return False if the watchdog and the server have ended.

        A server creates its socket only at its start. If the socket was deleted, the server therefore stops, and the
        watchdog starts it again.
        """
        self._link_socket_dir()
        if self._is_ready() and not (self.cluster / f".s.PGSQL.{PORT}").exists():
            self._signal(signal.SIGINT)
        with self._starting():
            return self._runs()

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create a database unless it exists."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            exists = conn.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
            if not exists:
                # Another process may be creating the same database.
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def _start(self) -> None:
        owner = owner_of(self.cluster)
        prepare(self.data_dir, owner)
        with self._starting():
            if self._users_fd is None:
                self._users_fd = open_private(self.data_dir / "users.lock", os.O_RDWR)
            fcntl.flock(self._users_fd, fcntl.LOCK_SH)  # Waits while the watchdog stops the server.
            self._link_socket_dir()
            self._run_until_ready(owner)
            ensure_application_role(self.url("postgres"))

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Hold `starting.lock`, so that no other process starts, joins or leaves."""
        fd = open_private(self.data_dir / "starting.lock", os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _run_until_ready(self, owner: Owner | None) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        log_offset: int | None = None
        while True:
            if not self._runs():
                if log_offset is not None:
                    raise SetupError(f"The embedded PostgreSQL cannot start: {self._reason(log_offset)}")
                log_offset = self._launch(owner)
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"The embedded PostgreSQL did not respond within {START_TIMEOUT_S:.0f} s: see {self.log}."
                    ) from error
                time.sleep(POLL_S)
            else:
                return

    def _runs(self) -> bool:
        """Return True if any process of the server is left; the caller holds `starting.lock`."""
        with self._server_lock() as fd:
            return not _try_lock(fd)

    @contextlib.contextmanager
    def _server_lock(self) -> Iterator[int]:
        fd = open_private(self.data_dir / "server.lock", os.O_RDWR)
        try:
            yield fd
        finally:
            os.close(fd)

    def _launch(self, owner: Owner | None) -> int:
        """Start the watchdog, which starts the server; return the log's size before."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.rename(self.log.with_suffix(".log.old"))
        log_fd = open_private(self.log, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(log_fd, "ab") as log, self._server_lock() as lock_fd:
            os.fchmod(log.fileno(), 0o600)  # The log quotes statements with the buyers' names.
            offset = log.tell()
            binaries = binaries_for(owner)
            if not self.cluster.exists():
                self._create_cluster(binaries, owner, log.fileno())
            elif owner:
                adopt(self.cluster, owner)
            write_authentication(self.cluster, owner)
            # The free lock proves that no server process is left, so these files stem from a crash. PostgreSQL would
            # refuse to start if another program had its process id by now.
            for stale in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):
                (self.cluster / stale).unlink(missing_ok=True)
            fcntl.flock(lock_fd, fcntl.LOCK_EX)
            command = [str(binaries / "postgres"), "-D", data_argument(self.cluster, owner)]
            settings = SERVER_SETTINGS | ({} if self._durable else {"fsync": "off"})
            command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            watchdog = subprocess.Popen(  # noqa: S603 - our own script
                [
                    sys.executable,
                    *("-I", "-S", str(Path(__file__).with_name("watchdog.py"))),
                    *(str(self.data_dir / "users.lock"), str(self.cluster)),
                    *(f"{owner.uid}:{owner.gid}" if owner else "", str(lock_fd)),
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock_fd],
                env=server_environment(),
                # Ctrl-C at a terminal reaches a whole process group, but the server must outlast each user.
                start_new_session=True,
            )
        # The watchdog may end at any time. The thread reaps it, so that no zombie stays.
        self._reaper = threading.Thread(target=watchdog.wait, daemon=True)
        self._reaper.start()
        return offset

    def _create_cluster(self, binaries: Path, owner: Owner | None, log_fd: int) -> None:
        """Run initdb in a temporary directory and rename it, so that an interrupted run leaves no cluster."""
        free = shutil.disk_usage(self.data_dir).free
        if free < NEW_CLUSTER_BYTES:
            raise SetupError(
                f"The embedded PostgreSQL needs {NEW_CLUSTER_BYTES // 10**6} MB of space for its data, but the disk of "
                f"{self.data_dir} has {free // 10**6} MB: make space, or choose another with DATA_DIR=directory."
            )
        new = self.cluster.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if owner:
            os.chown(new, *owner, follow_symlinks=False)
        command = [
            *(str(binaries / "initdb"), "--pgdata", data_argument(new, owner), "--username", OWNER),
            "--auth=peer",  # `write_authentication` replaces the files of initdb.
            # The builtin provider sorts strings alike on every machine, independently of its C library.
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            "--no-instructions",
            *(() if self._durable else ("--no-sync",)),
        ]
        offset = self.log.stat().st_size
        if run_as(owner, command, cwd=new, output_fd=log_fd) != 0:
            raise SetupError(f"The embedded PostgreSQL cannot be set up: {self._reason(offset)}")
        new.rename(self.cluster)
        parent_fd = os.open(self.data_dir, os.O_RDONLY)
        os.fsync(parent_fd)  # Without this a power cut could undo the rename.
        os.close(parent_fd)

    def _is_ready(self) -> bool:
        """Return True while the server accepts connections. The last line of its pid file is then `ready`."""
        try:
            return (self.cluster / "postmaster.pid").read_text().split()[-1:] == ["ready"]
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _wait_until_ended(self) -> None:
        for timeout_s, harder in ((STOP_TIMEOUT_S, signal.SIGQUIT), (KILL_TIMEOUT_S, signal.SIGKILL)):
            deadline = time.monotonic() + timeout_s
            while time.monotonic() < deadline:
                if not self._runs():
                    return
                time.sleep(POLL_S)
            self._signal(harder)

    def _reason(self, log_offset: int) -> str:
        """Return the first error that the server wrote to its log after `log_offset`."""
        with self.log.open("rb") as log:
            log.seek(log_offset)
            lines = log.read().decode(errors="replace").splitlines()
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        errors = fatal or [line for line in lines if "error" in line]
        reason = errors[0].split("FATAL:")[-1].strip() if errors else "the server ended without a message"
        return f"{reason} (see {self.log})."

    def _socket_dir(self) -> Path:
        """Return the socket's directory: the cluster, or a short symbolic link to it if libpq cannot use its path."""
        socket_path = self.cluster / f".s.PGSQL.{PORT}"
        # A comma separates several hosts.
        if len(os.fsencode(socket_path)) <= SOCKET_PATH_BYTES_MAX and "," not in str(socket_path):
            return self.cluster
        return self._short_socket_dir()

    def _short_socket_dir(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"concert-tickets-{os.geteuid()}" / digest

    def _link_socket_dir(self) -> None:
        link = self._socket_dir()
        if link == self.cluster:
            return
        link.parent.mkdir(mode=0o700, exist_ok=True)
        status = link.parent.lstat()
        # Any user can write to the directory for temporary files, so a link there may be another user's.
        if status.st_uid != os.geteuid() or status.st_mode & 0o077 or link.parent.is_symlink():
            raise SetupError(f"The directory {link.parent} is not private to this user: remove it.")
        if not (link.is_symlink() and link.readlink() == self.cluster):
            link.unlink(missing_ok=True)
            link.symlink_to(self.cluster)


@contextlib.contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database for the application; keep the embedded server running in this context."""
    if settings.database_url:
        yield settings.database_url
        return
    with EmbeddedServer(settings.data_dir) as server:
        server.ensure_database()
        yield server.url(role=APPLICATION)


@contextlib.contextmanager
def direct_database_url(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database for its owner, past a connection pooler; keep the embedded server running."""
    if settings.database_url:
        yield settings.database_direct_url or settings.database_url
        return
    with EmbeddedServer(settings.data_dir) as server:
        server.ensure_database()
        yield server.url()


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
