"""Options of the sockets on which a process listens."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

_POLL_S = 0.1
_ATTEMPTS = 100


@contextlib.asynccontextmanager
async def limiting_unread_responses(ports: Collection[int], timeout_ms: int) -> AsyncIterator[None]:
    """Close connections whose client accepts no part of a response for `timeout_ms`.

    The server offers no such limit, and a client that never reads would occupy a connection indefinitely. The kernel
    closes such connections. They inherit the option from the listening socket. The server opens its ports only after
    the lifespan has begun, so a task waits for them. Systems other than Linux have no such option. `webapp/serve.py`
    has a function of its own for the web server, because the API and the web app do not import each other.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        yield
        return
    task = asyncio.create_task(_set_user_timeout(set(ports), timeout_ms), name="listeners")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _set_user_timeout(ports: set[int], timeout_ms: int) -> None:
    for _ in range(_ATTEMPTS):
        for listener in _listeners():
            port = listener.getsockname()[1]
            if port in ports:
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
                ports.discard(port)
        if not ports:
            return
        await asyncio.sleep(_POLL_S)


def _listeners() -> Iterator[socket.socket]:
    """Yield this process's listening TCP sockets; each is open until the next one."""
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if not str(file.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(file.name))) as candidate:
                is_tcp = candidate.family in (socket.AF_INET, socket.AF_INET6) and candidate.type == socket.SOCK_STREAM
                if is_tcp and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield candidate
