"""A client that retries bookings, and the rows that prove the outcome."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg

from tests.stack import PLAIN_HTTP, POLL_S, READY_TIMEOUT_S, Stack

ORDERS = "select reference, orders.status, payments.status from orders join payments on payments.order_id = orders.id"
LIVE_BOOKINGS = "select count(*)::int from bookings where released_at is null"


@contextlib.asynccontextmanager
async def client_of(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client that uses a new connection per request."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=stack.api_url, timeout=READY_TIMEOUT_S, limits=limits, trust_env=False, verify=PLAIN_HTTP
    ) as client:
        yield client


async def book_until(client: httpx.AsyncClient, body: dict[str, Any], status: int = 201) -> httpx.Response:
    """Repeat a booking request until its response has this status, as clients do."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        last: object = None
        with contextlib.suppress(httpx.TransportError):
            response = await client.post("/api/bookings", json=body)
            if response.status_code == status:
                return response
            last = response.text
        assert time.monotonic() < deadline, last
        await asyncio.sleep(POLL_S)


def rows(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, past the breakable network."""
    with psycopg.connect(stack.database_url) as conn:
        return conn.execute(query.encode()).fetchall()
