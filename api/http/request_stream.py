"""The arrival of requests' bodies: in time and complete."""

import asyncio
from typing import Any

from litestar.types import Receive

from api.errors import InvalidRequest, RequestTimeout
from api.server.deadlines import Deadlines


class Arrival:
    """A body that is arriving. `end` must follow, whether or not the body has arrived."""

    __slots__ = ("_deadlines", "_is_overdue", "_receive", "_task")

    def __init__(self, receive: Receive, deadlines: Deadlines) -> None:
        self._receive = receive
        self._deadlines = deadlines
        self._is_overdue = False
        self._task: asyncio.Task[Any] | None = None
        """The task that waits for the next part of the body."""
        deadlines.start(self)

    async def receive(self) -> Any:
        """Return the next message of the request.

        Without the errors below the framework would report a failure of its own.

        Raises:
            RequestTimeout: the body is late.
            InvalidRequest: the body is incomplete, because its encoding is broken or its client has left.
        """
        if self.is_overdue():
            raise RequestTimeout
        if self not in self._deadlines:
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
        self._deadlines.end(self)

    def is_overdue(self) -> bool:
        """Return True after `expire`."""
        return self._is_overdue

    def expire(self) -> None:
        """Interrupt the task that waits for the body."""
        self._is_overdue = True
        if self._task:
            self._task.cancel()


class BodyTimeout:
    """Limits the time in which each request's body must arrive completely."""

    def __init__(self, timeout_s: float) -> None:
        self._deadlines = Deadlines(timeout_s)

    def __len__(self) -> int:
        """Return the number of bodies that are still arriving."""
        return len(self._deadlines)

    def watch(self, receive: Receive) -> Arrival:
        """Limit the arrival of a request's body, whose messages `receive` returns."""
        return Arrival(receive, self._deadlines)
