"""A TCP proxy in front of the API that delays or loses answers: a bad network, for real."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536


class Gate:
    """Passes bytes on to `127.0.0.1:target_port`, and answers only while it is open."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._open = asyncio.Event()
        self._open.set()
        self._losing = False
        self.answers_lost = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.set()
        self._server.close()

    def hold(self) -> None:
        """Let requests through and keep their answers until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Pass on what was held, and everything from now on."""
        self._open.set()

    def lose_answers(self) -> None:
        """Let requests through and cut the connection instead of passing an answer on, until `mend`."""
        self._losing = True

    def mend(self) -> None:
        """Lose no more answers."""
        self._losing = False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            api_reader, api_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.close()
            return
        there = asyncio.create_task(self._pass(reader, api_writer, answers=False))
        back = asyncio.create_task(self._pass(api_reader, writer, answers=True))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for task in (there, back):
            task.cancel()
        for stream in (writer, api_writer):
            stream.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if answers:
                    await self._open.wait()
                    if self._losing:
                        self.answers_lost += 1
                        return
                writer.write(data)
                await writer.drain()
