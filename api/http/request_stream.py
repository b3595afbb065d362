"""The arrival of a request's body: in time and complete."""

import asyncio
from typing import Any

from litestar.types import Receive

from api.errors import InvalidRequest, RequestTimeout


def receive_within(receive: Receive, timeout_s: float) -> Receive:
    """Return a `receive` for a request with a body, which has to arrive completely within a time.

    The returned function raises RequestTimeout if the body is late. It raises InvalidRequest if the body is incomplete,
    because its encoding is broken or its client has left. Without these errors the framework would report a failure of
    its own.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    complete = False

    async def receive_in_time() -> Any:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise RequestTimeout from None
        if message["type"] == "http.disconnect":
            raise InvalidRequest("is incomplete")
        complete = not message.get("more_body", False)
        return message

    return receive_in_time
