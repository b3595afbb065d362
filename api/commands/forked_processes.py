"""Processes that are forks of their supervisor. It restarts them when they end, and stops them all together."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from api.commands.processes import end_with_parent
from api.commands.signals import StopSignals, stop_signals

_log = logging.getLogger(__name__)

KILL_AFTER_S = 10.0
"""Time that a process has to finish its work after a stop signal, before it is killed."""
ORPHAN_END_S = KILL_AFTER_S + 1
"""Time after which the kernel ends a stopping process whose supervisor no longer exists."""
RESTART_AFTER_S = 0.5
"""Pause before the restart of a process that has ended, and between two attempts to fork."""
EXITS_MAX = 10
"""Number of unexpected exits of one process within `EXITS_WINDOW_S` after which the supervisor gives up."""
EXITS_WINDOW_S = 60.0
_POLL_S = 0.05
STOP_SIGNAL = signal.SIGUSR1
"""The signal that stops a fork. A service manager sends SIGTERM to all processes, which must not stop a fork early."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, STOP_SIGNAL)


def limit_stop() -> None:
    """End this process by SIGALRM unless it ends within `ORPHAN_END_S`. A later call does not extend this time.

    The stop handler of a fork calls this function, because no supervisor can kill an orphan.
    """
    if not signal.getitimer(signal.ITIMER_REAL)[0]:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, ORPHAN_END_S)


class _Process:
    """One of the supervised processes. A new fork takes over after each end."""

    def __init__(self) -> None:
        self.pid: int | None = None
        """The id of the running fork; None while there is none."""
        self.ended_pid: int | None = None
        """The id of the last fork that ended."""
        self.start_at = 0.0
        """The monotonic time from which the supervisor may fork."""
        self._exits: deque[float] = deque(maxlen=EXITS_MAX)
        """The times of the last unexpected exits."""

    def keeps_ending(self) -> bool:
        """Return True after too many unexpected exits."""
        return len(self._exits) == EXITS_MAX and time.monotonic() - self._exits[0] < EXITS_WINDOW_S

    def note_exit(self) -> None:
        """Count an unexpected exit, and delay the restart."""
        self._exits.append(time.monotonic())
        self.start_at = self._exits[-1] + RESTART_AFTER_S

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the fork, if it runs."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def collect(self, options: int = os.WNOHANG) -> int | None:
        """Return the exit code of the fork if it has ended, otherwise None."""
        if self.pid is None:
            return None
        found, status = os.waitpid(self.pid, options)
        if not found:
            return None
        self.pid, self.ended_pid = None, self.pid
        return os.waitstatus_to_exitcode(status)


class ForkedProcesses:
    """A supervisor of `count` forks of this process.

    A fork calls `run` and exits. The supervisor stops it with `STOP_SIGNAL`. Until `run` installs a handler for this
    signal, the signal ends the fork at once. A fork ignores SIGINT, SIGTERM and SIGHUP, which a terminal or a service
    manager sends to all processes. It would otherwise end before `stop_delay_s` has passed.

    Args:
        run: the work of a process.
        count: the number of processes.
        on_stop: called in the supervisor at the first stop signal.
        stop_delay_s: time from the stop signal until the processes receive `STOP_SIGNAL`.
        on_end: called in the supervisor after the processes have received `STOP_SIGNAL`.
        threads_max: the number of threads that this process may have. Further ones may hold a lock that a fork needs.
    """

    def __init__(
        self,
        run: Callable[[], None],
        count: int,
        *,
        on_stop: Callable[[], None],
        stop_delay_s: float,
        on_end: Callable[[], None],
        threads_max: int = 1,
    ) -> None:
        self._run = run
        self._on_stop = on_stop
        self._stop_delay_s = stop_delay_s
        self._on_end = on_end
        self._threads_max = threads_max
        self._processes = [_Process() for _ in range(count)]

    def supervise(self) -> int:
        """Run the processes until a stop signal; return 0, or 1 after too many unexpected exits of one process.

        A second signal kills processes that have not ended.

        Raises:
            RuntimeError: this process has more threads than `threads_max`.
        """
        # A fork copies the locks that other threads hold, and no thread of the fork releases them.
        if threading.active_count() > self._threads_max:
            raise RuntimeError(f"more than {self._threads_max} thread(s) before a fork: {threading.enumerate()}")
        # The kernel discards the exit codes of children while SIGCHLD is ignored, which a program inherits.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with stop_signals() as signals:
            try:
                while not signals.stop_requested and not self._keep_ending():
                    self._maintain()
                if signals.stop_requested:
                    self._on_stop()
                    stop_at = time.monotonic() + self._stop_delay_s
                    while time.monotonic() < stop_at and not signals.force:
                        self._maintain()
            finally:
                self._stop(signals)
        if signals.stop_requested:
            return 0
        _log.error("A process ended %d times within %.0f s", EXITS_MAX, EXITS_WINDOW_S)
        return 1

    def _maintain(self) -> None:
        """Restart processes that have ended, then wait for a moment."""
        for process in self._processes:
            code = process.collect()
            if code is not None:
                _log.warning("Process %d ended unexpectedly with exit code %d", process.ended_pid, code)
                process.note_exit()
            if process.pid is None and time.monotonic() >= process.start_at:
                self._start(process)
        time.sleep(_POLL_S)

    def _keep_ending(self) -> bool:
        return any(process.keeps_ending() for process in self._processes)

    def _start(self, process: _Process) -> None:
        """Fork a process. After a failure the next attempt follows after `RESTART_AFTER_S`."""
        # A signal that arrives before the process has its own handler would be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            with_parent = end_with_parent(STOP_SIGNAL)
            pid = os.fork()
            if pid == 0:
                self._run_and_exit(with_parent)
            process.pid = pid
        except OSError as error:  # The system has no memory or process ids left. The other processes still serve.
            process.start_at = time.monotonic() + RESTART_AFTER_S
            _log.error("Cannot fork a process, trying again: %s", error)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if process.ended_pid is not None:
            _log.info("Process %d replaces process %d", pid, process.ended_pid)

    def _run_and_exit(self, with_parent: Callable[[], None] | None) -> NoReturn:
        """Run in a fork. The clean-up of the supervisor's contexts must not run here."""
        code = 1
        try:
            signal.signal(STOP_SIGNAL, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {STOP_SIGNAL})
            if with_parent:
                with_parent()
            self._run()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:  # noqa: BLE001 - also KeyboardInterrupt and the like
            _log.exception("Process %d failed", os.getpid())
        finally:
            os._exit(code)

    def _stop(self, signals: StopSignals) -> None:
        """Stop all processes, and kill those that do not end in time."""
        self._signal(STOP_SIGNAL)
        self._on_end()
        kill_at = time.monotonic() + KILL_AFTER_S
        while self._collect_ended() and time.monotonic() < kill_at and not signals.force:
            time.sleep(_POLL_S)
        for process in self._collect_ended():
            _log.error("Process %d has not finished its work: killing it", process.pid)
        self._signal(signal.SIGKILL)
        for process in self._processes:
            process.collect(0)

    def _collect_ended(self) -> list[_Process]:
        """Collect the processes that have ended; return the others."""
        for process in self._processes:
            process.collect()
        return [process for process in self._processes if process.pid is not None]

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send(number)
