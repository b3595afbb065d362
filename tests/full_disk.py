"""A disk that tests fill up under an embedded PostgreSQL server."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psycopg

from tests.stack import processes_of, temporary_directory

MOUNTED_MB = 192
"""Size of a mounted disk, by default: a new cluster with the tests' database needs about half of it."""
_RESERVE_BYTES = 1_000_000


class Disk(Protocol):
    """A disk for a server's data."""

    directory: Path

    def fill(self) -> None:
        """Leave no space on the disk."""
        ...

    def free(self) -> None:
        """Give the space back."""
        ...


class MountedDisk:
    """A small file system of its own, which a large file fills."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._filler = directory / "filler"

    def fill(self) -> None:
        while (free := os.statvfs(self.directory).f_bavail * os.statvfs(self.directory).f_frsize) > 0:
            with self._filler.open("ab") as file:
                file.write(bytes(min(free, _RESERVE_BYTES)))

    def free(self) -> None:
        self._filler.unlink()


class LimitedDisk:
    """A directory whose processes fail at every write. It needs no rights, and works on Linux only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def fill(self) -> None:
        self._limit_file_size("0")

    def free(self) -> None:
        self._limit_file_size("unlimited")

    def _limit_file_size(self, limit: str) -> None:
        for pid in processes_of(self.directory):
            with contextlib.suppress(FileNotFoundError):  # The process has ended.
                owner = Path("/proc", str(pid)).stat()
                subprocess.run(
                    ["prlimit", f"--pid={pid}", f"--fsize={limit}:"],
                    # Only the user of a process may change its limits.
                    user=owner.st_uid if os.geteuid() == 0 else None,
                    group=owner.st_gid if os.geteuid() == 0 else None,
                    check=False,
                )


@contextlib.contextmanager
def small_disk(size_mb: int = MOUNTED_MB) -> Iterator[Disk]:
    """Mount a small disk, or take a directory whose writes can be made to fail if this user may not mount."""
    with temporary_directory() as directory:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(directory)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            yield LimitedDisk(directory)
            return
        try:
            yield MountedDisk(directory)
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)


def write_until_it_ends(url: str) -> None:
    """Start new files of a database's write-ahead log, until there is no space for one."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as conn:
        while True:
            conn.execute("select pg_logical_emit_message(false, 'test', 'filler')")
            conn.execute("select pg_switch_wal()")
