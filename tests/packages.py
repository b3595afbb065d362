"""Programs that the tests need beyond the locked dependencies. Missing ones are installed: no test may be skipped."""

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

INSTALL_TIMEOUT_S = 240.0


def find_or_install(find: Callable[[], str | None], installers: Sequence[list[str]], advice: str) -> str:
    """Return the path of a program; run installers until one of them provides it.

    The test fails with `advice` if none does.
    """
    with _alone():
        if path := find():
            return path
        for command in installers:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT_S, capture_output=True)
            if path := find():
                return path
    pytest.fail(advice)


def debian_installers(package: str) -> list[list[str]]:
    """Return the command that installs a package of Debian; nothing for other systems and without root's rights."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return []
    return [["sh", "-c", f"apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y {package}"]]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Exclude other processes: apt runs once at a time, and a program's file appears before its libraries."""
    with Path(__file__).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
