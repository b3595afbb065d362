"""Equal time limits for many objects."""

import asyncio
import itertools
from typing import Protocol


class Expiring(Protocol):
    """An object with a time limit."""

    def expire(self) -> None:
        """End the object, because its time has passed."""


class Deadlines:
    """Calls `expire` of each object whose time limit passes before `end`.

    All limits are equal, so one timer suffices. That is cheaper than a timer for each object.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadlines: dict[Expiring, float] = {}
        """The time of the event loop at which each object expires, earliest first."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return the number of objects whose limit has not passed."""
        return len(self._deadlines)

    def __contains__(self, item: Expiring) -> bool:
        """Return True while an object has a limit that has not passed."""
        return item in self._deadlines

    def start(self, item: Expiring) -> None:
        """Start the time of an object, or start it anew."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        self._deadlines.pop(item, None)  # A new key is the last one.
        self._deadlines[item] = deadline
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)

    def end(self, item: Expiring) -> None:
        """Remove the limit of an object, if it has one."""
        self._deadlines.pop(item, None)

    def _expire(self) -> None:
        """End overdue objects, and set the timer for the next deadline."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        overdue = itertools.takewhile(lambda item: self._deadlines[item] <= now, self._deadlines)
        for item in list(overdue):
            self.end(item)
            item.expire()
        first = next(iter(self._deadlines.values()), None)
        self._timer = None if first is None else loop.call_at(first, self._expire)
