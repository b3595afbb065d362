"""Detects and restarts a server that no longer responds, for the supervisor of `make run`."""

import time
from collections.abc import Callable

import httpx

from api.commands.process_watch import ProcessWatch, get
from api.commands.processes import READY_TIMEOUT_S, Process

CHECK_INTERVAL_S = 2.0


class ServerWatch(ProcessWatch):
    """A server as a part of the system. It has failed if its process ends, or if it no longer responds with success.

    A frozen server sends no response. A web server whose files were deleted has no page.

    Args:
        process: the server's process.
        responds: returns True if the server responds with success now.
        silence_max_s: time without success after which the server has failed. A restarted one has at least
            `READY_TIMEOUT_S` until its first success.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        process: Process,
        responds: Callable[[], bool],
        silence_max_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(process, CHECK_INTERVAL_S, clock)
        self._responds = responds
        self._silence_max_s = silence_max_s
        self._limit_s = silence_max_s
        self._silent_since: float | None = None

    def find_silence(self, now: float) -> str | None:
        """Return a sentence if the server has not responded with success for too long."""
        if self._responds():
            self._silent_since, self._limit_s = None, self._silence_max_s
        elif self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since >= self._limit_s:
            return f"The {self.name} has not responded for {self._limit_s:.0f} s."
        return None

    def restart(self) -> None:
        """Kill the server, which may be frozen, and start another."""
        self._process.restart()
        self._silent_since, self._limit_s = None, max(READY_TIMEOUT_S, self._silence_max_s)


def responds(url: str) -> bool:
    """Return True if a server of this machine responds with success."""
    try:
        get(url)
    except httpx.HTTPError:
        return False
    return True
