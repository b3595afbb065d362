"""A process of the system that also has to prove over HTTP that it works, for the supervisor of `make run`."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import httpx

from api.commands.processes import Process
from api.tls import PLAIN_HTTP

_HTTP_TIMEOUT_S = 2.0


class ProcessWatch(ABC):
    """A process as a part of the system. It has failed if it ends, or if `find_silence` finds that it does not work.

    Args:
        process: the process.
        check_interval_s: time between two calls of `find_silence`.
        clock: returns the time in seconds.
    """

    def __init__(self, process: Process, check_interval_s: float, clock: Callable[[], float]) -> None:
        self._process = process
        self._check_interval_s = check_interval_s
        self._clock = clock
        self._next_check = clock()

    @property
    def name(self) -> str:
        """Return the service's name."""
        return self._process.name

    def failure(self) -> str | None:
        """Return a sentence if the process has ended or does not work; None while it works."""
        if failure := self._process.failure():
            return failure
        now = self._clock()
        if now < self._next_check:
            return None
        self._next_check = now + self._check_interval_s
        return self.find_silence(now)

    @abstractmethod
    def find_silence(self, now: float) -> str | None:
        """Return a sentence if the running process has not proved for too long that it works."""

    @abstractmethod
    def restart(self) -> None:
        """Kill the process, which may be frozen, and start another."""


def get(url: str) -> httpx.Response:
    """Return the response of a server of this machine.

    Raises:
        httpx.HTTPError: no response within two seconds, or one without success.
    """
    # A proxy from the environment cannot reach this machine's ports.
    return httpx.get(url, timeout=_HTTP_TIMEOUT_S, trust_env=False, verify=PLAIN_HTTP).raise_for_status()
