"""A TCP proxy that delays, holds back, loses or cuts data, as a bad network does."""

import asyncio
import contextlib
import random
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536
_UPGRADE = b"upgrade: websocket"


class FaultyProxy:
    """Forwards data between its own port and a server on a local port or Unix socket.

    With several targets, each connection goes to the next target that listens, as behind a load balancer. A test
    switches faults on and off while data passes. The proxy cuts connections and never reconnects, so that both sides
    detect the fault as they would on a network.
    """

    def __init__(self, *targets: int | Path, chance: random.Random | None = None) -> None:
        self.targets = list(targets)
        """A test may change the targets at any time. Existing connections keep theirs."""
        self._chance = chance or random.Random()
        self._open = asyncio.Event()
        self._open.set()
        self._answers_open = asyncio.Event()
        self._answers_open.set()
        self._losing = False
        self._connections: set[asyncio.Task[None]] = set()
        self._forsaken: set[asyncio.Task[None]] = set()
        self._left_open: list[asyncio.StreamWriter] = []
        self.answers_lost = 0
        self.delay_s = 0.0
        """Delay of each chunk of data, in seconds."""
        self.cut_rate = 0.0
        """The share of chunks at which the proxy cuts the connection."""
        self.websockets_blocked = False
        """True: cut connections that request a websocket, as some corporate proxies do."""
        self.websockets_swallowed = False
        """True: forward no more data on connections that request a websocket, as some firewalls do."""
        self.websockets_refused = 0

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
        for writer in self._left_open:
            writer.transport.abort()

    def hold(self) -> None:
        """Forward requests and hold back their responses until `release`."""
        self._answers_open.clear()

    def freeze(self) -> None:
        """Hold back all data in both directions until `release`, without closing a connection."""
        self._open.clear()

    def release(self) -> None:
        """Forward the held data and all new data."""
        self._open.set()
        self._answers_open.set()

    def lose_answers(self) -> None:
        """Forward requests and cut the connection instead of forwarding a response, until `mend`."""
        self._losing = True

    def cut(self) -> None:
        """Cut every current connection."""
        for connection in self._connections:
            connection.cancel()

    def forsake(self) -> None:
        """Cut every current connection without closing the server's side, as a vanished client does."""
        self._forsaken |= self._connections
        self.cut()

    def mend(self) -> None:
        """Remove every fault and forward all data without delay."""
        self._losing = False
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
            passing = [
                asyncio.create_task(self._pass(reader, there_writer, answers=False)),
                asyncio.create_task(self._pass(there_reader, writer, answers=True)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in passing:
                    task.cancel()
        except (OSError, asyncio.CancelledError):  # No target listens, or the connection was cut.
            pass
        finally:
            if connection in self._forsaken:
                self._forsaken.discard(connection)
                self._left_open += writers[1:]
                del writers[1:]
            for each in writers:
                each.transport.abort()
            self._connections.discard(connection)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in self.targets[1:]:
            with contextlib.suppress(OSError):
                return await self._connect_next()
        return await self._connect_next()

    async def _connect_next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not self.targets:
            raise ConnectionRefusedError
        target = self.targets.pop(0)
        self.targets.append(target)
        if isinstance(target, Path):
            return await asyncio.open_unix_connection(str(target))
        return await asyncio.open_connection("127.0.0.1", target)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._open.wait()
                if answers:
                    await self._answers_open.wait()
                    if self._losing:
                        self.answers_lost += 1
                        return
                if self._chance.random() < self.cut_rate:
                    return
                if not answers and _UPGRADE in data.lower() and (self.websockets_blocked or self.websockets_swallowed):
                    self.websockets_refused += 1
                    if self.websockets_swallowed:
                        await reader.read()
                    return
                writer.write(data)
                await writer.drain()
