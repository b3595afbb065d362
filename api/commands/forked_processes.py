"""Processes that are forks of their supervisor. It restarts them when they end, and stops them all together."""

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from api.commands.processes import end_with_parent
from api.commands.signals import StopSignals, stop_signals

_log = logging.getLogger(__name__)

KILL_AFTER_S = 10.0
"""Time that a process has to finish its work after a stop signal, before it is killed."""
RESTART_AFTER_S = 0.5
"""Pause between the end of a process and its restart."""
EXITS_MAX = 10
"""Number of unexpected exits per process within `EXITS_WINDOW_S` after which the supervisor gives up."""
EXITS_WINDOW_S = 60.0
_POLL_S = 0.05
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ForkedProcesses:
    """A supervisor of `count` forks of this process, which must have one thread.

    A fork calls `run` and exits. The supervisor stops it with SIGTERM. Until `run` installs a handler for this signal,
    the signal ends the fork at once. A fork ignores the other stop signals, which a terminal sends to all processes.

    Args:
        run: the work of a process.
        count: the number of processes.
        on_stop: called in the supervisor at the first stop signal.
        stop_delay_s: time from the stop signal until the processes receive SIGTERM.
        on_end: called in the supervisor after the processes have received SIGTERM.
    """

    def __init__(
        self,
        run: Callable[[], None],
        count: int,
        *,
        on_stop: Callable[[], None],
        stop_delay_s: float,
        on_end: Callable[[], None],
    ) -> None:
        self._run = run
        self._count = count
        self._on_stop = on_stop
        self._stop_delay_s = stop_delay_s
        self._on_end = on_end
        self._pids: set[int] = set()
        self._exits: deque[float] = deque(maxlen=EXITS_MAX * count)
        """The times of the last unexpected exits."""

    def supervise(self) -> int:
        """Run the processes until a stop signal; return 0, or 1 after too many unexpected exits.

        A second signal kills processes that have not ended.
        """
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
        _log.error("%d processes ended within %.0f s", len(self._exits), EXITS_WINDOW_S)
        return 1

    def _maintain(self) -> None:
        """Restart processes that have ended, then wait for a moment."""
        for pid, code in self._collect():
            _log.warning("Process %d ended unexpectedly with exit code %d", pid, code)
            self._exits.append(time.monotonic())
        if not self._exits or time.monotonic() >= self._exits[-1] + RESTART_AFTER_S:
            while len(self._pids) < self._count:
                self._start()
        time.sleep(_POLL_S)

    def _keep_ending(self) -> bool:
        """Return True after too many unexpected exits."""
        return len(self._exits) == self._exits.maxlen and time.monotonic() - self._exits[0] < EXITS_WINDOW_S

    def _start(self) -> None:
        # A signal that arrives before the process has its own handler would be lost.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            with_parent = end_with_parent()
            pid = os.fork()
            if pid == 0:
                self._run_and_exit(with_parent)
            self._pids.add(pid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _run_and_exit(self, with_parent: Callable[[], None] | None) -> NoReturn:
        """Run in a fork. The clean-up of the supervisor's contexts must not run here."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
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

    def _collect(self) -> list[tuple[int, int]]:
        """Return the ids and exit codes of the processes that have ended."""
        ended = []
        for pid in list(self._pids):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._pids.remove(pid)
                ended.append((pid, os.waitstatus_to_exitcode(status)))
        return ended

    def _stop(self, signals: StopSignals) -> None:
        """Stop all processes, and kill those that do not end in time."""
        self._signal(signal.SIGTERM)
        self._on_end()
        kill_at = time.monotonic() + KILL_AFTER_S
        while self._pids and time.monotonic() < kill_at and not signals.force:
            time.sleep(_POLL_S)
            self._collect()
        for pid in self._pids:
            _log.error("Process %d has not finished its work: killing it", pid)
        self._signal(signal.SIGKILL)
        for pid in self._pids:
            os.waitpid(pid, 0)

    def _signal(self, number: signal.Signals) -> None:
        # A process that has ended keeps its id until the supervisor has collected it.
        for pid in self._pids:
            os.kill(pid, number)
