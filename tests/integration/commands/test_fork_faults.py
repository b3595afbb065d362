"""The supervisor of forked processes outlives faults of the system, and a process that crashes again and again."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.integration.commands.forked import is_alive, pids, starting_supervisors
from tests.stack import STOP_TIMEOUT_S, eventually

COUNT = 2
SCRIPT = """
import logging, os, signal, sys, threading, time
from pathlib import Path
from api.commands import forked_processes as module

logging.basicConfig(level=logging.INFO)
module.KILL_AFTER_S, module.RESTART_AFTER_S = 10, 0.01
directory = Path(sys.argv[1])
fork, forks = os.fork, []

def run():
    signal.signal(module.STOP_SIGNAL, lambda *_: ((directory / f"finished-{{os.getpid()}}").touch(), os._exit(0)))
    (directory / f"started-{{os.getpid()}}").touch()
    {work}
    time.sleep(60)

{before}
sys.exit(module.ForkedProcesses(
    run, {count}, on_stop=lambda: None, stop_delay_s=0, on_end=(directory / "ended").touch,
).supervise())
"""
FAIL_THIRD_FORK = """
def failing_fork():
    forks.append(None)
    if len(forks) == 3:
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = failing_fork
"""
VANISHING = """
kill = os.kill
def vanishing(pid, number):
    kill(pid, number)
    if len(forks) < 1:
        forks.append(pid)
        raise ProcessLookupError
os.kill = vanishing
"""
OTHER_THREAD = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"


class Start(Protocol):
    """Function that starts a supervisor, which ends with the test."""

    def __call__(self, before: str = "", *, work: str = "pass") -> subprocess.Popen[str]: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting_supervisors(tmp_path) as start:

        def with_fault(before: str = "", *, work: str = "pass") -> subprocess.Popen[str]:
            return start(SCRIPT.format(work=work, before=before, count=COUNT))

        yield with_fault


def started(tmp_path: Path, count: int = COUNT) -> bool:
    return eventually(lambda: len(pids(tmp_path, "started")) == count)


def test_a_failed_fork_is_logged_and_tried_again(start: Start, tmp_path: Path) -> None:
    supervisor = start(FAIL_THIRD_FORK)
    assert started(tmp_path)
    killed, kept = sorted(pids(tmp_path, "started"))
    os.kill(killed, signal.SIGKILL)
    assert started(tmp_path, 3)
    (new,) = pids(tmp_path, "started") - {killed, kept}
    assert is_alive(kept)
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 0
    assert pids(tmp_path, "finished") == {kept, new}
    assert log.count("Cannot fork a process, trying again: [Errno 11] Resource temporarily unavailable") == 1
    assert log.count(f"Process {new} replaces process {killed}\n") == 1
    assert log.count("replaces") == 1
    assert "Traceback" not in log


def test_a_supervisor_that_inherits_an_ignored_sigchld_restarts_and_stops(start: Start, tmp_path: Path) -> None:
    supervisor = start("signal.signal(signal.SIGCHLD, signal.SIG_IGN)")
    assert started(tmp_path)
    killed = min(pids(tmp_path, "started"))
    os.kill(killed, signal.SIGKILL)
    assert started(tmp_path, 3)
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 0
    assert f"Process {killed} ended unexpectedly with exit code -9" in log
    assert pids(tmp_path, "finished") == pids(tmp_path, "started") - {killed}
    assert (tmp_path / "ended").exists()


def test_a_process_that_vanishes_keeps_no_other_from_its_signal(start: Start, tmp_path: Path) -> None:
    supervisor = start(VANISHING)
    assert started(tmp_path)
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert (supervisor.returncode, "Traceback" in log) == (0, False)
    assert pids(tmp_path, "finished") == pids(tmp_path, "started")
    assert (tmp_path / "ended").exists()


def test_a_supervisor_with_a_second_thread_does_not_fork(start: Start, tmp_path: Path) -> None:
    supervisor = start(OTHER_THREAD)
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 1
    assert "more than 1 thread(s) before a fork" in log
    assert pids(tmp_path, "started") == set()


def test_one_process_that_keeps_ending_ends_the_supervisor(start: Start, tmp_path: Path) -> None:
    # Only the process that creates the file keeps running.
    work = "\n    ".join(
        (
            "try: os.close(os.open(directory / 'kept', os.O_CREAT | os.O_EXCL))",
            "except FileExistsError: os._exit(3)",
        )
    )
    supervisor = start(work=work)
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 1
    assert log.count("ended unexpectedly with exit code 3") == 10
    assert log.count("replaces") in (9, 10)
    assert "A process ended 10 times within 60 s" in log
