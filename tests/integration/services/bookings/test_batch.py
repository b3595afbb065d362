"""The booking transaction, one batch at a time: no request affects another request of its batch."""

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from api import schemas
from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool
from api.errors import (
    ApiError,
    KeyReused,
    PaymentDeclined,
    SeatTaken,
    SoldOut,
    UnknownEvent,
    UnknownTier,
)
from api.payments import simulator
from api.services.bookings.model import Booked, NewOrder, Outcome, Retry
from api.services.order_rows import OrderRow
from tests.integration import asynchronous
from tests.integration.asynchronous import INLINE, order, response


async def book(pool: Pool, *batch: NewOrder, settings: Settings = INLINE) -> list[Outcome]:
    return await asynchronous.book(pool, *batch, settings=settings)


def seats(outcome: Outcome) -> list[tuple[str | None, int | None]]:
    assert isinstance(outcome, Booked)
    return [(booking.row_label, booking.seat_number) for booking in outcome.bookings]


def adjacent(positions: list[tuple[str | None, int | None]]) -> bool:
    rows, numbers = {row for row, _ in positions}, sorted(number or 0 for _, number in positions)
    return len(rows) == 1 and numbers == list(range(numbers[0], numbers[0] + len(positions)))


async def sold(conn: AsyncConnection, event: str = schemas.BUILT_IN_EVENT) -> int:
    cursor = await conn.execute(
        "select count(*) from tickets join events on events.id = event_id where slug = %s and status = 'sold'", [event]
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def reference_with(outcome: simulator.Outcome, rate: float) -> str:
    """Return a reference whose payment has this outcome."""
    return next(r for n in range(1000) if simulator.decide(r := f"{outcome}-{n}", rate) == outcome)


async def test_no_outcome_affects_another_request_of_the_batch(pool: Pool, conn: AsyncConnection) -> None:
    rate = 0.5
    paid = (reference for n in range(1000) if simulator.decide(reference := f"paid-{n}", rate) == "captured")
    earlier = [order("GA", 2, reference=next(paid)) for _ in range(2)]
    await book(pool, *earlier, settings=Settings(payment_success_rate=rate, bookings_per_minute=0))
    batch = {
        "adjacent": order("VIP", 3, reference=next(paid)),
        "declined": order("VIP", 1, reference=reference_with("declined", rate)),
        "replayed": earlier[0],
        "reused": msgspec.structs.replace(earlier[1], user_id="someone-else"),
        "unknown tier": order("Balcony"),
        "unknown event": order("GA", event="nowhere"),
        "named seat": order("Front Row", 1, ticket_ids=(150,), reference=next(paid)),
    }
    outcomes = await book(pool, *batch.values(), settings=Settings(payment_success_rate=rate, bookings_per_minute=0))
    results = dict(zip(batch, outcomes, strict=True))

    assert {kind: type(response(outcome)) for kind, outcome in results.items()} == {
        "adjacent": OrderRow,
        "declined": PaymentDeclined,
        "replayed": OrderRow,
        "reused": KeyReused,
        "unknown tier": UnknownTier,
        "unknown event": UnknownEvent,
        "named seat": OrderRow,
    }
    assert adjacent(seats(results["adjacent"]))
    assert [kind for kind, outcome in results.items() if isinstance(outcome, Booked) and outcome.replayed] == [
        "replayed"
    ]
    assert await sold(conn) == 2 * 2 + 3 + 1


@pytest.mark.parametrize("tier", ["VIP", "Front Row"])
async def test_a_quantity_gets_adjacent_seats_while_there_are_any(pool: Pool, tier: str) -> None:
    for quantity in (2, 10, 7, 3, 5):
        (outcome,) = await book(pool, order(tier, quantity))
        assert adjacent(seats(outcome)), f"{quantity}: {seats(outcome)}"


async def test_each_request_of_a_batch_gets_adjacent_seats(pool: Pool) -> None:
    outcomes = await book(pool, *(order("Front Row", quantity) for quantity in (4, 4, 3, 2, 6, 10, 5, 2)))
    assert all(adjacent(seats(outcome)) for outcome in outcomes)


async def test_without_adjacent_seats_separate_seats_are_sold_to_the_last(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update tickets set status = 'sold' where id <= 100 and seat_number %% 2 = 0", [])
    taken = await sold(conn)
    outcomes = [(await book(pool, order("VIP", 10)))[0] for _ in range(5)]
    assert all(isinstance(response(outcome), OrderRow) for outcome in outcomes)
    assert await sold(conn) == taken + 50
    refusal = response((await book(pool, order("VIP")))[0])
    assert isinstance(refusal, SoldOut)
    assert refusal.details == {"available": 0}


@pytest.mark.parametrize("tier", ["VIP", "GA"])
async def test_the_last_tickets_are_found_from_every_random_start(pool: Pool, database_url: str, tier: str) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory(f"{tier}=25"))
    for left in range(25, 0, -1):
        refusal = response((await book(pool, order(tier, left + 1, event="tiny")))[0])
        assert isinstance(refusal, SoldOut)
        assert refusal.details == {"available": left}
        assert isinstance(response((await book(pool, order(tier, 1, event="tiny")))[0]), OrderRow)
    assert isinstance(response((await book(pool, order(tier, 1, event="tiny")))[0]), SoldOut)


async def test_in_one_batch_the_last_tickets_go_to_the_requests_that_they_satisfy(
    pool: Pool, database_url: str
) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory("GA=3"))
    requests = [order("GA", quantity, event="tiny") for quantity in (2, 2, 1, 1)]
    responses = [response(outcome) for outcome in await book(pool, *requests)]
    assert [type(a) for a in responses] == [OrderRow, SoldOut, OrderRow, SoldOut]
    refusals = [a.details["available"] for a in responses if isinstance(a, SoldOut)]
    assert refusals == [0, 0]  # the stock after the commit of the whole batch


@pytest.mark.parametrize("tier", ["VIP", "GA"])
async def test_of_ten_buyers_for_the_last_ticket_nine_declined_the_tenth_gets_it(
    pool: Pool, database_url: str, tier: str
) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory(f"{tier}=1"))
    rate = 0.5
    references = (f"buyer-{n}" for n in range(1000))
    declined = [r for r in references if simulator.decide(r, rate) == "declined"][:9]
    batch = [order(tier, 1, event="tiny", reference=reference) for reference in declined]
    batch.append(order(tier, 1, event="tiny", reference=reference_with("captured", rate)))
    waiting, responses = batch, dict[str, OrderRow | ApiError]()
    while waiting:  # Seats that were chosen for a declined request are tried again.
        outcomes = await book(pool, *waiting, settings=Settings(payment_success_rate=rate, bookings_per_minute=0))
        pairs = list(zip(waiting, outcomes, strict=True))
        responses |= {new.reference: response(o) for new, o in pairs if not isinstance(o, Retry)}
        waiting = [new for new, o in pairs if isinstance(o, Retry)]
    assert isinstance(responses[batch[-1].reference], OrderRow)
    assert all(isinstance(responses[reference], PaymentDeclined) for reference in declined)


async def test_the_same_seat_named_twice_in_a_batch_is_sold_once(pool: Pool, conn: AsyncConnection) -> None:
    first, second = await book(pool, order("VIP", 2, ticket_ids=(1, 2)), order("VIP", 2, ticket_ids=(2, 3)))
    assert seats(first) == [("A", 1), ("A", 2)]
    refusal = response(second)
    assert isinstance(refusal, SeatTaken)
    assert refusal.details == {"ticketIds": [2]}
    assert await sold(conn) == 2


async def test_named_standing_tickets_are_not_given_to_others_of_the_batch(pool: Pool, database_url: str) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory("GA=4"))
    async with pool.connection() as connection:
        cursor = await connection.execute("select array_agg(id order by id) from tickets where event_id <> 1")
        (ids,) = (await cursor.fetchone()) or ([],)
    named = order("GA", 2, event="tiny", ticket_ids=tuple(ids[:2]))
    any_two = order("GA", 2, event="tiny")
    outcomes = dict(zip(("any", "named"), await book(pool, any_two, named), strict=True))
    if isinstance(outcomes["any"], Retry):
        (outcomes["any"],) = await book(pool, any_two)
    bought = [booking.ticket_id for o in outcomes.values() if isinstance(o, Booked) for booking in o.bookings]
    assert sorted(bought) == ids


async def test_tickets_that_an_unfinished_transaction_has_locked_are_not_sold_out(
    pool: Pool, database_url: str
) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory("GA=1,VIP=1"))
    async with await AsyncConnection.connect(database_url) as other:
        await other.execute("select id from tickets where event_id <> 1 for update")
        for tier in ("GA", "VIP"):
            (outcome,) = await book(pool, order(tier, 1, event="tiny"))
            assert isinstance(outcome, Retry)
        await other.rollback()
    for tier in ("GA", "VIP"):
        (outcome,) = await book(pool, order(tier, 1, event="tiny"))
        assert isinstance(response(outcome), OrderRow)


async def test_a_confirmed_order_has_exactly_one_captured_payment_and_a_declined_one_none(
    pool: Pool, conn: AsyncConnection
) -> None:
    batch = [order("GA", 2) for _ in range(40)]
    await book(pool, *batch, settings=Settings(payment_success_rate=0.5, bookings_per_minute=0))
    cursor = await conn.execute(
        """
        select orders.status, payments.status, count(distinct orders.id), sum(amount_minor - total_minor),
            sum((select count(*) from bookings where order_id = orders.id))
        from orders join payments on payments.order_id = orders.id
        group by 1, 2 order by 1
        """
    )
    rows = await cursor.fetchall()
    confirmed = sum(simulator.decide(new.reference, 0.5) == "captured" for new in batch)
    assert rows == [
        ("confirmed", "captured", confirmed, 0, 2 * confirmed),
        ("declined", "declined", 40 - confirmed, 0, 0),
    ]


async def test_the_database_itself_refuses_a_second_live_booking_of_a_ticket(conn: AsyncConnection) -> None:
    insert = "insert into bookings (order_id, line, ticket_id, tier_id, price_minor) values (%s, 1, 7, 1, 100)"
    await conn.execute(insert, [1])
    with pytest.raises(psycopg.errors.UniqueViolation, match="bookings_live_ticket_key"):
        await conn.execute(insert, [2])
    await conn.execute("update bookings set released_at = now(), released_reason = 'cancelled' where order_id = 1")
    await conn.execute(insert, [3])
