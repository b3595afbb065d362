"""Options of the sockets on which a process listens."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Collection

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
        for port in list(ports):
            if (descriptor := find_listener(port)) is not None:
                with contextlib.suppress(OSError), duplicate_socket(descriptor) as listener:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
                    ports.discard(port)
        if not ports:
            return
        await asyncio.sleep(_POLL_S)


def find_listener(port: int) -> int | None:
    """Return the descriptor of the socket with which this process listens on a TCP port; None without such a socket."""
    for descriptor in open_descriptors():
        with contextlib.suppress(OSError), duplicate_socket(descriptor) as candidate:
            if local_port(candidate) == port and candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return descriptor
    return None


def open_descriptors() -> list[int]:
    """Return the descriptors of this process's open files; Linux only."""
    return [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - ten times as fast as paths


def duplicate_socket(descriptor: int) -> socket.socket:
    """Return the socket of a descriptor under a descriptor of its own. The server may close the given one at any time.

    Raises:
        OSError: the descriptor is no open socket.
    """
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def local_port(candidate: socket.socket) -> int | None:
    """Return the port of this end of a TCP socket; None for any other socket."""
    is_tcp = candidate.family in (socket.AF_INET, socket.AF_INET6) and candidate.type == socket.SOCK_STREAM
    return int(candidate.getsockname()[1]) if is_tcp else None
