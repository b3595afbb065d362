"""A small HTTP server within a test. It records each request and sends the response that the test chooses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import NamedTuple

from tests.stack import READY_TIMEOUT_S


class Request(NamedTuple):
    """A received request; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Response(NamedTuple):
    """A response. `stalls`: it never ends. `cut`: the connection ends instead."""

    status: int = 200
    body: bytes = b""
    stalls: bool = False
    cut: bool = False


class Listener:
    """Listens on a port of its own. A test may change `respond` at any time."""

    def __init__(self, respond: Callable[[Request], Response]) -> None:
        self.respond = respond
        self.requests: list[Request] = []
        self.url = ""
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the recorded requests fulfil a condition."""
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not condition():
                self._arrived.clear()
                await self._arrived.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond to the requests of a connection until the connection or the test ends."""
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while await self._serve_one(reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, body)
        self.requests.append(request)
        self._arrived.set()
        response = self.respond(request)
        if response.cut:
            return False
        length = len(response.body) + response.stalls
        phrase = HTTPStatus(response.status).phrase
        writer.write(
            f"HTTP/1.1 {response.status} {phrase}\r\ncontent-length: {length}\r\n\r\n".encode() + response.body
        )
        await writer.drain()
        if response.stalls:
            await asyncio.Event().wait()
        return headers.get("connection") != "close"


@contextlib.asynccontextmanager
async def listening(
    respond: Callable[[Request], Response] = lambda _: Response(), port: int = 0
) -> AsyncIterator[Listener]:
    """Run a listener until the context ends; by default it responds with 200 to every request."""
    listener = Listener(respond)
    server = await asyncio.start_server(listener.serve, "127.0.0.1", port)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield listener
    finally:
        server.close()
        await listener.stop()
        await server.wait_closed()
