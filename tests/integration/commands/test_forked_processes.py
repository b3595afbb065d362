"""The supervisor of forked processes: no signal is lost, and no process stays behind."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from api.commands import signals
from tests.integration.commands.forked import is_alive, pids, starting_supervisors
from tests.stack import STOP_TIMEOUT_S, eventually

COUNT = 3
SCRIPT = """
import logging, os, signal, sys, time
from pathlib import Path
from api.commands import forked_processes as module

logging.basicConfig(level=logging.INFO)
module.KILL_AFTER_S, module.RESTART_AFTER_S = {kill_after_s}, 0.01
directory = Path(sys.argv[1])

def run():
    (directory / f"started-{{os.getpid()}}").touch()
    {work}

sys.exit(module.ForkedProcesses(
    run, {count}, on_stop=lambda: (directory / "stopping").touch(), stop_delay_s={delay_s}, on_end=lambda: None,
).supervise())
"""
WAIT = "time.sleep(60)"
FINISH = (
    "signal.signal(module.STOP_SIGNAL, lambda *_: ((directory / f'finished-{os.getpid()}').touch(), os._exit(0))); "
    "time.sleep(60)"
)
IGNORE = (
    "signal.signal(module.STOP_SIGNAL, signal.SIG_IGN); (directory / f'ignores-{os.getpid()}').touch(); time.sleep(60)"
)


class Start(Protocol):
    """Function that starts a supervisor, which ends with the test."""

    def __call__(self, work: str, *, delay_s: float = 0.0, kill_after_s: float = 30.0) -> subprocess.Popen[str]: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting_supervisors(tmp_path) as start:

        def with_work(work: str, *, delay_s: float = 0.0, kill_after_s: float = 30.0) -> subprocess.Popen[str]:
            return start(SCRIPT.format(work=work, count=COUNT, delay_s=delay_s, kill_after_s=kill_after_s))

        yield with_work


@pytest.mark.parametrize(("number", "send"), [(signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg)])
def test_a_stop_signal_stops_every_process_once_it_has_finished(
    start: Start, tmp_path: Path, number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    supervisor = start(FINISH)
    assert eventually(lambda: len(pids(tmp_path, "started")) == COUNT)
    send(supervisor.pid, number)
    assert supervisor.wait(STOP_TIMEOUT_S) == 0
    assert (tmp_path / "stopping").exists()
    assert pids(tmp_path, "finished") == pids(tmp_path, "started")


@pytest.mark.parametrize("pause_s", [0.0, 0.003, 0.03])
def test_a_signal_at_any_moment_of_a_start_stops_all(start: Start, tmp_path: Path, pause_s: float) -> None:
    # The processes end at once and start anew all the time.
    supervisor = start(f"time.sleep({pause_s}); os._exit(0)", kill_after_s=60)
    assert eventually(lambda: len(pids(tmp_path, "started")) >= COUNT)
    time.sleep(pause_s)
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode in (0, 1)  # 1 after too many exits
    assert "has not finished its work" not in log
    assert not any(map(is_alive, pids(tmp_path, "started")))


def test_a_process_without_a_handler_ends_at_once(start: Start, tmp_path: Path) -> None:
    supervisor = start(WAIT, kill_after_s=60)
    assert eventually(lambda: len(pids(tmp_path, "started")) == COUNT)
    supervisor.terminate()
    assert supervisor.wait(STOP_TIMEOUT_S) == 0


def test_a_process_that_does_not_end_is_killed(start: Start, tmp_path: Path) -> None:
    supervisor = start(IGNORE, kill_after_s=0.2)
    assert eventually(lambda: len(pids(tmp_path, "ignores")) == COUNT)
    supervisor.terminate()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 0
    assert log.count("has not finished its work") == COUNT
    assert not any(map(is_alive, pids(tmp_path, "started")))


def test_a_second_signal_kills_at_once(start: Start, tmp_path: Path) -> None:
    supervisor = start(IGNORE, delay_s=60, kill_after_s=60)
    assert eventually(lambda: len(pids(tmp_path, "ignores")) == COUNT)
    supervisor.terminate()
    assert eventually((tmp_path / "stopping").exists)
    time.sleep(signals.FORCE_AFTER_S)
    supervisor.terminate()
    assert supervisor.wait(STOP_TIMEOUT_S) == 0
    assert not any(map(is_alive, pids(tmp_path, "started")))


def test_processes_run_until_the_delay_has_passed(start: Start, tmp_path: Path) -> None:
    supervisor = start(FINISH, delay_s=0.5)
    assert eventually(lambda: len(pids(tmp_path, "started")) == COUNT)
    supervisor.terminate()
    assert eventually((tmp_path / "stopping").exists)
    assert pids(tmp_path, "finished") == set()
    assert supervisor.wait(STOP_TIMEOUT_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_all_processes_ends_none_before_the_delay(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    supervisor = start(FINISH, delay_s=0.5)
    assert eventually(lambda: len(pids(tmp_path, "started")) == COUNT)
    os.killpg(supervisor.pid, number)
    assert eventually((tmp_path / "stopping").exists)
    assert pids(tmp_path, "finished") == set()
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 0
    assert "ended unexpectedly" not in log
    assert len(pids(tmp_path, "started")) == COUNT
    assert pids(tmp_path, "finished") == pids(tmp_path, "started")


def test_killed_processes_are_restarted(start: Start, tmp_path: Path) -> None:
    start(WAIT)
    assert eventually(lambda: len(pids(tmp_path, "started")) == COUNT)
    killed = pids(tmp_path, "started")
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: len(pids(tmp_path, "started") - killed) == COUNT)


@pytest.mark.parametrize("work", ["raise SystemExit(3)", "raise KeyboardInterrupt"])
def test_processes_that_keep_ending_end_the_supervisor(start: Start, work: str) -> None:
    supervisor = start(work)
    _, log = supervisor.communicate(timeout=STOP_TIMEOUT_S)
    assert supervisor.returncode == 1
    assert "A process ended 10 times within" in log
    assert ("Traceback" in log) == (work != "raise SystemExit(3)")


def test_the_processes_end_with_a_killed_supervisor(start: Start, tmp_path: Path) -> None:
    supervisor = start(FINISH)
    assert eventually(lambda: len(pids(tmp_path, "started")) == COUNT)
    time.sleep(0.1)
    supervisor.kill()
    assert eventually(lambda: not any(map(is_alive, pids(tmp_path, "started"))))
