"""The expected total within the booking transaction, also while the price changes."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import open_pool
from api.database.session import Session
from api.errors import NotOnSale, PriceChanged, UnknownTier
from api.services.bookings import batch
from api.services.bookings.allowance import BatchHolds
from api.services.bookings.model import Booked, BookingPolicy, NewOrder
from api.services.bookings.prefetch import Prefetched, prefetch
from api.services.bookings.seat_search import BatchSeats
from api.services.order_rows import OrderRow
from tests.faults.pauses import AT_COMMIT, paused
from tests.integration import asynchronous
from tests.integration.services.bookings.test_batcher import count, order, responses, running_batcher

NEW_PRICE = "update tiers set price_minor = 9900 where name = 'GA'"


def change_after_prefetch(monkeypatch: pytest.MonkeyPatch, database_url: str, statement: str) -> None:
    """Run a statement in another transaction between the first prefetch and its booking transaction."""
    pending = [statement]

    async def prefetch_then_change(
        session: Session, requests: Sequence[NewOrder], policy: BookingPolicy, seats: BatchSeats, taken: BatchHolds
    ) -> Prefetched:
        prefetched = await prefetch(session, requests, policy, seats, taken)
        while pending:
            with psycopg.connect(database_url, autocommit=True) as conn:
                conn.execute(pending.pop().encode())
        return prefetched

    monkeypatch.setattr(batch, "prefetch", prefetch_then_change)


@pytest.mark.parametrize("mode", ["inline", "async"])
async def test_a_batch_books_the_requests_with_the_right_totals_only(
    database_url: str, conn: AsyncConnection, mode: str
) -> None:
    settings = Settings(payment_mode=mode, payment_success_rate=1, bookings_per_minute=0)  # type: ignore[arg-type]
    requests = {
        "right": asynchronous.order("GA", 2, expected_total=20.0),
        "high": asynchronous.order("GA", 2, expected_total=20.01),
        "of another tier": asynchronous.order("VIP", 2, expected_total=20.0),
        "right seats": asynchronous.order("VIP", 2, ticket_ids=(1, 2), expected_total=200.0),
        "seats": asynchronous.order("VIP", 2, ticket_ids=(3, 4), expected_total=100.0),
        "without": asynchronous.order("Front Row", 1),
    }
    async with open_pool(database_url, settings) as pool:
        outcomes = await asynchronous.book(pool, *requests.values(), settings=settings)
    results = dict(zip(requests, map(asynchronous.response, outcomes), strict=True))
    assert {name for name, result in results.items() if isinstance(result, OrderRow)} == {
        *("right", "right seats", "without")
    }
    refusals = {name: result.details for name, result in results.items() if isinstance(result, PriceChanged)}
    assert refusals == {"high": {"total": 20}, "of another tier": {"total": 200}, "seats": {"total": 200}}
    assert await count(conn, "orders") == 3
    assert await count(conn, "tickets where status <> 'available'") == 5


async def test_a_price_that_changes_after_the_prefetch_is_not_charged_unseen(
    database_url: str, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_after_prefetch(monkeypatch, database_url, NEW_PRICE)
    async with running_batcher(database_url) as batcher:
        (refused,) = await responses(batcher, order("seen", 2, expected_total=20.0))
        assert isinstance(refused, PriceChanged)
        assert refused.details == {"total": 198}
        assert await count(conn, "orders") == 0
        (agreed,) = await responses(batcher, order("seen", 2, expected_total=198.0))
    assert isinstance(agreed, OrderRow)
    assert agreed.total_minor == 19_800


async def test_an_order_has_the_price_of_its_own_transaction(
    database_url: str, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_after_prefetch(monkeypatch, database_url, NEW_PRICE)
    async with running_batcher(database_url) as batcher:
        changed, unchanged = await responses(batcher, order("changed"), order("unchanged", tier="VIP"))
    assert isinstance(changed, OrderRow)
    assert isinstance(unchanged, OrderRow)
    assert (changed.total_minor, unchanged.total_minor) == (9_900, 10_000)
    assert await count(conn, "bookings where price_minor = 9900") == 1


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("update events set cancelled_at = now()", NotOnSale),
        ("update events set sales_end_at = now()", NotOnSale),
        ("update tiers set name = 'Standing' where name = 'GA'", UnknownTier),
    ],
)
async def test_a_sale_that_ends_after_the_prefetch_sells_nothing(
    database_url: str, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch, statement: str, error: type[Exception]
) -> None:
    change_after_prefetch(monkeypatch, database_url, statement)
    async with running_batcher(database_url) as batcher:
        (refused,) = await responses(batcher, order("late"))
    assert isinstance(refused, error)
    assert await count(conn, "orders") == 0


async def test_an_order_that_commits_after_a_change_keeps_its_agreed_price(
    database_url: str, conn: AsyncConnection
) -> None:
    request = order("agreed", 2, expected_total=20.0)
    async with running_batcher(database_url, statement_timeout_ms=60_000, booking_wait_ms=20_000) as batcher:
        with paused(database_url, AT_COMMIT) as pause:
            booking = asyncio.create_task(responses(batcher, request))
            await pause.reached("commit")
            await conn.execute(NEW_PRICE)
            pause.resume()
            (booked,) = await booking
        assert isinstance(booked, OrderRow)
        assert booked.total_minor == 2_000
        repeat = await batcher.book(request)
    assert isinstance(repeat, Booked)
    assert (repeat.replayed, repeat.order.total_minor) == (True, 2_000)
