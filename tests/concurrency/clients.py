"""Many buyers at once over HTTP, and what the database says afterwards."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
import psycopg

TIMEOUT_S = 30.0


async def post_all(api_url: str, bodies: Iterable[Mapping[str, Any]], event: str | None = None) -> list[httpx.Response]:
    """Send all bookings at once, each on a connection of its own; return the answers in their order."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=api_url, timeout=TIMEOUT_S, limits=limits) as client:
        parameters = {"event": event} if event else {}
        requests = [client.post("/api/bookings", json=body, params=parameters) for body in bodies]
        return await asyncio.gather(*requests)


def codes(answers: Iterable[httpx.Response]) -> list[str]:
    """Return each answer's status, and its code where it is an error."""
    return [f"{a.status_code} {a.json().get('code', '')}".strip() for a in answers]


def live_bookings(database_url: str, event: str) -> list[int]:
    """Return the tickets of the event's live bookings, one entry for each booking."""
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


def stock(database_url: str, event: str) -> dict[str, int]:
    """Return the event's tickets by status."""
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select status, count(*) from tickets join events on events.id = event_id where slug = %s group by 1",
            [event],
        ).fetchall()
    return dict(rows)
