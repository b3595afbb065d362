"""A pooler that shares server sessions between transactions is refused unless it keeps the session's state."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.database.pool import open_pool, session_settings
from api.database.pooler import PoolerCheck, _settings_missing, check_pooler
from api.database.session import open_session
from api.errors import SetupError

Message = tuple[bytes, bytes]
"""Type and content of a message of PostgreSQL's protocol."""


class Pooler:
    """A connection pooler, as small as possible: the most recently used idle server session serves next.

    In transaction mode a client gives its server session back after each transaction, otherwise at its end.
    """

    def __init__(self, server_socket: str, *, transactions: bool) -> None:
        self._server_socket = server_socket
        self._transactions = transactions
        self._idle: list[socket.socket] = []
        self._pids = itertools.count(1_000_000_000)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for server in self._idle:
                server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client:
            server: socket.socket | None = self._open_session(client)
            while (request := _until(client, b"QSX"))[-1][0] != b"X":
                server = server or self._take_session()
                server.sendall(b"".join(itertools.starmap(_packed, request)))
                response = _until(server, b"Z")
                if self._transactions and response[-1][1] == b"I":
                    self._idle.append(server)
                    server = None
                client.sendall(b"".join(itertools.starmap(_packed, response)))
            if server:
                server.close()

    def _take_session(self) -> socket.socket:
        return self._idle.pop()

    def _open_session(self, client: socket.socket) -> socket.socket | None:
        """Open a server session for a new client; return it in session mode."""
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._server_socket)
        size = _receive(client, 4)
        server.sendall(size + _receive(client, int.from_bytes(size) - 4))
        for kind, content in _until(server, b"Z"):
            own = next(self._pids).to_bytes(4) + content[4:] if kind == b"K" else content
            client.sendall(_packed(kind, own))
        if not self._transactions:
            return server
        self._idle.append(server)
        return None


def _receive(end: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        if not (part := end.recv(size - len(received))):
            raise EOFError
        received += part
    return received


def _until(end: socket.socket, last: bytes) -> list[Message]:
    """Read messages up to the first one whose type is in `last`."""
    messages: list[Message] = []
    while not messages or messages[-1][0] not in last:
        head = _receive(end, 5)
        messages.append((head[:1], _receive(end, int.from_bytes(head[1:]) - 4)))
    return messages


def _packed(kind: bytes, content: bytes) -> bytes:
    return kind + (len(content) + 4).to_bytes(4) + content


class FullPooler(Pooler):
    """A pooler in transaction mode that delays each statement after the first ones until it ends."""

    def __init__(self, server_socket: str, statements: int) -> None:
        super().__init__(server_socket, transactions=True)
        self._left = statements
        self._ended = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with super().running():
            try:
                yield
            finally:
                self._ended.set()

    def _take_session(self) -> socket.socket:
        self._left -= 1
        if self._left < 0:
            self._ended.wait()
            raise EOFError
        return super()._take_session()


@contextlib.contextmanager
def pooled(database_url: str, *, transactions: bool = True, statements: int | None = None) -> Iterator[str]:
    """Yield the URL of a database behind a pooler, which is full after a number of statements."""
    server = conninfo_to_dict(database_url)
    server_socket = f"{server['host']}/.s.PGSQL.{server['port']}"
    pooler = (
        Pooler(server_socket, transactions=transactions)
        if statements is None
        else FullPooler(server_socket, statements)
    )
    with pooler.running():
        yield make_conninfo(database_url, host="127.0.0.1", port=pooler.port, sslmode="disable", gssencmode="disable")


def test_a_direct_connection_is_accepted(database_url: str) -> None:
    assert check_pooler(database_url, Settings())


def test_a_pooler_in_session_mode_is_accepted(database_url: str) -> None:
    with pooled(database_url, transactions=False) as url:
        assert check_pooler(url, Settings())


def test_a_pooler_that_loses_prepared_statements_is_refused(database_url: str) -> None:
    with (
        pooled(database_url, transactions=True) as url,
        pytest.raises(SetupError, match=r"Use session pooling .* PgBouncer 1\.21 or newer"),
    ):
        check_pooler(url, Settings())


def test_an_unavailable_database_is_no_reason_to_refuse() -> None:
    assert not check_pooler("postgresql://u@127.0.0.1:1/d", Settings())


async def test_a_process_that_started_without_a_database_checks_the_pooler_later(database_url: str) -> None:
    with pooled(database_url, transactions=True) as url:
        async with open_pool(url, Settings(), PoolerCheck(url, Settings()).admit) as pool:
            with pytest.raises(psycopg.OperationalError):
                async with open_session(pool):
                    pass
    for transactions in (False, None):
        with (
            contextlib.nullcontext(database_url)
            if transactions is None
            else pooled(database_url, transactions=transactions) as url
        ):
            async with open_pool(url, Settings(), PoolerCheck(url, Settings()).admit) as pool, open_session(pool):
                pass


async def test_a_pooler_whose_mode_is_unknown_is_not_used(database_url: str) -> None:
    with pooled(database_url, transactions=False) as url:
        check = PoolerCheck("postgresql://u@127.0.0.1:1/d", Settings())
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            with pytest.raises(psycopg.OperationalError, match="mode is unknown"):
                await check.admit(connection)


@pytest.mark.parametrize("statements", range(6))
async def test_a_check_behind_a_full_pooler_ends(database_url: str, statements: int) -> None:
    settings = Settings(db_round_trip_max_ms=200)
    with pooled(database_url, transactions=False) as usable, pooled(database_url, statements=statements) as full:
        check = PoolerCheck(full, settings)
        async with await psycopg.AsyncConnection.connect(usable, autocommit=True) as connection:
            with pytest.raises(psycopg.OperationalError, match="mode is unknown"):
                await check.admit(connection)


def test_the_settings_that_a_role_lacks_are_listed(server: EmbeddedServer, database_url: str) -> None:
    names = set(session_settings(Settings()))
    with psycopg.connect(database_url, autocommit=True) as conn:
        statements = _settings_missing(conn, Settings())
        assert len(statements) == len(names)
        for statement in statements:
            conn.execute(statement.encode())
        assert _settings_missing(conn, Settings()) == []
        database = conn.info.dbname
        conn.execute(f'alter role tickets in database "{database}" reset all'.encode())
