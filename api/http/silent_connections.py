"""Room for new connections while all connections of a process are in use.

A process at its limit accepts no further connection. New ones, those of health checks included, then wait in the
kernel's queue. This module closes the connections that have been silent for the longest time, as many as wait. It uses
the kernel's own records, so that it costs nothing as long as no connection waits. Systems other than Linux have none.
"""

import asyncio
import contextlib
import logging
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from heapq import nlargest
from typing import NamedTuple

from api.http.listeners import duplicate_socket, find_listener, local_port, open_descriptors

_log = logging.getLogger(__name__)

CHECK_S = 0.25
"""Interval of the checks. Connections that wait at two checks in a row have found no room."""
_IDLE_S = 1.0
"""Time after which a connection without a request in progress counts as silent."""
_PAUSE_SHARE = 3
"""Pause after the search for silent connections, as a multiple of its time: 0.2 s for 16,000 open files."""
_LOG_INTERVAL_S = 60.0

_TCP_INFO = struct.Struct("=B23xI16xI4xI72xQ")
"""The used members of `struct tcp_info` in <linux/tcp.h>.

They are tcpi_state, tcpi_unacked, tcpi_last_data_sent, tcpi_last_data_recv (both are ages in milliseconds), and
tcpi_bytes_received. For a listening socket tcpi_unacked is the number of connections that wait.
"""
_OPEN_STATES = frozenset({1, 8})
"""TCP_ESTABLISHED and TCP_CLOSE_WAIT: the server has not yet closed the connection."""


class _TcpInfo(NamedTuple):
    state: int
    waiting: int
    sent_ms: int
    received_ms: int
    received_bytes: int


@contextlib.asynccontextmanager
async def making_room(port: int, response_max_s: float) -> AsyncIterator[None]:
    """Close silent connections to `port` while others wait, until the context ends.

    Args:
        port: the port on which this process listens, from the start of the context or later.
        response_max_s: the longest usual time of a response. Connections with a request in progress are silent for
            that time without any fault of their clients.
    """
    if sys.platform != "linux":
        yield
        return
    task = asyncio.create_task(_make_room(port, response_max_s), name="silent-connections")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _make_room(port: int, response_max_s: float) -> None:
    descriptor: int | None = None
    waited = False
    pause_s = CHECK_S
    logged_at = -_LOG_INTERVAL_S
    while True:
        await asyncio.sleep(pause_s)
        pause_s = CHECK_S
        if descriptor is None and (descriptor := find_listener(port)) is None:
            continue
        waiting = _waiting(descriptor, port)
        if waiting is None:  # The server has closed the socket, because it stops.
            return
        if waiting and waited:
            started_at = time.monotonic()
            closed = await asyncio.to_thread(_close_silent, port, waiting, response_max_s)
            pause_s = max(CHECK_S, _PAUSE_SHARE * (time.monotonic() - started_at))
            if closed and time.monotonic() - logged_at > _LOG_INTERVAL_S:
                logged_at = time.monotonic()
                _log.warning("All connections are in use: closed %d silent ones. CONNECTIONS_MAX is the limit.", closed)
        waited = bool(waiting)


def _waiting(descriptor: int, port: int) -> int | None:
    """Return the number of connections that wait to be accepted; None if the descriptor is no listener of the port."""
    with contextlib.suppress(OSError), duplicate_socket(descriptor) as listener:
        if local_port(listener) == port and listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return _info(listener).waiting
    return None


def _close_silent(port: int, number: int, response_max_s: float) -> int:
    """Close up to `number` connections, the longest silent ones first; return how many were closed."""
    found = ((_silence_s(descriptor, port, response_max_s), descriptor) for descriptor in open_descriptors())
    longest = nlargest(number, (each for each in found if each[0]))
    # The server may have closed a connection in the meantime, and another one may have its descriptor.
    return sum(bool(_silence_s(descriptor, port, response_max_s, close=True)) for _, descriptor in longest)


def _silence_s(descriptor: int, port: int, response_max_s: float, *, close: bool = False) -> float:
    """Return for how long a connection to the port has been silent; 0 if it is in use, or no such connection.

    With `close` a silent connection is shut down. The server then closes it.
    """
    with contextlib.suppress(OSError), duplicate_socket(descriptor) as connection:
        if local_port(connection) != port:
            return 0.0
        info = _info(connection)
        # A response is newer than its request.
        is_idle = not info.received_bytes or info.sent_ms < info.received_ms
        silence_s = min(info.sent_ms, info.received_ms) / 1000
        if info.state in _OPEN_STATES and silence_s >= (_IDLE_S if is_idle else response_max_s):
            if close:
                connection.shutdown(socket.SHUT_RDWR)
            return silence_s
    return 0.0


def _info(connection: socket.socket) -> _TcpInfo:
    return _TcpInfo(*_TCP_INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)))
