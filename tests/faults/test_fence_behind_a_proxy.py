"""A URL with one host leads to changing servers: a former primary is refused, and the standby's state is read anew."""

import asyncio

import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from api.database.pool import Pool, open_pool
from api.errors import Busy
from api.services.bookings.batcher import BookingBatcher
from api.services.order_views import get_order
from tests.faults.replicated_system import fail_over
from tests.faults.replication import replicated_pair
from tests.faults.test_failover import PATIENT, REFERENCES, SETTINGS, book, book_until_booked
from tests.faulty_proxy import FaultyProxy
from tests.integration.asynchronous import OPEN
from tests.stack import READY_TIMEOUT_S


async def test_a_former_primary_behind_a_proxy_is_refused_also_after_a_restart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with replicated_pair() as pair, FaultyProxy(pair.primary.port) as proxy:
        url = make_conninfo(pair.url, host="127.0.0.1", port=proxy.port)
        settings = msgspec.structs.replace(PATIENT, data_dir=pair.primary.cluster.parent / "data")
        async with open_pool(url, settings) as pool:
            await book_and_read(pool, "before")
            assert (await shared_state(pool))[1] is not None
            await fail_over(pair)
            proxy.lead_to(pair.standby.port)
            await book_and_read(pool, "after")
            (_, timeline), replicated_at = await shared_state(pool)
            assert timeline == 2
            assert replicated_at is None  # The new primary has no standby.

            await asyncio.to_thread(pair.primary.start)
            pair.primary.replicate_synchronously("")
            proxy.lead_to(pair.primary.port)
            await until_refused(pool, caplog)
        async with open_pool(url, settings) as pool:
            await until_refused(pool, caplog)
            proxy.lead_to(pair.standby.port)
            await book_and_read(pool, "later")
        assert pair.primary.rows(REFERENCES) == [("before",)]
        assert pair.standby.rows(REFERENCES) == [("after",), ("before",), ("later",)]


async def book_and_read(pool: Pool, reference: str) -> None:
    batcher = BookingBatcher(pool, PATIENT, on_commit=lambda _: None)
    async with batcher.running():
        await book_until_booked(batcher, reference)
    order, _ = await get_order(pool, reference, OPEN)
    assert order.status == "confirmed"


async def shared_state(pool: Pool) -> tuple[tuple[int, int], object]:
    """Return the cluster and the timeline of the server, and the time until which its standby has all changes."""
    async with pool.connection() as connection:
        assert connection.shared.server
        return connection.shared.server, connection.shared.replicated_at


async def until_refused(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    """Try to book until the pool has refused a connection to a server that accepts it."""
    caplog.clear()
    batcher = BookingBatcher(pool, SETTINGS, on_commit=lambda _: None)
    async with batcher.running(), asyncio.timeout(READY_TIMEOUT_S):
        while "this server is a former primary" not in caplog.text:
            assert isinstance(await book(batcher, "lost"), Busy)
