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
    """A file system of its own in memory, whose size shrinks to its content."""

    def __init__(self, directory: Path, size: str) -> None:
        self.directory = directory
        self._size = size

    def fill(self) -> None:
        while (disk := os.statvfs(self.directory)).f_bavail:
            # The content may grow before the change, which then fails.
            self._resize(f"{(disk.f_blocks - disk.f_bfree) * disk.f_frsize}", check=False)

    def free(self) -> None:
        self._resize(self._size, check=True)

    def _resize(self, size: str, *, check: bool) -> None:
        command = ["mount", "-o", f"remount,size={size}", str(self.directory)]
        subprocess.run(command, capture_output=not check, check=check)


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
        size = f"{size_mb}m"
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(directory)]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            yield LimitedDisk(directory)
            return
        try:
            yield MountedDisk(directory, size)
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)


def write_until_it_ends(url: str) -> None:
    """Start new files of a database's write-ahead log, until there is no space for one."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as conn:
        while True:
            conn.execute("select pg_logical_emit_message(false, 'test', 'filler')")
            conn.execute("select pg_switch_wal()")
