"""Many concurrent buyers over HTTP, and the bookings in the database afterwards."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import httpx
import psycopg
from psycopg.rows import class_row

from tests import stack
from tests.integration import asynchronous

TIMEOUT_S = 30.0
PATIENT = stack.PATIENT | {"BOOKING_ATTEMPTS_MAX": "100"}
"""Settings under which each of many requests at once gets a decision on a busy machine, and none gets `busy`."""


async def post_all(api_url: str, bodies: Iterable[Mapping[str, Any]], event: str | None = None) -> list[httpx.Response]:
    """Send all bookings at once, each on its own connection; return the responses in the same order."""
    url = httpx.URL(api_url, path="/api/bookings", params={"event": event} if event else {})
    async with asyncio.timeout(TIMEOUT_S):
        return await asyncio.gather(*(_post(url, body) for body in bodies))


async def _post(url: httpx.URL, body: Mapping[str, Any]) -> httpx.Response:
    """Send a request without httpx's client, which takes more processor time per connection than the API."""
    content = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(
            f"POST {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        head, _, received = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    status, *headers = head.decode().split("\r\n")
    pairs = [(name, value) for name, _, value in (line.partition(": ") for line in headers)]
    return httpx.Response(int(status.split(" ", 2)[1]), headers=pairs, content=received)


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


class Ticket(NamedTuple):
    """A ticket with its tier and status."""

    id: int
    tier: str
    position: int
    status: str


def tickets_of(database_url: str, event: str) -> list[Ticket]:
    """Return the tickets of an event by tier and position."""
    with psycopg.connect(database_url) as conn:
        cursor = conn.cursor(row_factory=class_row(Ticket)).execute(
            """
            select tickets.id, tiers.name as tier, tickets.position, tickets.status
            from tickets join tiers on tiers.id = tier_id join events on events.id = tiers.event_id
            where slug = %s order by tiers.id, tickets.position
            """,
            [event],
        )
        return cursor.fetchall()


async def tickets_by_status(database_url: str, event: str) -> dict[str, int]:
    """Return the numbers of an event's tickets by status."""
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        return await asynchronous.tickets_by_status(conn, event)
