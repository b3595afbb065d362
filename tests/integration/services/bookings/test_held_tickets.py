"""The limit of the tickets that one client address holds without paying."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool, open_pool
from api.errors import RateLimited
from api.services.bookings.limits import hash_client
from api.services.bookings.model import Booked, NewOrder, Outcome, Retry
from api.services.order_rows import OrderRow
from api.services.payments import ChargeUpdate
from api.services.returns import cancel_order
from tests.integration.asynchronous import OPEN, apply_updates, book, let_time_pass, order, response

LIMIT = 10
ASYNC = Settings(payment_mode="async", bookings_per_minute=0, hold_seconds=300, held_tickets_per_address=LIMIT)
SECRET = "tksec_" + "A" * 40
CLIENT, OTHER = (hash_client(SECRET, address) for address in ("192.0.2.1", "192.0.2.2"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, ASYNC) as pool:
        yield pool


def from_client(quantity: int, client: bytes = CLIENT, **changes: Any) -> NewOrder:
    return order("GA", quantity, client_hash=client, **changes)


async def held(pool: Pool, *batch: NewOrder, settings: Settings = ASYNC) -> list[type]:
    """Book a batch; return the kinds of its outcomes."""
    outcomes: list[Outcome] = await book(pool, *batch, settings=settings)
    return [Retry if isinstance(outcome, Retry) else type(response(outcome)) for outcome in outcomes]


async def hashes(conn: AsyncConnection) -> list[bytes | None]:
    cursor = await conn.execute("select client_hash from orders order by id")
    return [row[0] for row in await cursor.fetchall()]


async def test_one_address_cannot_hold_more_tickets_under_any_names(pool: Pool, conn: AsyncConnection) -> None:
    for number in range(5):
        assert await held(pool, from_client(2, user_id=f"name-{number}")) == [OrderRow]
    await let_time_pass(conn, 100)
    (outcome,) = await book(pool, from_client(1, user_id="another-name"), settings=ASYNC)
    refusal = response(outcome)
    assert isinstance(refusal, RateLimited)
    assert 190 < (refusal.retry_after_s or 0) <= 200
    assert refusal.headers()["RateLimit-Policy"] == '"held";q=10;w=300'
    assert "unpaid tickets from one network address" in str(refusal)
    assert await held(pool, from_client(LIMIT, OTHER)) == [OrderRow]
    assert await held(pool, order("GA", 1)) == [OrderRow]


async def test_a_refusal_names_only_committed_holds(pool: Pool) -> None:
    batch = [from_client(4), from_client(4), from_client(4), from_client(2), from_client(4, OTHER)]
    assert await held(pool, *batch) == [OrderRow, OrderRow, Retry, OrderRow, OrderRow]
    assert await held(pool, batch[2]) == [RateLimited]


async def test_a_repeat_gets_its_order_although_the_limit_is_exhausted(pool: Pool) -> None:
    first = from_client(LIMIT)
    assert await held(pool, first) == [OrderRow]
    (outcome,) = await book(pool, first, settings=ASYNC)
    assert isinstance(outcome, Booked)
    assert outcome.replayed


async def test_paid_declined_and_cancelled_orders_hold_nothing(pool: Pool, conn: AsyncConnection) -> None:
    updates: tuple[ChargeUpdate | None, ...] = ("captured", "declined", None)
    for update in updates:
        wanted = from_client(LIMIT)
        assert await held(pool, wanted) == [OrderRow]
        assert await held(pool, from_client(1)) == [RateLimited]
        assert CLIENT in await hashes(conn)
        if update:
            await apply_updates(pool, {wanted.reference: update})
        else:
            await cancel_order(pool, wanted.reference, "u", OPEN)
        assert set(await hashes(conn)) == {None}


async def test_an_order_larger_than_the_limit_is_possible_alone(pool: Pool) -> None:
    narrow = Settings(payment_mode="async", bookings_per_minute=0, held_tickets_per_address=2)
    assert await held(pool, from_client(5), settings=narrow) == [OrderRow]
    assert await held(pool, from_client(1), settings=narrow) == [RateLimited]


async def test_paid_orders_have_no_hash_of_an_address(pool: Pool, conn: AsyncConnection) -> None:
    inline = Settings(payment_success_rate=1, bookings_per_minute=0)
    assert await held(pool, from_client(2), settings=inline) == [OrderRow]
    await conn.execute("update tiers set price_minor = 0")
    assert await held(pool, from_client(2)) == [OrderRow]
    assert await hashes(conn) == [None, None]


def test_a_hash_depends_on_the_secret_and_the_address() -> None:
    assert len({CLIENT, OTHER, hash_client("tksec_" + "B" * 40, "192.0.2.1")}) == 3
    assert hash_client(SECRET, "192.0.2.1") == CLIENT
