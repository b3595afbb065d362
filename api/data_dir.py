"""The directory for data, generated secrets and the state of running processes, which only its owner can enter."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from api.errors import SetupError

_REASONS = {
    errno.EEXIST: "it is a file",
    errno.ENOTDIR: "a part of its path is a file",
    errno.EACCES: "this user has no access",
    errno.EPERM: "this user has no access",
    errno.EROFS: "its file system is read-only",
    errno.ENOSPC: "its disk is full",
    errno.ELOOP: "it contains a symbolic link",
}

_OWN_FILES = frozenset(
    {
        *("postgres", "postgres.new", "postgres.log", "postgres.log.old"),
        *("starting.lock", "users.lock", "server.lock"),
        *("webhook-secret", "ticket-secret", "timelines.json", "run"),
    }
)
"""The names that this system creates in the directory."""


def prepare(data_dir: Path, owner: tuple[int, int] | None = None) -> None:
    """Create a data directory with mode 0700, or make an existing one private.

    A directory that has other content, such as a home directory, keeps its permissions and its owner.

    Args:
        data_dir: the data directory.
        owner: user and group id of the directory's owner; None for the current user.

    Raises:
        OSError: the directory cannot be created or read.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = data_dir.stat()
    if os.geteuid() not in (0, status.st_uid) or any(path.name not in _OWN_FILES for path in data_dir.iterdir()):
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        data_dir.chmod(0o700)
    if owner and status.st_uid != owner[0]:
        os.chown(data_dir, *owner)


def unusable(data_dir: Path, error: OSError) -> SetupError:
    """Return the error for a data directory that cannot be used, with the reason and the remedy."""
    reason = _REASONS.get(error.errno or 0, error.strerror)
    return SetupError(
        f"The directory {data_dir} cannot be used ({reason}): change this, or choose another with DATA_DIR=directory."
    )


def open_private(path: Path, flags: int) -> int:
    """Open a file of the data directory, create it readable only by its owner if needed, and return its descriptor.

    The directory may belong to another user. A link in it could lead to a file of the current user.

    Raises:
        OSError: the file cannot be opened, or is a symbolic link.
    """
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW, 0o600)


@contextlib.contextmanager
def runtime_directory(data_dir: Path, name: str) -> Iterator[Path]:
    """Yield an empty directory for the state of one running process; remove it afterwards.

    The directory is within the data directory, because operating systems delete old files of `/tmp`.

    Args:
        data_dir: the data directory.
        name: name of the process, which no other running process has. A killed process leaves its directory behind.

    Raises:
        SetupError: the directory cannot be created.
    """
    directory = data_dir.resolve() / "run" / name
    try:
        prepare(data_dir)
        shutil.rmtree(directory, ignore_errors=True)
        directory.parent.mkdir(mode=0o700, exist_ok=True)
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise unusable(data_dir, error) from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
