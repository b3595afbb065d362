"""A connection that is cut anywhere within a booking: the response is true, and a repeat books exactly once.

`CUT_STRIDE_BYTES=1` cuts after every byte.
"""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, get_args

import pytest
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.commands.audit import audit
from api.commands.seed import parse_inventory, seed
from api.errors import Busy
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked, Decision, NewOrder
from api.services.order_rows import OrderRow
from tests.integration.services.bookings.test_batcher import (
    RESPONSE_TIMEOUT_S,
    count,
    order,
    responses,
    running_batcher,
)

Direction = Literal["to the server", "to the client"]
STRIDE_BYTES = int(os.environ.get("CUT_STRIDE_BYTES", "31"))
"""Distance between two cuts; by default a prime number, so that the cuts fall on all parts of messages."""
ONE_ATTEMPT = {"booking_attempts_max": 1, "db_pool_max": 1, "booking_wait_ms": 10_000}
"""Each request gets the outcome of its first attempt, also on a busy machine."""
BYTES_MIN = 200
"""A booking has more bytes than this in each direction."""


class CuttingRelay:
    """Forwards data between TCP connections and the server's socket, and cuts them after a number of bytes."""

    def __init__(self, database_url: str) -> None:
        target = conninfo_to_dict(database_url)
        self._socket = Path(str(target["host"])) / f".s.PGSQL.{target['port']}"
        self._left: dict[Direction, int] = {}
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self, database_url: str) -> AsyncIterator[str]:
        """Accept connections within the context; the value leads to the database through the relay."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        try:
            port = server.sockets[0].getsockname()[1]
            yield make_conninfo(database_url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def cut_after(self, direction: Direction, number: int) -> None:
        """Cut the connection after that many further bytes of a direction."""
        self._left[direction] = number

    def cut_no_more(self) -> None:
        """Forget the next cut."""
        self._left.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        there_reader, there_writer = await asyncio.open_unix_connection(str(self._socket))
        both = [
            asyncio.create_task(self._forward(reader, there_writer, "to the server")),
            asyncio.create_task(self._forward(there_reader, writer, "to the client")),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for each in (writer, there_writer):
                each.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                left = self._left.get(direction)
                part = data if left is None else data[:left]
                writer.write(part)
                await writer.drain()
                if left is not None:
                    self._left[direction] = left - len(part)
                    if left <= len(data):
                        del self._left[direction]
                        return


async def sessions(conn: AsyncConnection) -> set[int]:
    """Return the ids of the server's other sessions with the database."""
    cursor = await conn.execute(
        "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    return {pid async for (pid,) in cursor}


async def repeated(batcher: BookingBatcher, request: NewOrder) -> Booked:
    """Repeat a request until the pool has a connection again; return the order."""
    async with asyncio.timeout(RESPONSE_TIMEOUT_S):
        while True:
            try:
                decision: Decision | Busy = await batcher.book(request)
            except Busy as refusal:
                decision = refusal
            if not isinstance(decision, Busy):
                assert isinstance(decision, Booked)
                return decision
            assert "unknown" not in decision.details  # A refused repeat must not leave the outcome open.


@pytest.mark.timeout(1200)  # with a cut after every byte
@pytest.mark.parametrize("path", ["direct", "careful"])
@pytest.mark.parametrize("direction", get_args(Direction))
async def test_a_cut_within_a_booking_leaves_a_true_response(
    database_url: str, conn: AsyncConnection, direction: Direction, path: str
) -> None:
    relay = CuttingRelay(database_url)
    seed(database_url, event="large", inventory=parse_inventory("GA=10000"))
    outcomes: list[tuple[bool, bool]] = []
    async with (
        relay.running(database_url) as url,
        running_batcher(url, **ONE_ATTEMPT, booking_path=path) as batcher,
    ):
        for number in range(2):  # The first booking reads the tier.
            (booked,) = await responses(batcher, order(f"whole-{number}", event="large"))
            assert isinstance(booked, OrderRow)
        for number in itertools.count(1, STRIDE_BYTES):
            request = order(f"cut-{number}", event="large", user_id=f"u-{number}")
            before = await sessions(conn)
            relay.cut_after(direction, number)
            (response,) = await responses(batcher, request)
            if isinstance(response, OrderRow):  # The booking has fewer bytes.
                relay.cut_no_more()
                break
            # The server may still run the statements that it has received.
            while await sessions(conn) & before:  # noqa: ASYNC110 - the test's timeout bounds it
                await asyncio.sleep(0)
            stored = await count(conn, f"orders where reference = 'cut-{number}'")
            assert isinstance(response, Busy)
            unknown = "unknown" in response.details
            assert unknown or not stored, f"{request.reference} was booked despite: {response.message}"
            outcomes.append((bool(stored), unknown))
            again = await repeated(batcher, request)
            assert unknown or not again.replayed, f"{request.reference} was booked later despite: {response.message}"
            assert await count(conn, f"orders where reference = 'cut-{number}'") == 1
    assert len(outcomes) * STRIDE_BYTES > BYTES_MIN
    if path == "direct":  # BEGIN, the call and COMMIT are one round trip.
        assert all(unknown for _, unknown in outcomes)
        assert (False, True) in outcomes or direction == "to the client"
    else:
        assert (False, False) in outcomes
    assert (True, True) in outcomes or direction == "to the server"
    assert await count(conn, "tickets where status = 'sold'") == await count(conn, "orders")
    assert audit(database_url) == []
