"""Results that take long to produce: concurrent requests share one, and it is cached for a moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_REST_SHARE = 9
"""Time for which a result is cached, as a multiple of the time that it took to produce."""
_CACHED_MAX_S = 1.0


class SharedResult(Generic[T]):
    """The result of `produce`, which many requests share. Errors are not cached.

    Args:
        produce: returns a new result.
        clock: returns monotonic seconds.
        cached_max_s: the longest time for which a result is cached; 0 to share it among concurrent requests only.
    """

    def __init__(
        self,
        produce: Callable[[], Awaitable[T]],
        clock: Callable[[], float] = time.monotonic,
        *,
        cached_max_s: float = _CACHED_MAX_S,
    ) -> None:
        self._produce = produce
        self._clock = clock
        self._cached_max_s = cached_max_s
        self._task: asyncio.Task[T] | None = None
        self._valid_until = 0.0

    async def get(self) -> T:
        """Return the cached result, or a new one."""
        task = self._task
        if task is None or (task.done() and self._clock() >= self._valid_until):
            task = self._task = asyncio.create_task(self._run())
        # A client that leaves must not cancel the task of the others.
        return await asyncio.shield(task)

    async def _run(self) -> T:
        started_at = self._clock()
        self._valid_until = started_at
        result = await self._produce()
        ended_at = self._clock()
        self._valid_until = ended_at + min(_REST_SHARE * (ended_at - started_at), self._cached_max_s)
        return result
