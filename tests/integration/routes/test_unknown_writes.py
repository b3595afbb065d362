"""A write that may commit after its response is reported as unknown, and a write that was rolled back is not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import AsyncConnection

from api.app import create_app
from api.config import Settings
from api.database import pool as pools
from api.database import session
from api.database.pool import Pool
from api.payments.signatures import sign
from api.services.snapshots import SnapshotCache
from api.settings.payments import WEBHOOK_PATH
from tests.in_process import running
from tests.integration.asynchronous import hold, states
from tests.integration.database.faulty_session import Fault, Faults, Kind
from tests.stack import application_url
from tests.waiting import read_until

SECRET = "whsec_" + "A" * 32
LOCK_ORDER = "select from orders where reference = %s for update"


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API in the memory of the test."""
    settings = Settings(
        database_url=application_url(database_url),
        data_dir=tmp_path,
        payment_mode="async",
        payment_webhook_secret=SECRET,
        statement_timeout_ms=60_000,
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def slow_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wait for a lock longer than the timeout of a write."""
    monkeypatch.setattr(pools, "LOCK_TIMEOUT_MS", 60_000)
    monkeypatch.setattr(session, "WRITE_TIMEOUT_S", 0.05)


@pytest.fixture
def invalidated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events whose snapshots were invalidated."""
    events: list[str] = []
    invalidate = SnapshotCache.invalidate

    def record(cache: SnapshotCache[Any], changed: set[str]) -> None:
        events.extend(changed)
        invalidate(cache, changed)

    monkeypatch.setattr(SnapshotCache, "invalidate", record)
    return events


async def cancel(client: httpx.AsyncClient, reference: str) -> httpx.Response:
    return await client.post(f"/api/bookings/{reference}/cancel", json={"userId": "u"})


@pytest.mark.usefixtures("slow_locks")
async def test_a_cancellation_that_exceeds_its_time_is_unknown(
    client: httpx.AsyncClient, pool: Pool, conn: AsyncConnection, invalidated: list[str]
) -> None:
    held = await hold(pool)
    async with conn.transaction():
        await conn.execute(LOCK_ORDER, [held.reference])
        response = await cancel(client, held.reference)
        assert await states(conn, held.reference) == ("pending", "pending", 1)
        assert invalidated == []
    body = response.json()
    assert (response.status_code, body["code"], body["reference"]) == (503, "busy", held.reference)
    assert body["unknown"] is True
    assert "changed nothing" not in body["message"]
    assert response.headers["Retry-After"] == "1"
    await read_until(lambda: states(conn, held.reference), lambda found: found == ("cancelled", "pending", 0))
    await read_until(lambda: asyncio.sleep(0, set(invalidated)), lambda events: events == {held.event})


@pytest.mark.usefixtures("slow_locks")
async def test_a_return_that_exceeds_its_time_is_unknown(
    client: httpx.AsyncClient, pool: Pool, conn: AsyncConnection
) -> None:
    held = await hold(pool)
    cursor = await conn.execute("select id from bookings")
    body = {"userId": "u", "bookings": [booking_id for (booking_id,) in await cursor.fetchall()]}
    async with conn.transaction():
        await conn.execute(LOCK_ORDER, [held.reference])
        response = await client.post(f"/api/bookings/{held.reference}/returns", json=body)
    assert (response.status_code, response.json()["unknown"]) == (503, True)
    await read_until(lambda: states(conn, held.reference), lambda found: found == ("cancelled", "pending", 0))


async def test_a_cancellation_that_was_rolled_back_changed_nothing(
    client: httpx.AsyncClient, pool: Pool, conn: AsyncConnection
) -> None:
    held = await hold(pool)
    async with conn.transaction():
        await conn.execute(LOCK_ORDER, [held.reference])
        response = await cancel(client, held.reference)
    body = response.json()
    assert (response.status_code, body["code"]) == (503, "busy")
    assert "unknown" not in body
    assert "changed nothing" in body["message"]
    assert await states(conn, held.reference) == ("pending", "pending", 1)


@pytest.mark.parametrize("statement", ["orders.find_orders", "bookings.find_bookings"])
@pytest.mark.parametrize("kind", ["57014 statement timeout", "57P01 server shutdown"])
async def test_a_fault_after_the_commit_of_a_cancellation_leaves_it_unknown(
    client: httpx.AsyncClient,
    pool: Pool,
    conn: AsyncConnection,
    faults: Faults,
    invalidated: list[str],
    statement: str,
    kind: Kind,
) -> None:
    held = await hold(pool)
    fault = Fault(statement, 1, kind)
    faults.plan(fault)
    response = await cancel(client, held.reference)
    assert fault.struck
    assert await states(conn, held.reference) == ("cancelled", "pending", 0)
    assert (response.status_code, response.json().get("unknown")) == (503, True)
    assert response.json()["reference"] == held.reference
    assert set(invalidated) == {held.event}


@pytest.mark.usefixtures("slow_locks")
async def test_a_webhook_that_exceeds_its_time_is_unknown(client: httpx.AsyncClient, conn: AsyncConnection) -> None:
    async with conn.transaction():
        await conn.execute("lock table webhooks in exclusive mode")
        response = await deliver(client)
        assert await stored(conn) == 0
    assert (response.status_code, response.json().get("unknown")) == (503, True)
    await read_until(lambda: stored(conn), lambda count: count == 1)


async def test_a_webhook_whose_result_is_lost_is_unknown(client: httpx.AsyncClient, faults: Faults) -> None:
    fault = Fault("webhooks.insert_webhook", 1, "result lost")
    faults.plan(fault)
    response = await deliver(client)
    assert fault.struck
    assert (response.status_code, response.json().get("unknown")) == (503, True)
    assert (await deliver(client)).status_code == 200


async def deliver(client: httpx.AsyncClient) -> httpx.Response:
    """Send a webhook of a type that changes no order."""
    body = b'{"type": "dispute.opened"}'
    headers = sign(SECRET, "m1", body, datetime.now(UTC))
    return await client.post(WEBHOOK_PATH, content=body, headers=headers)


async def stored(conn: AsyncConnection) -> int:
    cursor = await conn.execute("select count(*) from webhooks")
    ((count,),) = await cursor.fetchall()
    return int(count)
