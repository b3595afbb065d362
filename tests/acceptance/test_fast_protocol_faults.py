"""The protocol below ASGI under load and errors: no client occupies the server, and each response is sent once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from api import fast_protocol
from api.app import connection_refusals, create_app, protocol_of
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.fast_path import FastPath
from api.fast_protocol import AT_ONCE_MAX
from api.server.sockets import open_listener
from api.server.uvicorn_patch import PIPELINED_MAX, Port, Server
from tests.acceptance.test_fast_path import book
from tests.acceptance.test_fast_protocol import AVAILABILITY, encoded
from tests.stack import HTTP_TIMEOUT_S, cloned_database, temporary_directory

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("fast_protocol")]

POLL = encoded(AVAILABILITY)
LAST_POLL = POLL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Served:
    """A server whose application below the fast path is counted."""

    def __init__(self, app: FastPath, *, finish_within_s: int | None = None) -> None:
        self.app = app
        self.asgi_calls = 0
        listener = open_listener("127.0.0.1", 0, write_timeout_ms=60_000)
        self.port = listener.getsockname()[1]
        port = Port(listener, self._counted, 100, 600.0, 600.0, connection_refusals(), protocol_of(app))
        self.server = Server([port], finish_within_s=finish_within_s)

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        self.asgi_calls += scope["type"] == "http"
        await self.app(scope, receive, send)

    async def receive_all(self, request: bytes) -> bytes:
        """Send data; return all data until the server closes the connection."""
        async with asyncio.timeout(HTTP_TIMEOUT_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(request)
            received = await reader.read()
            writer.close()
            return received

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.server.serve())
        try:
            yield
        finally:
            self.server.stop()
            await asyncio.wait_for(task, HTTP_TIMEOUT_S)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(server: EmbeddedServer) -> AsyncIterator[Served]:
    with cloned_database(server) as url, temporary_directory() as directory:
        options = Settings(database_url=url, data_dir=directory, endpoint_rps=0, bookings_per_minute=0)
        served = Served(create_app(options))
        async with served.running():
            await served.receive_all(LAST_POLL)  # fills the cache
            yield served


async def test_a_long_pipeline_leaves_the_fast_protocol_and_keeps_its_order(served: Served) -> None:
    calls = served.asgi_calls
    received = await served.receive_all(POLL * (AT_ONCE_MAX + 4) + LAST_POLL)
    assert received.count(b"HTTP/1.1 200 OK") == AT_ONCE_MAX + 5
    assert served.asgi_calls - calls == 5


async def test_too_many_pipelined_requests_end_the_connection(served: Served) -> None:
    received = await served.receive_all(POLL * (AT_ONCE_MAX + PIPELINED_MAX + 10))
    assert received.count(b"HTTP/1.1 200 OK") == received.count(b"HTTP/1.1") == AT_ONCE_MAX + PIPELINED_MAX + 1


def fail(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken")


async def fail_later(*_: Any) -> Any:
    raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("name", "broken", "request_bytes"),
    [("respond_now", fail, POLL), ("headers_of", fail, POLL), ("respond", fail_later, encoded(book("key-1")))],
)
async def test_an_error_in_a_response_is_logged_and_closes_the_connection(
    served: Served,
    name: str,
    broken: Any,
    request_bytes: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(served.app, name, broken)
    assert await served.receive_all(request_bytes) == b""
    (record,) = [each for each in caplog.records if each.name == fast_protocol.__name__]
    assert "failed" in record.message
    assert "broken" in str(record.exc_info)


@pytest.mark.parametrize(("sent", "responses"), [(POLL, 1), (encoded(book("key-2")) + LAST_POLL, 2)])
async def test_an_error_behind_a_response_sends_no_second_one(
    served: Served, sent: bytes, responses: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fast_protocol, "count", fail)
    received = await served.receive_all(sent)
    assert received.count(b"HTTP/1.1 20") == received.count(b"HTTP/1.1 ") == responses
    assert "broken" in caplog.text


async def test_a_booking_that_outlasts_the_stop_ends_its_connection(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloned_database(server) as url, temporary_directory() as directory:
        served = Served(create_app(Settings(database_url=url, data_dir=directory)), finish_within_s=0)
        began = asyncio.Event()

        async def endless(_: Any) -> Any:
            began.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(served.app, "respond", endless)
        async with served.running():
            while not served.server.started:  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(0.01)
            booking = asyncio.create_task(served.receive_all(encoded(book("key-1"))))
            await began.wait()
        assert await booking == b""
