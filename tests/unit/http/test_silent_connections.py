"""A process at its limit of connections closes those that are silent, and no others."""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from api.http.silent_connections import SilentConnections, making_room

POLL_S = 0.01
TIMEOUT_S = 30.0
SILENCE_S = 0.02
"""Time from which a connection may be closed, by the kernel's clock and by that of the test."""
LIMIT = 3


class Server:
    """A server on a port of its own that has accepted `LIMIT` connections. Further ones wait."""

    def __init__(self, opened: contextlib.ExitStack) -> None:
        self.now = 1000.0
        self._opened = opened
        self._listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self._listener.getsockname()[1]
        self.clients = [self.connect() for _ in range(LIMIT)]
        self.accepted = [self.accept() for _ in range(LIMIT)]

    def clock(self) -> float:
        return self.now

    def connect(self) -> socket.socket:
        client = self._opened.enter_context(socket.create_connection(("127.0.0.1", self.port)))
        client.settimeout(0)
        return client

    def accept(self) -> socket.socket:
        return self._opened.enter_context(self._listener.accept()[0])

    def connections(self, connections_max: int) -> SilentConnections:
        return SilentConnections(self.port, connections_max, SILENCE_S, self.clock)

    def open_clients(self) -> list[socket.socket]:
        """Return the clients whose connection the server has not closed."""
        return [client for client in self.clients if not is_closed(client)]


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


@pytest.fixture
def server() -> Iterator[Server]:
    with contextlib.ExitStack() as opened:
        yield Server(opened)


def wait_for_silence() -> None:
    """Wait until the kernel reports each connection as silent."""
    time.sleep(2 * SILENCE_S)


def test_no_connection_is_closed_below_the_limit(server: Server) -> None:
    connections = server.connections(LIMIT + 1)
    for _ in range(2):
        wait_for_silence()
        assert connections.close(LIMIT) == 0
        server.now += 1
    assert server.open_clients() == server.clients


def test_a_search_that_misses_a_few_connections_finds_a_full_process(server: Server) -> None:
    server.clients += [server.connect() for _ in range(LIMIT, 19)]
    server.accepted += [server.accept() for _ in range(LIMIT, 19)]
    connections = server.connections(20)
    connections.close(1)
    wait_for_silence()
    server.now += 1
    assert connections.close(1) == 1


def test_the_silence_begins_with_the_first_search(server: Server) -> None:
    connections = server.connections(LIMIT)
    wait_for_silence()
    assert connections.close(LIMIT) == 0
    server.now += 1
    assert connections.close(1) == 1
    assert len(server.open_clients()) == LIMIT - 1


def test_a_connection_that_waited_is_not_silent_once_it_is_accepted(server: Server) -> None:
    connections = server.connections(LIMIT)
    assert connections.close(LIMIT) == 0
    late = server.connect()
    wait_for_silence()
    server.now += 1
    server.accept()
    assert connections.close(LIMIT + 1) == LIMIT
    assert server.open_clients() == []
    assert not is_closed(late)


def test_a_connection_with_the_descriptor_of_another_is_new(server: Server) -> None:
    connections = server.connections(LIMIT)
    assert connections.close(LIMIT) == 0
    descriptor = server.accepted[0].fileno()
    later = server.connect()
    server.accepted[0].close()
    assert server.accept().fileno() == descriptor
    wait_for_silence()
    server.now += 1
    assert connections.close(LIMIT) == LIMIT - 1
    assert not is_closed(later)


def test_the_connections_without_data_for_the_longest_time_are_closed(server: Server) -> None:
    connections = server.connections(LIMIT)
    wait_for_silence()
    server.clients[0].send(b"request")
    server.accepted[1].send(b"response")
    assert connections.close(LIMIT) == 0
    wait_for_silence()
    server.now += 1
    assert connections.close(1) == 1
    assert is_closed(server.clients[2])


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(POLL_S)


async def test_each_process_closes_its_share(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async with making_room(server.port, connections_max=LIMIT, processes=2, silence_min_s=SILENCE_S):
        waiting = [server.connect() for _ in range(4)]
        await until(lambda: "All connections are in use" in caplog.text)
    assert "closed 2 silent ones" in caplog.text
    assert not any(map(is_closed, waiting))


async def test_the_search_continues_after_a_lack_of_files(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with making_room(server.port, connections_max=LIMIT, processes=1, silence_min_s=SILENCE_S):
        server.connect()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            await until(lambda: "Cannot search for silent connections" in caplog.text)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await until(lambda: server.open_clients() != server.clients)
