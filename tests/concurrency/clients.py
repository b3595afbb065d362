"""Many concurrent buyers over HTTP, and the bookings in the database afterwards."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import psycopg

from tests.integration import asynchronous
from tests.stack import PLAIN_HTTP

TIMEOUT_S = 30.0


async def post_all(api_url: str, bodies: Iterable[Mapping[str, Any]], event: str | None = None) -> list[httpx.Response]:
    """Send all bookings at once, each on its own connection; return the responses in the same order."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=api_url, timeout=TIMEOUT_S, limits=limits, verify=PLAIN_HTTP) as client:
        parameters = {"event": event} if event else {}
        requests = [client.post("/api/bookings", json=body, params=parameters) for body in bodies]
        return await asyncio.gather(*requests)


def codes(responses: Iterable[httpx.Response]) -> list[str]:
    """Return the status of each response, followed by its code if it is an error."""
    return [f"{r.status_code} {r.json().get('code', '')}".strip() for r in responses]


def live_bookings(database_url: str, event: str) -> list[int]:
    """Return the ticket of each live booking of an event."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            """
            select bookings.ticket_id from bookings join orders on orders.id = order_id
            join events on events.id = orders.event_id
            where slug = %s and released_at is null order by 1
            """,
            [event],
        ).fetchall()
    return [ticket_id for (ticket_id,) in rows]


async def tickets_by_status(database_url: str, event: str) -> dict[str, int]:
    """Return the numbers of an event's tickets by status."""
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        return await asynchronous.tickets_by_status(conn, event)
