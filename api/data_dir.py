"""The directory for data, generated secrets and the state of running processes, which only its owner can enter."""

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

_OWN_FILES = ("starting.lock", "webhook-secret", "ticket-secret", "timelines.json", "run")
"""Any of these names proves that this system uses the directory, and that its permissions may change."""


def prepare(data_dir: Path) -> None:
    """Create a data directory with mode 0700, or make an existing one private.

    A directory that has other content, such as a home directory, keeps its permissions.

    Raises:
        OSError: the directory cannot be created or read.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = data_dir.stat()
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077 == 0:
        return
    if not any(data_dir.iterdir()) or any((data_dir / name).exists() for name in _OWN_FILES):
        data_dir.chmod(0o700)


@contextlib.contextmanager
def runtime_directory(data_dir: Path, name: str) -> Iterator[Path]:
    """Yield an empty directory for the state of one running process; remove it afterwards.

    It is in the data directory, because other programs delete old files of the directory for temporary files.

    Args:
        data_dir: the data directory.
        name: name of the process, which no other running process has. A killed process leaves its directory behind.

    Raises:
        OSError: the directory cannot be created.
    """
    prepare(data_dir)
    directory = data_dir.resolve() / "run" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(mode=0o700, exist_ok=True)
    directory.mkdir(mode=0o700)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
