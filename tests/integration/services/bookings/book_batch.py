"""Calls of the SQL function book_batch, without the service that normally calls it."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import class_row

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session


class Known(msgspec.Struct):
    """A tier with its event's version."""

    id: int
    event_id: int
    price_minor: int
    revision: int
    updated_at: datetime
    start: int = 1
    share_width: int = 1
    shares: Sequence[int] = ()


class Line(msgspec.Struct):
    """A ticket of an order; without an id the function claims any ticket of the tier."""

    tier: Known
    ticket_id: int | None = None
    ctid: str | None = None


class Ordered(msgspec.Struct):
    """An order of a batch."""

    reference: str
    lines: Sequence[Line]
    payment: str = "captured"
    hold_seconds: int | None = None
    client_hash: bytes | None = None
    access_digest: bytes | None = None
    account_id: int | None = None
    email: str | None = None
    locale: str | None = None
    buyer: str | None = None

    @property
    def total_minor(self) -> int:
        return sum(line.tier.price_minor for line in self.lines)


class Result(msgspec.Struct):
    """The row of the function."""

    ticket_ids: list[int | None]
    created_at: datetime
    causes: list[str | None]
    order_ids: list[int | None]
    booking_ids: list[int | None]
    spent_shares: list[int]


async def find_tier(conn: AsyncConnection, name: str, event: str | None = None) -> Known:
    """Return a tier by its name, perhaps of another event than the built-in one."""
    async with conn.cursor(row_factory=class_row(Known)) as cursor:
        await cursor.execute(
            """
            select tiers.id, event_id, price_minor, revision, updated_at
            from tiers join events on events.id = event_id
            where tiers.name = %s and (slug = %s or event_id = 1 and %s::text is null)
            """,
            [name, event, event],
        )
        row = await cursor.fetchone()
    assert row is not None
    return row


async def find_seats(conn: AsyncConnection, tier: Known, *positions: int) -> list[Line]:
    """Return lines for the seats at some positions of a tier."""
    cursor = await conn.execute(
        "select id, ctid::text from tickets where tier_id = %s and position = any(%s) order by position",
        [tier.id, list(positions)],
    )
    return [Line(tier, ticket_id, ctid) for ticket_id, ctid in await cursor.fetchall()]


def any_tickets(tier: Known, quantity: int) -> list[Line]:
    """Return lines for any tickets of a standing tier."""
    return [Line(tier)] * quantity


def parameters(orders: Sequence[Ordered], *, bookings_per_minute: int = 0) -> dict[str, Any]:
    """Return the parameters of `bookings.book_batch`."""
    tiers = {line.tier.id: line.tier for order in orders for line in order.lines}
    lines = [
        (order_number, number, line)
        for order_number, order in enumerate(orders, start=1)
        for number, line in enumerate(order.lines, start=1)
    ]
    chosen = [line for _, _, line in lines if line.ticket_id]
    claims = [sum(line.tier.id == tier_id and not line.ticket_id for _, _, line in lines) for tier_id in tiers]
    starts = itertools.accumulate(claims, initial=len(chosen) + 1)
    following = {tier_id: itertools.count(start) for tier_id, start in zip(tiers, starts, strict=False)}
    following[0] = itertools.count(1)
    return {
        "tier_ids": list(tiers),
        "tier_event_ids": [tier.event_id for tier in tiers.values()],
        "tier_revisions": [tier.revision for tier in tiers.values()],
        "tier_updated_at": [tier.updated_at for tier in tiers.values()],
        "tier_starts": [tier.start for tier in tiers.values()],
        "tier_claims": claims,
        "tier_share_widths": [tier.share_width for tier in tiers.values()],
        "tier_share_counts": [len(tier.shares) for tier in tiers.values()],
        "shares": [share for tier in tiers.values() for share in tier.shares],
        "order_references": [order.reference for order in orders],
        "order_event_ids": [order.lines[0].tier.event_id for order in orders],
        "order_user_ids": [order.buyer or order.reference for order in orders],
        "order_buyers": [order.buyer or order.reference for order in orders],
        "order_digests": [b"d" * 32 for _ in orders],
        "order_quantities": [len(order.lines) for order in orders],
        "order_totals": [order.total_minor for order in orders],
        "order_currencies": ["USD" for _ in orders],
        "order_payments": [order.payment for order in orders],
        "order_hold_seconds": [order.hold_seconds for order in orders],
        "order_clients": [order.client_hash for order in orders],
        "order_access_digests": [order.access_digest for order in orders],
        "order_accounts": [order.account_id for order in orders],
        "order_emails": [order.email for order in orders],
        "order_locales": [order.locale for order in orders],
        "line_orders": [order_number for order_number, _, _ in lines],
        "line_numbers": [number for _, number, _ in lines],
        "line_tiers": [line.tier.id for _, _, line in lines],
        "line_prices": [line.tier.price_minor for _, _, line in lines],
        "line_places": [next(following[0 if line.ticket_id else line.tier.id]) for _, _, line in lines],
        "ticket_ids": [line.ticket_id for line in chosen],
        "ticket_ctids": [line.ctid for line in chosen],
        "hold_lengths": list({order.hold_seconds for order in orders}),
        "bookings_per_minute": bookings_per_minute,
        "check_after_ms": 5000,
    }


async def call(pool: Pool, *orders: Ordered, bookings_per_minute: int = 0) -> Result:
    """Book a batch of orders in a transaction; return the result with the tickets in the order of the lines."""
    values = parameters(orders, bookings_per_minute=bookings_per_minute)
    async with open_session(pool) as session, session.transaction():
        (result,) = await session.run(Statement(queries.bookings.book_batch, values, Result))
    result.ticket_ids = [result.ticket_ids[place - 1] for place in values["line_places"]]
    return result
