"""Supervisors of forked processes, which run in a process of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack import ROOT

Start = Callable[[str], subprocess.Popen[str]]
"""Function that starts a script, whose only argument is the directory of its marks."""


@contextmanager
def starting_supervisors(directory: Path) -> Iterator[Start]:
    """Yield a function that starts supervisors; kill them and their processes at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, str(directory)]
        started.append(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True))
        return started[-1]

    try:
        yield start
    finally:
        for each in started:
            if each.poll() is None:
                os.killpg(each.pid, signal.SIGKILL)
            each.communicate()


def pids(directory: Path, mark: str) -> set[int]:
    """Return the processes that left a mark in the directory."""
    return {int(path.name.partition("-")[2]) for path in directory.glob(f"{mark}-*")}


def is_alive(pid: int) -> bool:
    """Return True while a process runs; a zombie does not run."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
