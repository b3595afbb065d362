"""A TCP proxy that delays, holds, loses or cuts what passes: a bad network, for real."""

import asyncio
import contextlib
import random
from pathlib import Path
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536
_UPGRADE = b"upgrade: websocket"


class FaultyProxy:
    """Passes bytes on between a port of its own and a server: `127.0.0.1:target`, or a Unix socket's path.

    Of several targets each connection goes to the next one that listens, as behind a load balancer. What it does to
    the bytes is set while they pass; at first it does nothing. Connections are cut, and never made anew, so that
    either side notices as it would on a network.
    """

    def __init__(self, *targets: int | Path, chance: random.Random | None = None) -> None:
        self.targets = list(targets)
        """May change at any time; what is connected stays so."""
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
        """How long each piece of data waits."""
        self.cut_rate = 0.0
        """The share of pieces of data at which a connection is cut."""
        self.websockets_blocked = False
        """Whether a connection is cut that asks to become a websocket, as some companies' proxies do."""
        self.websockets_swallowed = False
        """Whether nothing more passes on such a connection, as with some firewalls."""
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
        """Let requests through and keep their answers until `release`."""
        self._answers_open.clear()

    def freeze(self) -> None:
        """Keep everything, in both directions, until `release`: nobody is told that nothing gets through."""
        self._open.clear()

    def release(self) -> None:
        """Pass on what was kept, and everything from now on."""
        self._open.set()
        self._answers_open.set()

    def lose_answers(self) -> None:
        """Let requests through and cut the connection instead of passing an answer on, until `mend`."""
        self._losing = True

    def cut(self) -> None:
        """Cut every connection that there is now."""
        for connection in self._connections:
            connection.cancel()

    def forsake(self) -> None:
        """Cut every connection that there is now, and do not tell the server: the other side went out of reach."""
        self._forsaken |= self._connections
        self.cut()

    def mend(self) -> None:
        """Pass everything on at once again."""
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
        except (OSError, asyncio.CancelledError):  # Nobody listens there, or it was cut.
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
