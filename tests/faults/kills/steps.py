"""The steps of a process: its messages to and from PostgreSQL, the payment provider and the mail server.

A tap is a proxy in front of a server. It passes complete messages, and counts each as a step. At a chosen step it kills
the process instead of passing the message. The lost message is a request, or a response to a processed request.
"""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal, NamedTuple

Protocol = Literal["postgres", "http", "smtp"]
HttpFault = Literal["refused", "limited", "request lost", "response lost", "slow"]
"""Faults of a provider: a response 500 or 429, a connection that ends, or a request that arrives late."""

SLOW_S = 0.3
"""Delay of a slow request. It exceeds the timeout of the process, which then repeats the request."""
_CHUNK_BYTES = 1 << 20
_STATEMENT = re.compile(rb"/\* ([a-z_.]+) \*/|\b(begin|commit|rollback)\b")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_FAILURES = {"refused": b"500 Internal Server Error", "limited": b"429 Too Many Requests"}


class Steps:
    """Counts the steps of one process at a time, and kills it at one of them."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        """The descriptions of the counted steps; the last one is the step of the kill, if there was one."""
        self.killed = asyncio.Event()
        """Set from the kill on."""
        self._kill_at = 0
        self._kill: Callable[[], None] | None = None

    def begin(self) -> None:
        """Pass the messages of another process, which starts, without counting them."""
        self.passed = []
        self.killed.clear()

    def arm(self, kill_at: int, kill: Callable[[], None]) -> None:
        """Count from one, and call `kill` at the step with this number."""
        self._kill_at, self._kill = kill_at, kill

    def disarm(self) -> None:
        """Stop counting. Messages of a killed process never arrive."""
        self._kill = None

    def passes(self, description: str) -> bool:
        """Count a message; return False if it must not arrive."""
        if self._kill is None:
            return not self.killed.is_set()
        if self.killed.is_set():
            return False
        self.passed.append(description)
        if len(self.passed) == self._kill_at:
            self.killed.set()
            self._kill()
        return not self.killed.is_set()


class HttpFaults(NamedTuple):
    """A share of requests to a provider that fail. `chance` decides which ones, and how."""

    chance: random.Random
    rate: float

    def draw(self) -> HttpFault | None:
        """Return the fault of the next request."""
        kinds: tuple[HttpFault, ...] = ("refused", "limited", "request lost", "response lost", "slow")
        return self.chance.choice(kinds) if self.chance.random() < self.rate else None


class Tap:
    """A proxy between the counted process and a server on a local port or Unix socket."""

    def __init__(self, protocol: Protocol, target: int | Path, steps: Steps) -> None:
        self.faults: HttpFaults | None = None
        self.port = 0
        self._protocol = protocol
        self._target = target
        self._steps = steps
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen on a port of its own until the context ends."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        writers = [writer]
        passing: list[asyncio.Task[None]] = []
        try:
            server_reader, server_writer = await self._connect()
            writers.append(server_writer)
            loses_response = asyncio.Event()
            passing = [
                asyncio.create_task(self._pass_requests(reader, server_writer, writer, loses_response)),
                asyncio.create_task(self._pass_responses(server_reader, writer, loses_response)),
            ]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):  # No server listens, or the test has ended.
            pass
        finally:
            for task in passing:
                task.cancel()
            for each in writers:
                each.close()
            self._connections.discard(connection)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _pass_requests(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        loses_response: asyncio.Event,
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while message := await self._read(reader):
                if not self._steps.passes(f"{self._protocol} request: {self._describe(message)}"):
                    return
                fault = self.faults.draw() if self.faults else None
                if fault == "request lost":
                    return
                if fault in _FAILURES:
                    client.write(b"HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n" % _FAILURES[fault])
                    await client.drain()
                    continue
                if fault == "slow":
                    await asyncio.sleep(SLOW_S)
                if fault == "response lost":
                    loses_response.set()
                server.write(message)
                await server.drain()

    async def _pass_responses(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, loses_response: asyncio.Event
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while message := await self._read(server):
                if not self._steps.passes(f"{self._protocol} response") or loses_response.is_set():
                    return
                client.write(message)
                await client.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """Return the next message, or an empty one at the end."""
        if self._protocol != "http":
            return await reader.read(_CHUNK_BYTES)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return head + (await reader.readexactly(int(length[1])) if length else b"")

    def _describe(self, message: bytes) -> str:
        if self._protocol == "postgres":
            names = [(found[1] or found[2]).decode() for found in _STATEMENT.finditer(message)]
            return ", ".join(dict.fromkeys(names)) or "a prepared statement"
        return message.partition(b"\r\n")[0][:60].decode(errors="replace")
