"""The API in the process of a test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from api.fast_path import FastPath


@contextlib.asynccontextmanager
async def running(app: FastPath) -> AsyncIterator[None]:
    """Run the API without a server, until the context ends."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.app.lifespan():
            started.set()
            await ended.wait()

    # The framework must leave its lifespan in the task that entered it, so the lifespan has its own task.
    task = asyncio.create_task(live())
    task.add_done_callback(lambda _: started.set())
    await started.wait()
    if task.done():
        task.result()
    try:
        yield
    finally:
        ended.set()
        await task
