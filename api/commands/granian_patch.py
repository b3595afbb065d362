"""A granian server that announces its shutdown and restarts worker processes however often they end.

granian offers no hook for either, so the class overrides undocumented methods and uses undocumented attributes.

On an upgrade of granian compare with `granian/server/common.py`: `_serve_loop`, `_respawn_workers`,
`AbstractWorker._watcher` and `signal_handler_interrupt`. Then run `tests/acceptance/test_shutdown.py`,
`tests/acceptance/endpoints` and `tests/faults/test_processes.py`, and change `VERSION`.
"""

import contextlib
import importlib.metadata
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from granian.server.mp import MPServer

VERSION = "2.8"
"""The release series that this module fits."""
if not (_installed := importlib.metadata.version("granian")).startswith(f"{VERSION}."):
    raise ImportError(f"granian {_installed} is not {VERSION}: check {__name__} first")

_log = logging.getLogger(__name__)

_EXITS_MAX = 10
"""Number of unexpected exits per worker within `_EXITS_WINDOW_S` after which the server exits."""
_EXITS_WINDOW_S = 60.0


class Server(MPServer):
    """A supervisor of worker processes.

    A stop signal creates `stopping_file` at once and stops the workers `shutdown_delay_s` later.
    """

    def __init__(self, target: str, *, stopping_file: Path, shutdown_delay_s: float, **options: Any) -> None:
        super().__init__(target, **options)
        self._stopping_file = stopping_file
        self._shutdown_delay_s = shutdown_delay_s
        self._pid = os.getpid()
        self._exits: deque[float] = deque(maxlen=_EXITS_MAX * self.workers)

    def signal_handler_interrupt(self, *_: Any, **__: Any) -> None:
        """Announce the shutdown; begin it after the delay."""
        if os.getpid() != self._pid:
            # A worker that was only just forked inherits this handler. It has nothing to finish.
            os._exit(0)
        with contextlib.suppress(OSError):  # A full disk must not prevent the shutdown.
            self._stopping_file.parent.mkdir(parents=True, exist_ok=True)
            self._stopping_file.touch()
        threading.Timer(self._shutdown_delay_s, super().signal_handler_interrupt).start()

    def _respawn_workers(self, workers: Iterable[int], *args: Any, **options: Any) -> None:
        """Restart workers that have ended, or stop the server after too many unexpected exits.

        Without this method granian stops when a worker ends twice within seconds, for instance by a crash and a kill.
        An operator would have to restart it. granian also loses exits and signals that arrive during the restart of a
        worker. This method therefore inspects all workers again at its end.
        """
        ended = list(dict.fromkeys(workers))
        now = time.monotonic()
        self._exits.extend(now for index in ended if not self.wrks[index].inner.is_alive())
        if len(self._exits) == self._exits.maxlen and now - self._exits[0] < _EXITS_WINDOW_S:
            _log.error("%d worker processes exited within %.0f s; giving up", len(self._exits), _EXITS_WINDOW_S)
            self.interrupt_children.extend(ended)  # granian exits with an error code if this list is not empty.
            self.interrupt_signal = True
        else:
            super()._respawn_workers(ended, *args, **options)
            self.respawned_wrks.clear()
            for index, worker in enumerate(self.wrks):
                if not worker.inner.is_alive() and index not in self.interrupt_children:
                    worker.interrupt_by_parent = True  # Keeps the worker's own watcher from reporting the exit too.
                    self.interrupt_children.append(index)
        if self.interrupt_children or self.interrupt_signal:
            self.main_loop_interrupt.set()
