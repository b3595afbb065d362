"""Batches of known tiers need no prefetch, and a wrong assumption changes no response."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.errors import SerializationFailure

from api.database.pool import Pool
from api.database.session import open_session
from api.errors import (
    KeyReused,
    NotOnSale,
    PriceChanged,
    RateLimited,
    SeatTaken,
    SoldOut,
    UnknownTier,
)
from api.prometheus_patch import REGISTRY
from api.services.bookings import memory
from api.services.bookings.batch import book_batch
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.limits import note_bookings
from api.services.bookings.memory import Memory
from api.services.bookings.model import Booked, BookingPolicy, Outcome
from api.services.order_rows import OrderRow
from tests.integration.asynchronous import INLINE
from tests.integration.asynchronous import order as new_order
from tests.integration.database.faulty_session import Faults
from tests.integration.services.bookings.test_batcher import count, order, responses, running_batcher
from tests.waiting import read_until

PREFETCH = "orders.find_orders"
CALL = ["begin", "bookings.book_batch", "commit"]


@contextlib.asynccontextmanager
async def warm_batcher(database_url: str, *tiers: str, **settings: Any) -> AsyncIterator[BookingBatcher]:
    """Run a batcher that has booked a ticket of each tier."""
    async with running_batcher(
        database_url, **{"bookings_per_minute": 10, "max_tickets_per_booking": 1000, **settings}
    ) as batcher:
        for tier in tiers:
            (booked,) = await responses(batcher, order(f"warm-{tier}", tier=tier, user_id="warm"))
            assert isinstance(booked, OrderRow)
        yield batcher


async def tickets_of(conn: AsyncConnection, reference: str) -> tuple[int, ...]:
    """Return the ids of an order's tickets."""
    cursor = await conn.execute(
        "select ticket_id from bookings join orders on orders.id = order_id where reference = %s", [reference]
    )
    return tuple([ticket_id for (ticket_id,) in await cursor.fetchall()])


async def test_standing_tickets_need_only_one_call(database_url: str, faults: Faults) -> None:
    async with warm_batcher(database_url, "GA") as batcher:
        assert PREFETCH in faults.sent
        faults.plan()
        booked = await responses(batcher, order("r", 2))
    assert isinstance(booked[0], OrderRow)
    assert faults.sent == CALL


@pytest.mark.parametrize(
    ("named", "search"), [(False, "tickets.find_front_seats"), (True, "tickets.find_tickets")], ids=["chosen", "named"]
)
async def test_seats_need_only_their_search_and_one_call(
    database_url: str, conn: AsyncConnection, faults: Faults, *, named: bool, search: str
) -> None:
    async with warm_batcher(database_url, "VIP") as batcher:
        (taken,) = await tickets_of(conn, "warm-VIP")
        ids = tuple(number for number in (1, 2, 3) if number != taken)[:2] if named else ()
        faults.plan()
        booked = await responses(batcher, order("r", 2, tier="VIP", ticket_ids=ids))
    assert isinstance(booked[0], OrderRow)
    assert faults.sent == [search, *CALL]


async def test_a_repeat_gets_its_order_and_changes_no_other_response(database_url: str, conn: AsyncConnection) -> None:
    async with warm_batcher(database_url, "GA") as batcher:
        (first,) = await responses(batcher, order("first", 2))
        repeat = await batcher.book(order("first", 2))
        assert isinstance(repeat, Booked)
        assert (repeat.order, repeat.replayed) == (first, True)
        (known,) = await responses(batcher, order("known"))
        reused, other = await responses(batcher, order("first", 3), order("other"))
    assert isinstance(known, OrderRow)
    assert isinstance(reused, KeyReused)
    assert isinstance(other, OrderRow)
    assert await count(conn, "orders") == 4


async def test_an_exhausted_limit_refuses_its_buyer_alone(database_url: str, conn: AsyncConnection) -> None:
    async with warm_batcher(database_url, "GA", bookings_per_minute=1) as batcher:
        refused, booked = await responses(batcher, order("r", user_id="warm"), order("other"))
    assert isinstance(refused, RateLimited)
    assert isinstance(booked, OrderRow)
    assert await count(conn, "orders") == 2


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_one_batch_of_a_new_buyer_keeps_the_limit(
    database_url: str, conn: AsyncConnection, isolation: str
) -> None:
    settings = {"bookings_per_minute": 2, "booking_isolation": isolation}
    async with warm_batcher(database_url, "GA", **settings) as batcher:
        # The batcher books the first request alone, and the other ones together.
        await responses(batcher, order("first"), *(order(f"r-{number}", user_id="new") for number in range(10)))
    assert await count(conn, "orders where user_id = 'new'") == 2


async def test_the_limit_guards_a_single_statement(pool: Pool) -> None:
    noted = note_bookings({"new": 2, "other": 3}, 2)
    async with open_session(pool) as opened:
        with pytest.raises(SerializationFailure):
            await opened.run(noted)
        await opened.run(note_bookings({"new": 2, "other": 2}, 2))


async def test_wrong_tickets_cost_one_read_and_a_wrong_price_costs_none(database_url: str, faults: Faults) -> None:
    async with warm_batcher(database_url, "GA") as batcher:
        faults.plan()
        await responses(batcher, order("price", expected_total=1.0))
        assert faults.sent == [PREFETCH, "tiers.find_tiers", "limits.find_limits"]
        faults.plan()
        await responses(batcher, order("foreign", ticket_ids=(1,)))  # A ticket of another tier.
    assert faults.sent[:2] == ["tickets.find_tickets", PREFETCH]
    assert "begin" not in faults.sent


async def test_the_end_of_a_tier_is_sold_out(database_url: str, conn: AsyncConnection) -> None:
    async with warm_batcher(database_url, "VIP", "GA", bookings_per_minute=0) as batcher:
        (last,) = await responses(batcher, order("last", 999))
        refused, seats = await responses(batcher, order("r", 1), order("seats", 2, tier="VIP"))
        taken = await tickets_of(conn, "seats")
        (unavailable,) = await responses(batcher, order("taken", 2, tier="VIP", ticket_ids=taken))
    assert isinstance(last, OrderRow)
    assert isinstance(refused, SoldOut)
    assert isinstance(seats, OrderRow)
    assert isinstance(unavailable, SeatTaken)
    assert await count(conn, "tickets where status = 'sold'") == 1003


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("update tiers set price_minor = 9900 where name = 'GA'", PriceChanged),
        ("update events set cancelled_at = now()", NotOnSale),
        ("update events set sales_end_at = now()", NotOnSale),
        ("update tiers set name = 'Standing' where name = 'GA'", UnknownTier),
    ],
)
async def test_a_known_tier_that_has_changed_is_read_again(
    database_url: str, conn: AsyncConnection, statement: str, error: type[Exception]
) -> None:
    async with warm_batcher(database_url, "GA") as batcher:
        await conn.execute(statement.encode())
        (refused,) = await responses(batcher, order("r", expected_total=10.0))
    assert isinstance(refused, error)
    assert await count(conn, "orders") == 1


async def test_a_repeated_revision_with_another_change_is_read_again(database_url: str, conn: AsyncConnection) -> None:
    async with warm_batcher(database_url, "GA") as batcher:
        await conn.execute("update tiers set price_minor = 9900 where name = 'GA'")
        # A failover or a reset may lead to the known revision, with other content.
        await conn.execute("alter table events disable trigger user")
        await conn.execute("update events set revision = revision - 1")
        (refused,) = await responses(batcher, order("r", expected_total=10.0))
    assert isinstance(refused, PriceChanged)
    assert await count(conn, "orders") == 1


async def test_each_tier_of_a_batch_has_a_revision_of_its_own(pool: Pool, conn: AsyncConnection) -> None:
    memory, policy = Memory(), BookingPolicy.of(INLINE)

    async def book(*tiers: str) -> list[Outcome]:
        requests = [new_order(tier) for tier in tiers]
        outcomes: dict[str, Outcome] = {}
        async with open_session(pool) as opened:
            await book_batch(opened, requests, policy, memory, outcomes)
        return [outcomes[request.reference] for request in requests]

    await book("VIP", "GA")
    await conn.execute("update tiers set price_minor = 9900 where name = 'GA'")
    for _ in range(3):  # The process reads VIP again, and not GA.
        await book("VIP")
    ga, vip = await book("GA", "VIP")
    assert isinstance(ga, Booked)
    assert isinstance(vip, Booked)
    assert (ga.order.total_minor, vip.order.total_minor) == (9_900, 10_000)


async def test_the_sale_of_a_known_tier_ends_on_time(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute("update events set sales_end_at = now() + interval '5 seconds'")

    async def has_ended() -> bool:
        return await count(conn, "events where sales_end_at <= now()") == 1

    async with warm_batcher(database_url, "GA") as batcher:
        await read_until(has_ended, bool)
        (refused,) = await responses(batcher, order("r"))
    assert isinstance(refused, NotOnSale)
    assert await count(conn, "orders") == 1


async def test_a_repeat_fails_one_call_of_each_process(database_url: str, faults: Faults) -> None:
    async with warm_batcher(database_url, "GA") as first, running_batcher(database_url) as other:
        await responses(other, order("warm-other"))
        await responses(other, order("elsewhere"))
        faults.plan()
        for _ in range(5):
            for reference in ("warm-GA", "elsewhere"):
                (repeat,) = await responses(first, order(reference, user_id="warm" if reference == "warm-GA" else "u"))
                assert isinstance(repeat, OrderRow)
    assert faults.sent.count("rollback") == 1  # The first process learns of the other one's order.


async def test_an_exhausted_limit_fails_no_further_call(database_url: str, faults: Faults) -> None:
    async with warm_batcher(database_url, "GA", bookings_per_minute=1) as batcher:
        faults.plan()
        for number in range(3):
            (refused,) = await responses(batcher, order(f"r{number}", user_id="warm"))
            assert isinstance(refused, RateLimited)
    assert faults.sent.count("begin") == 1


async def test_a_tier_that_fell_short_takes_the_careful_path(
    database_url: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SHORTAGE_S", 60)
    async with warm_batcher(database_url, "GA") as batcher:
        faults.plan()
        for number in range(2):
            (refused,) = await responses(batcher, order(f"r{number}", 1000))
            assert isinstance(refused, SoldOut)
        assert faults.sent.count("bookings.book_batch") == 1


async def test_the_careful_path_calls_no_function_for_a_sale(database_url: str, faults: Faults) -> None:
    async with warm_batcher(database_url, "GA", booking_path="careful") as batcher:
        faults.plan()
        (booked,) = await responses(batcher, order("r", 2))
    assert isinstance(booked, OrderRow)
    assert faults.sent[0] == PREFETCH
    assert "bookings.book_batch" not in faults.sent


async def test_a_reused_key_fails_one_call(database_url: str, faults: Faults) -> None:
    async with warm_batcher(database_url, "GA") as first, running_batcher(database_url) as other:
        await responses(other, order("elsewhere"))
        faults.plan()
        for number in range(3):
            reused, booked = await responses(first, order("elsewhere", 2), order(f"r{number}"))
            assert isinstance(reused, KeyReused)
            assert isinstance(booked, OrderRow)
    assert faults.sent.count("rollback") == 1


def retries(cause: str) -> float:
    return REGISTRY.get_sample_value("booking_retries_total", {"cause": cause}) or 0


async def test_a_failed_call_counts_its_requests_as_retried(database_url: str) -> None:
    async with warm_batcher(database_url, "GA") as first, running_batcher(database_url) as other:
        await responses(other, order("elsewhere"))
        before = retries("23505")
        await responses(first, order("elsewhere"), order("r"))
        assert retries("23505") == before + 2


async def test_held_tickets_of_an_address_need_one_read_and_one_call(database_url: str, faults: Faults) -> None:
    settings: dict[str, Any] = {"payment_mode": "async", "held_tickets_per_address": 3}
    async with warm_batcher(database_url, "GA", **settings) as batcher:
        faults.plan()
        held = await responses(batcher, *(order(f"r{number}", client_hash=bytes(16)) for number in range(3)))
        assert {type(outcome) for outcome in held} == {OrderRow}
        assert faults.sent == ["limits.find_holds", "begin", "bookings.book_batch", "commit"]
        (refused,) = await responses(batcher, order("beyond", client_hash=bytes(16)))
        assert isinstance(refused, RateLimited)


async def test_a_refused_request_keeps_its_tickets_for_no_one(database_url: str, conn: AsyncConnection) -> None:
    await conn.execute("update tickets set status = 'sold' where id <> 1 and tier_id = 1")
    async with warm_batcher(database_url, "GA") as batcher:
        for name in ("unknown", "known"):
            refused, booked = await responses(
                batcher,
                order(f"{name}-price", tier="VIP", ticket_ids=(1,), expected_total=1.0),
                order(f"{name}-last", tier="VIP"),
            )
            assert isinstance(refused, PriceChanged)
            assert isinstance(booked, OrderRow)
            await conn.execute(
                "update bookings set released_at = now(), released_reason = 'cancelled' where ticket_id = 1"
            )
            await conn.execute("update tickets set status = 'available' where id = 1")
