"""A TCP proxy that delays, holds back, loses or cuts data, as a bad network does."""

import asyncio
import contextlib
import random
import re
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536
_REQUEST_LINE = re.compile(rb"(?:GET|HEAD|POST|OPTIONS) [^\r]*")
_PREFLIGHT = b"OPTIONS "


class FaultyProxy:
    """Forwards data between its own port and a server on a local port or Unix socket.

    A test switches faults on and off while data passes. The proxy cuts connections and never reconnects, so that both
    sides detect the fault as they would on a network.

    Some faults affect only HTTP requests whose request line matches a regular expression; an empty one matches all
    data. They never affect a browser's preflight requests (OPTIONS), which precede the requests that a test means.
    """

    def __init__(self, target: int | Path, *, chance: random.Random | None = None) -> None:
        self._target = target
        self._chance = chance or random.Random()
        self._open = asyncio.Event()
        self._open.set()
        self._responses_open = asyncio.Event()
        self._responses_open.set()
        self._held: re.Pattern[bytes] | None = None
        self._without_response: re.Pattern[bytes] | None = None
        self._lost: re.Pattern[bytes] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.responses_lost = 0
        self.delay_s = 0.0
        """Delay of each chunk of data, in seconds."""
        self.cut_rate = 0.0
        """The share of chunks at which the proxy cuts the connection."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def lead_to(self, target: int | Path) -> None:
        """Connect to another server from now on, and cut every current connection."""
        self._target = target
        self.cut()

    def hold(self, requests: str = "") -> None:
        """Forward requests and hold back the responses to matching requests until `release`."""
        self._held = re.compile(requests.encode())
        self._responses_open.clear()

    def freeze(self) -> None:
        """Hold back all data in both directions until `release`, without closing a connection."""
        self._open.clear()

    def release(self) -> None:
        """Forward the held data and all new data."""
        self._open.set()
        self._responses_open.set()

    def lose_responses(self, requests: str = "") -> None:
        """Forward requests and cut the connection instead of forwarding a matching one's response, until `mend`."""
        self._without_response = re.compile(requests.encode())

    def lose_requests(self, requests: str = "") -> None:
        """Cut the connection instead of forwarding a matching request, until `mend`."""
        self._lost = re.compile(requests.encode())

    def cut(self) -> None:
        """Cut every current connection."""
        for connection in self._connections:
            connection.cancel()

    def mend(self) -> None:
        """Remove every fault and forward all data without delay."""
        self._without_response = self._lost = None
        self.delay_s = self.cut_rate = 0.0
        self.release()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        writers = [writer]
        try:
            there_reader, there_writer = await self._connect()
            writers.append(there_writer)
            exchange = _Exchange()
            passing = [
                asyncio.create_task(self._forward_requests(reader, there_writer, exchange)),
                asyncio.create_task(self._forward_responses(there_reader, writer, exchange)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in passing:
                    task.cancel()
        except (OSError, asyncio.CancelledError):  # No target listens, or the connection was cut.
            pass
        finally:
            for each in writers:
                each.transport.abort()
            self._connections.discard(connection)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _forward_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: "_Exchange"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await self._read(reader):
                exchange.note(data)
                if exchange.matches(self._lost) or self._chance.random() < self.cut_rate:
                    return
                writer.write(data)
                await writer.drain()

    async def _forward_responses(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, exchange: "_Exchange"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await self._read(reader):
                if exchange.matches(self._held):
                    await self._responses_open.wait()
                if exchange.matches(self._without_response):
                    self.responses_lost += 1
                    return
                if self._chance.random() < self.cut_rate:
                    return
                writer.write(data)
                await writer.drain()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        data = await reader.read(_CHUNK_BYTES)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self._open.wait()
        return data


class _Exchange:
    """The request that a connection transfers, or whose response it awaits."""

    def __init__(self) -> None:
        self._line = b""

    def note(self, data: bytes) -> None:
        if line := _REQUEST_LINE.match(data):
            self._line = line[0]

    def matches(self, requests: re.Pattern[bytes] | None) -> bool:
        return requests is not None and not self._line.startswith(_PREFLIGHT) and bool(requests.search(self._line))
