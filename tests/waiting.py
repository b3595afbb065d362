"""Waiting for a value that other processes change."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from api.errors import Busy
from api.services.snapshots import Slug, Snapshot, SnapshotCache
from tests.stack import POLL_S, READY_TIMEOUT_S

Value = TypeVar("Value")


async def read_until(
    read: Callable[[], Awaitable[Value]],
    fits: Callable[[Value], bool],
    describe: Callable[[Value], str] = repr,
) -> Value:
    """Read a value repeatedly until it fits; return it.

    Raises:
        AssertionError: no value fits within `READY_TIMEOUT_S`. The message describes the last value.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not fits(value := await read()):
        assert time.monotonic() < deadline, f"not within {READY_TIMEOUT_S:.0f} s; last value: {describe(value)}"
        await asyncio.sleep(POLL_S)
    return value


async def snapshot_of(cache: SnapshotCache[Any], event: Slug) -> Snapshot:
    """Return the snapshot of an event; repeat the request while the machine is too slow for a fresh one.

    Raises:
        UnknownEvent: the event does not exist, or clients could not read its values.
        AssertionError: no snapshot is fresh within `READY_TIMEOUT_S`.
    """

    async def read() -> Snapshot | None:
        try:
            return await cache.get(event)
        except Busy:
            return None

    snapshot = await read_until(read, lambda snapshot: snapshot is not None)
    assert snapshot is not None
    return snapshot


async def response_with_status(request: Callable[[], Awaitable[httpx.Response]], status: int) -> httpx.Response:
    """Repeat a request until its response has a status; return the response."""
    return await read_until(
        request,
        lambda response: response.status_code == status,
        lambda response: f"{response.url}: {response.status_code}, not {status}: {response.text}",
    )


async def order_where(
    client: httpx.AsyncClient, reference: str, fits: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Read an order repeatedly until it fits; return it."""

    async def read() -> dict[str, Any]:
        order: dict[str, Any] = (await client.get(f"/api/bookings/{reference}")).json()
        return order

    return await read_until(read, fits)


async def order_with_status(client: httpx.AsyncClient, reference: str, status: str) -> dict[str, Any]:
    """Wait until an order has a status; return the order."""
    return await order_where(client, reference, lambda order: order["status"] == status)
