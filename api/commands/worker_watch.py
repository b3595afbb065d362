"""Detects a frozen worker by its heartbeat, for the supervisor of `make run`."""

import time
from collections.abc import Callable

import httpx
import msgspec

from api.commands.process_watch import ProcessWatch, get
from api.commands.processes import Process
from api.config import Settings
from api.health_schemas import SystemHealth
from api.services.workers import worker_id

CHECK_INTERVAL_S = 1.0


class WorkerWatch(ProcessWatch):
    """The worker as a part of the system. It has failed if its process ends, or if its heartbeat stops.

    The heartbeat is in the database, and the API reports its age. A missing response proves nothing about the worker.
    The heartbeat therefore counts as stopped only after the API has responded for the whole `worker_silence_max_s`.

    Args:
        process: the worker's process.
        read_ages: returns the ages of all workers' heartbeats in seconds, by worker id; None without a response.
        silence_max_s: age from which a heartbeat has stopped.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        process: Process,
        read_ages: Callable[[], dict[str, float] | None],
        silence_max_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(process, CHECK_INTERVAL_S, clock)
        self._read_ages = read_ages
        self._silence_max_s = silence_max_s
        self._observed_since = clock()

    def find_silence(self, now: float) -> str | None:
        """Return a sentence if the worker's heartbeat has stopped."""
        ages = self._read_ages()
        if ages is None:
            self._observed_since = self._clock()
            return None
        age = ages.get(worker_id(self._process.pid), float("inf"))
        if min(age, now - self._observed_since) <= self._silence_max_s:
            return None
        return f"The {self.name} has sent no heartbeat for {self._silence_max_s:.0f} s."

    def restart(self) -> None:
        """Kill the worker, which may be frozen, and start another."""
        self._process.restart()
        self._observed_since = self._clock()


def read_ages(settings: Settings) -> dict[str, float] | None:
    """Return the ages of the workers' heartbeats in seconds, by worker id; None if the API does not report them."""
    # With a port of operations, the API's port does not serve this route.
    url = f"{settings.local_url(settings.operations_port or settings.api_port)}/health/system"
    try:
        system = msgspec.json.decode(get(url).content, type=SystemHealth)
    except (httpx.HTTPError, msgspec.DecodeError):
        return None
    return {worker.id: worker.age_seconds for worker in system.workers}
