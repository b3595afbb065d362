"""The arrival of requests' bodies: in time and complete."""

import asyncio
import itertools
from typing import Any

from litestar.types import Receive

from api.errors import InvalidRequest, RequestTimeout


class Arrival:
    """A body that is arriving. `end` must follow, whether or not the body has arrived."""

    __slots__ = ("_arrivals", "_is_overdue", "_receive", "_task", "deadline")

    def __init__(self, receive: Receive, deadline: float, arrivals: dict["Arrival", None]) -> None:
        self.deadline = deadline
        self._receive = receive
        self._arrivals = arrivals
        self._is_overdue = False
        self._task: asyncio.Task[Any] | None = None
        """The task that waits for the next part of the body."""
        arrivals[self] = None

    async def receive(self) -> Any:
        """Return the next message of the request.

        Without the errors below the framework would report a failure of its own.

        Raises:
            RequestTimeout: the body is late.
            InvalidRequest: the body is incomplete, because its encoding is broken or its client has left.
        """
        if self.is_overdue():
            raise RequestTimeout
        if self not in self._arrivals:
            return await self._receive()
        task = self._task = asyncio.current_task()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if not self.is_overdue() or task is None:
                raise
            task.uncancel()
            raise RequestTimeout from None
        finally:
            self._task = None
        if message["type"] == "http.disconnect":
            self.end()
            raise InvalidRequest("is incomplete")
        if not message.get("more_body", False):
            self.end()
        return message

    def end(self) -> None:
        """Stop the clock: the body has arrived, or its request has ended."""
        self._arrivals.pop(self, None)

    def is_overdue(self) -> bool:
        """Return True after `expire`."""
        return self._is_overdue

    def expire(self) -> None:
        """Interrupt the task that waits for the body."""
        self._is_overdue = True
        if self._task:
            self._task.cancel()


class BodyTimeout:
    """Limits the time in which each request's body must arrive completely.

    All bodies have equally much time, so one timer suffices. That is cheaper than a timer for each request.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._arrivals: dict[Arrival, None] = {}
        """The bodies that are still arriving, earliest deadline first."""
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return the number of bodies that are still arriving."""
        return len(self._arrivals)

    def watch(self, receive: Receive) -> Arrival:
        """Limit the arrival of a request's body, whose messages `receive` returns."""
        loop = asyncio.get_running_loop()
        arrival = Arrival(receive, loop.time() + self._timeout_s, self._arrivals)
        if self._timer is None:
            self._timer = loop.call_at(arrival.deadline, self._expire)
        return arrival

    def _expire(self) -> None:
        """Interrupt the tasks that wait for overdue bodies, and set the timer for the next deadline."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for arrival in list(itertools.takewhile(lambda each: each.deadline <= now, self._arrivals)):
            arrival.end()
            arrival.expire()
        first = next(iter(self._arrivals), None)
        self._timer = loop.call_at(first.deadline, self._expire) if first else None
