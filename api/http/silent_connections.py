"""Room for new connections while all connections of a process are in use.

A process at its limit accepts no further connection. New ones, those of health checks included, then wait in the
kernel's queue. This module closes the connections that have been silent for the longest time, as many as wait. It
closes none while the process is below its limit. It uses the kernel's own records, so that it costs nothing as long as
no connection waits. Systems other than Linux have none.
"""

import asyncio
import contextlib
import errno
import logging
import math
import os
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from heapq import nlargest
from typing import NamedTuple

from api.http.listeners import duplicate_socket, find_listener, local_port, open_descriptors

_log = logging.getLogger(__name__)

CHECK_S = 0.25
"""Interval of the checks. A search for silent connections begins if connections wait at two checks in a row."""
_PAUSE_SHARE = 3
"""Pause after the search for silent connections, as a multiple of its time: 0.2 s for 16,000 open files."""
_FOUND_SHARE = 0.95
"""Share of the limit from which a process counts as full. A search misses connections that open while it runs."""
_LOG_INTERVAL_S = 60.0

_TCP_INFO = struct.Struct("=B23xI16xI4xI")
"""The used members of `struct tcp_info` in <linux/tcp.h>.

They are tcpi_state, tcpi_unacked, tcpi_last_data_sent and tcpi_last_data_recv (both are ages in milliseconds). For a
listening socket tcpi_unacked is the number of connections that wait.
"""
_LISTEN_STATE = 10
"""TCP_LISTEN in <net/tcp_states.h>."""
_OPEN_STATES = frozenset({1, 8})
"""TCP_ESTABLISHED and TCP_CLOSE_WAIT: the server has not yet closed the connection."""


class _TcpInfo(NamedTuple):
    state: int
    waiting: int
    sent_ms: int
    received_ms: int

    @property
    def silence_s(self) -> float:
        """Return the time since the last data in either direction, or since the arrival of a connection without."""
        return min(self.sent_ms, self.received_ms) / 1000


class _Connection(NamedTuple):
    """The identity of a connection: a later one with the same descriptor has another inode."""

    descriptor: int
    inode: int


@contextlib.asynccontextmanager
async def making_room(port: int, *, connections_max: int, processes: int, silence_min_s: float) -> AsyncIterator[None]:
    """Close silent connections to `port` while others wait and this process is at its limit, until the context ends.

    Args:
        port: the port on which this process listens, from the start of the context or later.
        connections_max: the number of connections that this process accepts.
        processes: the number of processes that accept connections from the same queue.
        silence_min_s: time from which a silent connection may be closed. It has to be the usual longest time of a
            response, because connections with a request in progress are silent for that time.
    """
    if sys.platform != "linux":
        yield
        return
    room = _Room(port, processes, SilentConnections(port, connections_max, silence_min_s))
    task = asyncio.create_task(room.run(), name="silent-connections")
    task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class SilentConnections:
    """The connections of this process that neither send nor receive.

    The kernel measures the silence of a connection from its arrival. The connection may wait long before the server
    accepts it and reads its request. So a connection counts as silent at most since the first search that found it.

    Args:
        port: the port on which this process listens.
        connections_max: the number of connections that this process accepts.
        silence_min_s: time from which a silent connection may be closed.
        clock: returns monotonic seconds.
    """

    def __init__(
        self, port: int, connections_max: int, silence_min_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._port = port
        self._full_from = math.ceil(_FOUND_SHARE * connections_max)
        self._silence_min_s = silence_min_s
        self._clock = clock
        self._found_at: dict[_Connection, float] = {}

    def close(self, number: int) -> int:
        """Close up to `number` silent connections, the longest silent ones first; return how many were closed.

        A process below its limit closes none.

        Raises:
            OSError: the process has reached its limit of open files.
        """
        descriptors = open_descriptors()
        if len(descriptors) < self._full_from:  # Spares an examination of each of them.
            return 0
        found = self._find(descriptors)
        if len(found) < self._full_from:
            return 0
        now = self._clock()
        self._found_at = {connection: self._found_at.get(connection, now) for connection in found}
        silent = [connection for connection, info in found.items() if self._is_silent(connection, info)]
        return sum(map(self._shut_down, nlargest(number, silent, key=lambda each: found[each].silence_s)))

    def _find(self, descriptors: Iterable[int]) -> dict[_Connection, _TcpInfo]:
        """Return the connections to the port among the open files."""
        found = {}
        for descriptor in descriptors:
            with contextlib.suppress(OSError), duplicate_socket(descriptor) as candidate:
                if local_port(candidate) == self._port and (info := _read_info(candidate)).state != _LISTEN_STATE:
                    found[_Connection(descriptor, _inode(candidate))] = info
        return found

    def _is_silent(self, connection: _Connection, info: _TcpInfo) -> bool:
        found_for_s = self._clock() - self._found_at[connection]
        return info.state in _OPEN_STATES and min(info.silence_s, found_for_s) >= self._silence_min_s

    def _shut_down(self, connection: _Connection) -> bool:
        """Shut a connection down, so that the server closes it; return False if it is no longer silent or open."""
        # The server may have closed the connection in the meantime, and another one may have its descriptor.
        with contextlib.suppress(OSError), duplicate_socket(connection.descriptor) as candidate:
            if _inode(candidate) == connection.inode and self._is_silent(connection, _read_info(candidate)):
                candidate.shutdown(socket.SHUT_RDWR)
                return True
        return False


class _Room:
    """The task that closes silent connections while others wait."""

    def __init__(self, port: int, processes: int, connections: SilentConnections) -> None:
        self._port = port
        self._processes = processes
        self._connections = connections
        self._listener: int | None = None
        self._logged_at = -_LOG_INTERVAL_S

    async def run(self) -> None:
        """Compare the number of waiting connections at each check, until the server stops."""
        waited = 0
        pause_s = CHECK_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = CHECK_S
            try:
                if (waiting := self._count_waiting()) is None:
                    return
                if waiting and waited:
                    pause_s = await self._close(waiting)
                waited = waiting
            except OSError as error:  # The process may have fewer open files at the next check.
                self._warn("Cannot search for silent connections: %s", error)

    def _count_waiting(self) -> int | None:
        """Return the number of connections that wait; None after the server has closed its socket, because it stops."""
        if self._listener is None:
            self._listener = find_listener(self._port)
        if self._listener is None:
            return 0
        try:
            with duplicate_socket(self._listener) as listener:
                if local_port(listener) != self._port:
                    return None
                info = _read_info(listener)
                return info.waiting if info.state == _LISTEN_STATE else None
        except OSError as error:
            if error.errno in {errno.EBADF, errno.ENOTSOCK}:
                return None
            raise

    async def _close(self, waiting: int) -> float:
        """Close this process's share of the connections; return the time until the next check."""
        started_at = time.monotonic()
        closed = await asyncio.to_thread(self._connections.close, math.ceil(waiting / self._processes))
        if closed:
            self._warn("All connections are in use: closed %d silent ones. CONNECTIONS_MAX is the limit.", closed)
        return max(CHECK_S, _PAUSE_SHARE * (time.monotonic() - started_at))

    def _warn(self, message: str, value: object) -> None:
        """Log a message unless another was logged a moment ago."""
        if time.monotonic() - self._logged_at > _LOG_INTERVAL_S:
            self._logged_at = time.monotonic()
            _log.warning(message, value)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("The search for silent connections has ended.", exc_info=error)


def _read_info(connection: socket.socket) -> _TcpInfo:
    return _TcpInfo(*_TCP_INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)))


def _inode(connection: socket.socket) -> int:
    return os.fstat(connection.fileno()).st_ino
