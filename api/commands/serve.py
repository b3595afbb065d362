"""The API's processes: granian, one event loop each, restarted when one dies."""

import logging
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from granian.constants import Interfaces, Loops
from granian.server.mp import MPServer

from api.config import Settings
from api.process_environment import METRICS_DIR_VARIABLE, STOPPING_FILE_VARIABLE

_log = logging.getLogger(__name__)

_KILL_AFTER_S = 10
"""How long a process may take to finish its requests when it is told to stop."""
_ENDS_MAX = 10
_ENDS_WINDOW_S = 60.0
"""When so many processes, for each that is to run, have ended by themselves within this time, the API ends as well."""


def serve(settings: Settings, database_url: str) -> int:
    """Serve until SIGTERM or SIGINT; return 0.

    From the signal on `/health/ready` answers 503; after `shutdown_delay_ms`, in which load balancers see that,
    no new connection is taken, and the requests that have begun are finished.
    """
    os.environ["DATABASE_URL"] = database_url  # The processes read their settings anew.
    with tempfile.TemporaryDirectory(prefix="tickets-api-") as directory:
        metrics, mark = Path(directory, "metrics"), Path(directory, "stopping")
        metrics.mkdir()
        os.environ |= {METRICS_DIR_VARIABLE: str(metrics), STOPPING_FILE_VARIABLE: str(mark)}
        _Server(
            "api.app:create_app",
            mark=mark,
            delay_s=settings.shutdown_delay_ms / 1000,
            factory=True,
            address=settings.api_host,
            port=settings.api_port,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            workers=settings.api_workers,
            backlog=4096,
            respawn_failed_workers=True,
            respawn_interval=0.5,
            workers_kill_timeout=_KILL_AFTER_S,
            log_access=False,
        ).serve()
    return 0


class _Server(MPServer):
    """A server that says that it will stop before it does, and starts its processes again however soon they end."""

    def __init__(self, target: str, *, mark: Path, delay_s: float, **options: Any) -> None:
        super().__init__(target, **options)
        self._mark = mark
        self._delay_s = delay_s
        self._pid = os.getpid()
        self._ends: deque[float] = deque(maxlen=_ENDS_MAX * self.workers)

    def signal_handler_interrupt(self, *_: Any, **__: Any) -> None:
        if os.getpid() != self._pid:
            # In a process that has only just been forked: it has this handler from its parent and nothing to finish,
            # and would go on until it was killed.
            os._exit(0)
        self._mark.touch()
        threading.Timer(self._delay_s, super().signal_handler_interrupt).start()

    def _respawn_workers(self, workers: Iterable[int], *args: Any, **options: Any) -> None:
        """Start processes again that have ended, unless that has become hopeless.

        granian exits when the same process ends twice within seconds: a crash and a kill in a row would need an
        operator. And what ends, or signals, while it turns to an ended process may be lost: hence the last look.
        """
        ended = list(dict.fromkeys(workers))
        now = time.monotonic()
        self._ends.extend(now for index in ended if not self.wrks[index].inner.is_alive())
        if len(self._ends) == self._ends.maxlen and now - self._ends[0] < _ENDS_WINDOW_S:
            _log.error("%d processes have ended by themselves within a minute: the API gives up", len(self._ends))
            self.interrupt_children.extend(ended)  # By these granian knows that it did not end well.
            self.interrupt_signal = True
        else:
            super()._respawn_workers(ended, *args, **options)
            self.respawned_wrks.clear()
            for index, worker in enumerate(self.wrks):
                if not worker.inner.is_alive() and index not in self.interrupt_children:
                    worker.interrupt_by_parent = True  # Noted here, so that its watcher does not note it once more.
                    self.interrupt_children.append(index)
        if self.interrupt_children or self.interrupt_signal:
            self.main_loop_interrupt.set()
