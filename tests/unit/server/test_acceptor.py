"""At its limit of connections a process closes those that are silent while others wait, and no others."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from api.server import acceptor as module
from api.server.acceptor import Acceptor, Connection
from tests.stack import eventually

LIMIT = 3
NEVER_S = 600.0


class Accepted(Connection):
    """A connection whose silence the test determines."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.since = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.accepted.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.accepted.remove(self)
        self._server.acceptor.discard(self)

    def active_since(self) -> float:
        return self.since

    def close_silent(self) -> None:
        self.transport.close()


class Server:
    """Listens on a port of its own."""

    def __init__(self, silence_min_s: float, opened: contextlib.ExitStack) -> None:
        self._opened = opened
        self.listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.listener.settimeout(0)
        self._port = self.listener.getsockname()[1]
        self.accepted: list[Accepted] = []
        self.acceptor = Acceptor(
            self.listener, lambda: Accepted(self), connections_max=LIMIT, silence_min_s=silence_min_s
        )

    def connect(self, number: int) -> list[socket.socket]:
        """Open connections. The kernel completes them, whether or not the server accepts them."""
        address = ("127.0.0.1", self._port)
        clients = [self._opened.enter_context(socket.create_connection(address)) for _ in range(number)]
        for client in clients:
            client.settimeout(0)
        return clients

    async def until(self, condition: Callable[[], bool]) -> None:
        assert await asyncio.to_thread(eventually, condition)


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.01)
    monkeypatch.setattr(module, "_RETRY_S", 0.01)


@contextlib.asynccontextmanager
async def serving(silence_min_s: float) -> AsyncIterator[Server]:
    with contextlib.ExitStack() as opened:
        server = Server(silence_min_s, opened)
        yield server
        if server.listener.fileno() != -1:
            await server.acceptor.stop()
        assert server.listener.fileno() == -1


async def some_checks() -> None:
    """Wait for several checks. The waiting connections of a test must still wait afterwards."""
    await asyncio.sleep(10 * module.CHECK_S)


async def test_connections_beyond_the_limit_wait_for_an_end() -> None:
    async with serving(NEVER_S) as server:
        clients = server.connect(LIMIT + 1)
        await server.until(lambda: len(server.accepted) == LIMIT)
        await some_checks()
        assert len(server.accepted) == LIMIT
        clients[0].close()
        await server.until(lambda: len(server.accepted) == LIMIT and server.accepted[-1].since > 0)
        assert not any(map(is_closed, clients[1:]))


async def test_silent_connections_stay_while_no_other_waits() -> None:
    async with serving(0) as server:
        clients = server.connect(LIMIT)
        await server.until(lambda: len(server.accepted) == LIMIT)
        await some_checks()
        assert not any(map(is_closed, clients))


async def test_the_longest_silent_connections_are_closed_one_for_each_that_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(100) as server:
        clients = server.connect(LIMIT)
        await server.until(lambda: len(server.accepted) == LIMIT)
        now = asyncio.get_running_loop().time()
        for connection, silence_s in zip(list(server.accepted), (150, 99, 200), strict=True):
            connection.since = now - silence_s
        server.connect(1)
        await server.until(lambda: is_closed(clients[2]))
        assert [is_closed(client) for client in clients] == [False, False, True]
        server.connect(2)
        await server.until(lambda: is_closed(clients[0]))
        await some_checks()
        assert not is_closed(clients[1]), "it was not silent for long enough"
        assert len(server.accepted) == LIMIT
    assert "All connections are in use: closed 1 silent ones" in caplog.text


async def test_another_process_may_accept_a_waiting_connection_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 0.1)
    async with serving(0) as server:
        clients = server.connect(LIMIT)
        await server.until(lambda: len(server.accepted) == LIMIT)
        shared = server.listener.dup()
        shared.settimeout(0)
        server.connect(1)
        with shared, shared.accept()[0]:
            await some_checks()
            assert not any(map(is_closed, clients))


async def test_a_lack_of_files_ends(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    refusals = iter([errno.EMFILE, errno.ENFILE, errno.ENOBUFS])

    class Poor(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            for number in refusals:
                raise OSError(number, "no more files")
            return super().accept()

    monkeypatch.setattr(socket, "socket", Poor)
    async with serving(NEVER_S) as server:
        server.connect(1)
        await server.until(lambda: len(server.accepted) == 1)
    assert caplog.text.count("Cannot accept connections") == 1


async def test_no_connection_is_accepted_after_the_stop() -> None:
    async with serving(NEVER_S) as server:
        server.connect(LIMIT + 1)
        await server.until(lambda: len(server.accepted) == LIMIT)
        await server.acceptor.stop()
        server.accepted[0].transport.close()
        await server.until(lambda: len(server.accepted) == LIMIT - 1)
        await some_checks()
        assert len(server.accepted) == LIMIT - 1
