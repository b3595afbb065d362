"""The time of responses that must not disclose the content of the database.

A request for the links of a known address takes longer than one for an unknown address, because it writes a message.
Many measurements show the difference, also over a network.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def in_even_time(
    work: Awaitable[T],
    step_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Return the result of a work, or raise its error, after a whole number of steps.

    Args:
        work: takes less than a step, unless the system is overloaded.
        step_s: the length of a step in seconds.
        clock: returns monotonic seconds.
        sleep: waits for some seconds.
    """
    began = clock()
    try:
        return await work
    finally:
        await sleep(step_s - (clock() - began) % step_s)
