"""The limit of connections: further ones wait, and silent ones leave their place to those that wait."""

import asyncio
import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable

_log = logging.getLogger(__name__)

CHECK_S = 0.25
"""Time for which a connection waits at the limit before a silent one is closed. Another process may accept it first."""
_RETRY_S = 1.0
"""Time without attempts after the system refused to accept a connection, for lack of open files or memory."""
_LOG_INTERVAL_S = 60.0


class Connection(asyncio.Protocol, ABC):
    """The server's end of a connection. Its `connection_lost` calls `Acceptor.discard`."""

    @abstractmethod
    def active_since(self) -> float:
        """Return the time of the event loop at which data was last received, or accepted by the client."""

    @abstractmethod
    def close_silent(self) -> None:
        """Close the connection. A response that its client does not read is lost."""


class Acceptor:
    """Accepts connections of one listening socket up to a limit.

    At the limit, further connections wait in the kernel's queue. While any waits for longer than `CHECK_S`, the
    acceptor closes the connections that have been silent for the longest time, one for each that it accepts.

    Args:
        listener: a listening socket that does not block. Several processes may share it.
        new_connection: returns the protocol of a new connection.
        connections_max: the most open connections.
        silence_min_s: time from which a silent connection may be closed. It has to be the usual longest time of a
            response, because connections with a request in progress are silent for that time.
    """

    def __init__(
        self,
        listener: socket.socket,
        new_connection: Callable[[], Connection],
        *,
        connections_max: int,
        silence_min_s: float,
    ) -> None:
        self._listener = listener
        self._new_connection = new_connection
        self._connections_max = connections_max
        self._silence_min_s = silence_min_s
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._stopped = False
        self._logged_at = -_LOG_INTERVAL_S
        self._resume()

    async def stop(self) -> None:
        """Accept no further connection, and close this process's descriptor of the listening socket."""
        self._stopped = True
        self._loop.remove_reader(self._listener)
        if self._pause:
            self._pause.cancel()
        self._listener.close()
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def discard(self, connection: Connection) -> None:
        """Free the place of a connection that has ended."""
        self._open.discard(connection)
        if self._pause and not self._is_full() and not self._stopped:
            self._resume()

    def _is_full(self) -> bool:
        return len(self._open) >= self._connections_max

    def _resume(self) -> None:
        if self._pause:
            self._pause.cancel()
            self._pause = None
        self._loop.add_reader(self._listener, self._on_waiting)

    def _wait(self, time_s: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listener)
        if self._pause:
            self._pause.cancel()
        self._pause = self._loop.call_later(time_s, then)

    def _on_waiting(self) -> None:
        """Accept one connection. Processes with less work accept more of a rush, because each accepts one at a time."""
        if self._is_full():
            self._wait(CHECK_S, self._replace_silent)
        else:
            self._accept()

    def _accept(self) -> bool:
        """Accept one connection; return False if none waits or the system refuses."""
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # Another process was faster, or the client has left.
            return False
        except OSError as error:
            self._warn("Cannot accept connections: %s", error)
            self._wait(_RETRY_S, self._resume)
            return False
        accepted.settimeout(0)
        connection = self._new_connection()
        self._open.add(connection)
        task = self._loop.create_task(self._connect(accepted, connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return True

    async def _connect(self, accepted: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted)
        except OSError:  # The client has left.
            accepted.close()
            self.discard(connection)

    def _replace_silent(self) -> None:
        """Accept the connections that still wait, each in place of a silent one."""
        self._resume()
        closed = 0
        for connection in self._find_silent():
            if not self._is_full() or not self._accept():
                break
            # The descriptor becomes free a moment later. A process has files for other purposes until then.
            self._open.discard(connection)
            connection.close_silent()
            closed += 1
        if closed:
            self._warn("All connections are in use: closed %d silent ones. CONNECTIONS_MAX is the limit.", closed)

    def _find_silent(self) -> list[Connection]:
        """Return the silent connections, the longest silent ones first."""
        until = self._loop.time() - self._silence_min_s
        active_since = {connection: connection.active_since() for connection in self._open}
        silent = [connection for connection, since in active_since.items() if since <= until]
        return sorted(silent, key=active_since.__getitem__)

    def _warn(self, message: str, value: object) -> None:
        """Log a message unless another was logged a moment ago."""
        if self._loop.time() - self._logged_at > _LOG_INTERVAL_S:
            self._logged_at = self._loop.time()
            _log.warning(message, value)
