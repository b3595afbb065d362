"""Restarts the parts of a running system that end or no longer respond."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from api.errors import SetupError

RESTARTS_MAX = 5
"""Restarts of one part within `RESTARTS_WINDOW_S`; a part that fails again stops the system."""
RESTARTS_WINDOW_S = 60.0


class Part(Protocol):
    """A part of the system that a supervisor restarts."""

    @property
    def name(self) -> str:
        """Return the name for messages."""
        ...

    def failure(self) -> str | None:
        """Return the failure as a sentence; None while the part runs."""
        ...

    def restart(self) -> None:
        """Start the part again.

        Raises:
            SetupError: the part cannot start; the message gives the reason.
        """
        ...


class PartFailedError(Exception):
    """A part of the system fails too often, or cannot start again."""


class Supervisor:
    """Restarts the parts of a system, each at most `RESTARTS_MAX` times within `RESTARTS_WINDOW_S`.

    Args:
        parts: the parts of the system.
        report: receives a sentence about each restart.
        clock: returns the time in seconds.
        stop_requested: returns True once the system is to stop.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> None:
        self._restarts = [(part, deque[float](maxlen=RESTARTS_MAX)) for part in parts]
        self._report = report
        self._clock = clock
        self._stop_requested = stop_requested

    def check(self) -> None:
        """Restart each part that has failed. The checks take seconds, so a stop request ends them after each part.

        Raises:
            PartFailedError: a part failed too often, or cannot start.
        """
        for part, restarts in self._restarts:
            if self._stop_requested():
                return
            if failure := part.failure():
                now = self._clock()
                if len(restarts) == RESTARTS_MAX and now - restarts[0] < RESTARTS_WINDOW_S:
                    raise PartFailedError(
                        f"{failure} The supervisor restarted the {part.name} {RESTARTS_MAX} times within "
                        f"{RESTARTS_WINDOW_S:.0f} s."
                    )
                restarts.append(now)
                self._report(f"{failure} Restarting it.")
                try:
                    part.restart()
                except SetupError as error:
                    raise PartFailedError(str(error)) from error
