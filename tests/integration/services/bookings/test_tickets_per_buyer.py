"""The limits of tickets per buyer: exact, counted in committed orders, and freed by orders that end."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.commands.audit import audit
from api.config import Settings
from api.database.pool import Pool, open_pool
from api.database.session import open_session
from api.errors import BuyerLimit, PaymentDeclined
from api.services.bookings.allowance import BatchHolds
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.buyers import purge_guards
from api.services.bookings.model import Booked, BookingPolicy, Item, NewOrder, Outcome, Retry
from api.services.bookings.prefetch import _find_buyers, prefetch
from api.services.bookings.seat_search import BatchSeats, SeatSearch
from api.services.orders import expire_holds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, apply_updates, book, hold, let_time_pass, order, response

LIMIT = 4
DECLINING = Settings(payment_success_rate=0, bookings_per_minute=0)


@pytest.fixture(autouse=True)
async def _limits(conn: AsyncConnection) -> None:
    """Limit the event to 6 tickets per buyer, and VIP to 4."""
    await conn.execute("update events set tickets_per_buyer = 6")
    await conn.execute("update tiers set tickets_per_buyer = %s where name = 'VIP'", [LIMIT])


def remaining(outcome: Outcome) -> int:
    """Return the number of tickets that a refusal leaves to the buyer."""
    refusal = response(outcome)
    assert isinstance(refusal, BuyerLimit)
    return int(refusal.details["remaining"])


async def guards(conn: AsyncConnection) -> int:
    (count,) = await (await conn.execute("select count(*) from buyer_guards")).fetchone() or (0,)
    return int(count)


async def tickets_of(conn: AsyncConnection, user_id: str = "u") -> int:
    query = (
        "select count(*) from bookings join orders on order_id = orders.id where released_at is null and user_id = %s"
    )
    (count,) = await (await conn.execute(query, [user_id])).fetchone() or (0,)
    return int(count)


async def test_a_buyer_gets_exactly_the_tickets_of_a_limit(pool: Pool, conn: AsyncConnection) -> None:
    for quantity in (1, 3):
        (outcome,) = await book(pool, order("VIP", quantity))
        assert isinstance(outcome, Booked)
    (refused,) = await book(pool, order("VIP"))
    assert str(response(refused)) == "One buyer can have at most 4 tickets of VIP. You cannot book any more."
    (too_many,) = await book(pool, order("GA", 3))
    assert str(response(too_many)).startswith("One buyer can have at most 6 tickets. You can book 2 more.")
    assert remaining(too_many) == 2
    assert isinstance((await book(pool, order("GA", 2)))[0], Booked)
    assert remaining((await book(pool, order("GA")))[0]) == 0
    assert await tickets_of(conn) == 6
    assert isinstance((await book(pool, order("VIP", 4, user_id="another")))[0], Booked)


async def test_look_alike_names_share_the_limit(pool: Pool) -> None:
    await book(pool, order("VIP", 4, user_id="Ada"))
    (outcome,) = await book(pool, order("VIP", user_id="\uff21DA"))
    assert remaining(outcome) == 0


async def test_the_items_of_a_basket_count_together(pool: Pool) -> None:
    items = (Item(tier="VIP", quantity=2), Item(tier="GA", quantity=1), Item(tier="VIP", quantity=3))
    (outcome,) = await book(pool, basket(*items))
    refusal = response(outcome)
    assert isinstance(refusal, BuyerLimit)
    assert refusal.details == {"remaining": 4, "item": 0}
    (of_event,) = await book(pool, basket(Item(tier="VIP", quantity=4), Item(tier="GA", quantity=3)))
    assert response(of_event).details == {"remaining": 6}  # type: ignore[union-attr]
    (booked,) = await book(pool, basket(Item(tier="VIP", quantity=4), Item(tier="GA", quantity=2)))
    assert isinstance(booked, Booked)


def basket(*items: Item) -> NewOrder:
    return order(items=items, itemized=True)


async def test_earlier_requests_of_a_batch_count(pool: Pool, conn: AsyncConnection) -> None:
    requests = [order("VIP", 2) for _ in range(4)]
    outcomes = await book(pool, *requests, order("VIP", 2, user_id="another"))
    assert [type(outcome) for outcome in outcomes] == [Booked, Booked, Retry, Retry, Booked]
    outcomes = await book(pool, *requests[2:])
    assert [remaining(outcome) for outcome in outcomes] == [0, 0]
    assert await tickets_of(conn) == LIMIT


async def test_a_repeat_gets_its_order_though_the_limit_is_exhausted(pool: Pool) -> None:
    request = order("VIP", LIMIT)
    await book(pool, request)
    (again,) = await book(pool, request)
    assert isinstance(again, Booked)
    assert again.replayed


async def test_a_repeat_whose_first_run_takes_the_last_tickets_gets_its_order(pool: Pool) -> None:
    request = order("VIP", LIMIT)
    async with open_session(pool) as session:
        seats = BatchSeats(SeatSearch(), began_at=0)
        prefetched = await prefetch(session, [request], BookingPolicy.of(ASYNC), seats, BatchHolds())
        await book(pool, request)
        await _find_buyers(session, [request], prefetched)
    again = prefetched.outcomes[request.reference]
    assert isinstance(again, Booked)
    assert again.replayed


async def test_a_cancelled_a_declined_and_an_expired_order_free_their_tickets(
    pool: Pool, conn: AsyncConnection
) -> None:
    request = order("VIP", LIMIT)
    await book(pool, request)
    await cancel_order(pool, request.reference, "u", OPEN)
    assert isinstance(response((await book(pool, order("VIP", LIMIT), settings=DECLINING))[0]), PaymentDeclined)
    declined = await hold(pool, "VIP", LIMIT)
    assert remaining((await book(pool, order("VIP")))[0]) == 0
    await apply_updates(pool, {declined.reference: "declined"})
    await hold(pool, "VIP", LIMIT)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    assert await expire_holds(pool, ASYNC) == 1
    assert isinstance((await book(pool, order("VIP", LIMIT)))[0], Booked)
    assert await tickets_of(conn) == LIMIT


async def test_a_late_payment_is_refunded_if_the_buyer_has_booked_again(pool: Pool, conn: AsyncConnection) -> None:
    late, free = await hold(pool, "VIP", LIMIT), await hold(pool, "VIP", LIMIT, user_id="another")
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await book(pool, order("GA", 3))
    await apply_updates(pool, {late.reference: "captured", free.reference: "captured"})
    query = (
        "select orders.status, payments.status from orders join payments on order_id = orders.id where reference = %s"
    )
    assert await (await conn.execute(query, [late.reference])).fetchone() == ("expired", "refunding")
    assert await (await conn.execute(query, [free.reference])).fetchone() == ("confirmed", "captured")
    assert await tickets_of(conn) == 3
    assert remaining((await book(pool, order("VIP", user_id="another")))[0]) == 0


async def test_two_late_payments_of_one_buyer_get_no_more_than_the_limit(pool: Pool, conn: AsyncConnection) -> None:
    first = await hold(pool, "VIP", 4)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    second = await hold(pool, "GA", 3)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await apply_updates(pool, {first.reference: "captured", second.reference: "captured"})
    assert await tickets_of(conn) == 4


async def test_a_guard_moves_with_each_sale_only(pool: Pool, conn: AsyncConnection) -> None:
    async def version() -> str | None:
        row = await (await conn.execute("select version::text from buyer_guards")).fetchone()
        return None if row is None else str(row[0])

    await book(pool, order("VIP"), settings=DECLINING)
    assert await version() is None
    versions = []
    for _ in range(2):
        await book(pool, order("VIP", 2))
        versions.append(await version())
    await book(pool, order("VIP"))
    versions.append(await version())
    assert None not in versions
    assert versions[0] != versions[1] == versions[2]


async def test_orders_without_a_limit_have_neither_key_nor_guard(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update events set tickets_per_buyer = null")
    await book(pool, order("GA"), order("VIP"))
    rows = await (await conn.execute("select limit_key from orders order by id")).fetchall()
    assert sorted(rows, key=str) == [("u",), (None,)]
    assert await guards(conn) == 1


@pytest.mark.parametrize("isolation", ["serializable", "read_committed"])
async def test_two_processes_together_sell_exactly_the_limit(
    database_url: str, conn: AsyncConnection, isolation: str
) -> None:
    settings = Settings(
        payment_success_rate=1,
        bookings_per_minute=0,
        booking_isolation=isolation,  # type: ignore[arg-type]
        booking_batch_max=2,
        booking_wait_ms=20_000,
        booking_attempts_max=100,
    )
    async with open_pool(database_url, settings) as pool:
        batchers = [BookingBatcher(pool, settings, on_commit=lambda _: None) for _ in range(2)]
        async with batchers[0].running(), batchers[1].running():
            requests = [order("GA", user_id=f"buyer-{number % 3}") for number in range(60)]
            outcomes = await asyncio.gather(*(batchers[n % 2].book(each) for n, each in enumerate(requests)))
    assert sorted(type(response(outcome)).__name__ for outcome in outcomes) == ["BuyerLimit"] * 42 + ["OrderRow"] * 18
    assert [await tickets_of(conn, f"buyer-{number}") for number in range(3)] == [6, 6, 6]
    assert audit(database_url) == []


async def test_the_guards_of_a_past_sale_are_deleted(pool: Pool, conn: AsyncConnection) -> None:
    await book(pool, order("VIP"), order("VIP", user_id="another"))
    assert await purge_guards(pool, ASYNC) == 0
    await conn.execute("update events set sales_end_at = now() - interval '25 hours', sales_start_at = '2020-01-01'")
    assert await purge_guards(pool, ASYNC) == 2
    assert await guards(conn) == 0
