"""The arrival of requests' bodies: in time and complete."""

import asyncio
from collections import deque
from typing import Any

from litestar.types import Receive

from api.errors import InvalidRequest, RequestTimeout


class _Arrival:
    """A body that is arriving."""

    __slots__ = ("_overdue", "complete", "deadline", "task")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.complete = False
        self.task: asyncio.Task[Any] | None = None
        """The task that waits for the next part of the body."""
        self._overdue = False

    def is_overdue(self) -> bool:
        """Return True after `expire`."""
        return self._overdue

    def expire(self) -> None:
        """Interrupt the task that waits for the body."""
        self._overdue = True
        if self.task:
            self.task.cancel()


class BodyTimeout:
    """Limits the time in which each request's body must arrive completely.

    All bodies have equally much time, so one timer suffices. That is cheaper than a timer for each request.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._arrivals: deque[_Arrival] = deque()
        """The bodies, earliest deadline first."""
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, receive: Receive) -> Receive:
        """Return a `receive` for a request that has a body.

        The returned function raises RequestTimeout if the body is late. It raises InvalidRequest if the body is
        incomplete, because its encoding is broken or its client has left. Without these errors the framework would
        report a failure of its own.
        """
        loop = asyncio.get_running_loop()
        arrival = _Arrival(loop.time() + self._timeout_s)
        while self._arrivals and self._arrivals[0].complete:
            self._arrivals.popleft()
        self._arrivals.append(arrival)
        if self._timer is None:
            self._timer = loop.call_at(arrival.deadline, self._expire)

        async def receive_in_time() -> Any:
            if arrival.complete:
                return await receive()
            if arrival.is_overdue():
                raise RequestTimeout
            task = arrival.task = asyncio.current_task()
            try:
                message = await receive()
            except asyncio.CancelledError:
                if not arrival.is_overdue() or task is None:
                    raise
                task.uncancel()
                raise RequestTimeout from None
            finally:
                arrival.task = None
            if message["type"] == "http.disconnect":
                arrival.complete = True
                raise InvalidRequest("is incomplete")
            arrival.complete = not message.get("more_body", False)
            return message

        return receive_in_time

    def _expire(self) -> None:
        """Interrupt the tasks that wait for overdue bodies, and set the timer for the next deadline."""
        loop = asyncio.get_running_loop()
        while self._arrivals and (self._arrivals[0].complete or self._arrivals[0].deadline <= loop.time()):
            arrival = self._arrivals.popleft()
            if not arrival.complete:
                arrival.expire()
        self._timer = loop.call_at(self._arrivals[0].deadline, self._expire) if self._arrivals else None
