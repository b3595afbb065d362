"""The SQL function book_batch sells the orders that it can sell, and touches no other one."""

from collections.abc import Awaitable, Callable

import pytest
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation

from api.commands.audit import audit
from api.commands.seed import parse_inventory, seed
from api.database.pool import Pool
from tests.integration.services.bookings.book_batch import (
    Ordered,
    any_tickets,
    call,
    find_seats,
    find_tier,
)
from tests.integration.services.bookings.test_batcher import count

CLIENT = b"c" * 16


async def rows(conn: AsyncConnection, sql: str) -> list[tuple[object, ...]]:
    return await (await conn.execute(sql.encode())).fetchall()


async def states(conn: AsyncConnection) -> dict[object, tuple[object, ...]]:
    """Return the status, the payment and the sold or held tickets of each order, by reference."""
    found = await rows(
        conn,
        """
        select reference, orders.status, payments.status,
            array(
                select tickets.status from bookings join tickets on tickets.id = ticket_id
                where order_id = orders.id order by line
            )
        from orders join payments on payments.order_id = orders.id order by reference
        """,
    )
    return {reference: tuple(state) for reference, *state in found}


async def test_an_order_may_have_lines_of_several_tiers(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    vip, floor = await find_tier(conn, "VIP"), await find_tier(conn, "GA")
    seats = await find_seats(conn, vip, 3, 4)
    result = await call(
        pool, Ordered("both", [*any_tickets(floor, 2), *seats]), Ordered("floor", any_tickets(floor, 1))
    )
    assert result.causes == [None, None]
    assert result.ticket_ids[2:4] == [seat.ticket_id for seat in seats]
    assert len({*result.ticket_ids}) == 5
    booked = await rows(
        conn,
        "select id, order_id, line, ticket_id, tier_id, price_minor, created_at from bookings order by order_id, line",
    )
    both, alone = result.order_ids
    assert booked == [
        (
            result.booking_ids[place],
            order_id,
            line,
            result.ticket_ids[place],
            tier.id,
            tier.price_minor,
            result.created_at,
        )
        for place, (order_id, line, tier) in enumerate(
            [(both, 1, floor), (both, 2, floor), (both, 3, vip), (both, 4, vip), (alone, 1, floor)]
        )
    ]
    assert await rows(conn, "select id, quantity, total_minor from orders order by id") == [
        (both, 4, 2 * floor.price_minor + 2 * vip.price_minor),
        (alone, 1, floor.price_minor),
    ]
    assert await count(conn, "tickets where status = 'sold'") == 5
    assert audit(database_url) == []


async def test_a_declined_order_takes_no_tickets(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    vip, floor = await find_tier(conn, "VIP"), await find_tier(conn, "GA")
    declined = Ordered("a", [*any_tickets(floor, 2), *await find_seats(conn, vip, 1)], payment="declined")
    result = await call(pool, declined, Ordered("b", any_tickets(floor, 1)), bookings_per_minute=10)
    assert result.causes == [None, None]
    assert [booking_id is None for booking_id in result.booking_ids] == [True, True, True, False]
    assert await states(conn) == {"a": ("declined", "declined", []), "b": ("confirmed", "captured", ["sold"])}
    assert await count(conn, "tickets where status <> 'available'") == 1
    assert await rows(conn, "select user_id from booking_limits order by user_id") == [("a",), ("b",)]
    assert audit(database_url) == []


async def test_each_pending_order_has_its_own_hold(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    floor = await find_tier(conn, "GA")
    orders = [
        Ordered("a", any_tickets(floor, 1), payment="pending", hold_seconds=60, client_hash=CLIENT),
        Ordered("b", any_tickets(floor, 2), payment="pending", hold_seconds=90),
        Ordered("c", any_tickets(floor, 1)),
    ]
    result = await call(pool, *orders)
    assert result.causes == [None, None, None]
    assert await states(conn) == {
        "a": ("pending", "pending", ["held"]),
        "b": ("pending", "pending", ["held", "held"]),
        "c": ("confirmed", "captured", ["sold"]),
    }
    holds = """
        select distinct reference, client_hash, extract(epoch from expires_at - orders.created_at)::integer,
            expires_at is not distinct from held_until,
            extract(epoch from next_check_at - orders.created_at)::integer
        from orders join bookings on bookings.order_id = orders.id join tickets on tickets.id = ticket_id
        join payments on payments.order_id = orders.id order by reference
    """
    assert await rows(conn, holds) == [
        ("a", CLIENT, 60, True, 5),
        ("b", None, 90, True, 5),
        ("c", None, None, True, None),
    ]
    assert audit(database_url) == []


async def test_a_claim_wraps_around(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    seed(database_url, event="small", inventory=parse_inventory("Floor=10"))
    floor = await find_tier(conn, "Floor", "small")
    floor.start = 8
    places = await find_seats(conn, floor, *range(1, 11))
    result = await call(pool, Ordered("a", any_tickets(floor, 3)), Ordered("b", any_tickets(floor, 2)))
    assert result.ticket_ids == [place.ticket_id for place in (*places[7:], *places[:2])]


async def test_claims_take_no_ticket_that_the_batch_names(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    seed(database_url, event="small", inventory=parse_inventory("Floor=4"))
    floor = await find_tier(conn, "Floor", "small")
    named = await find_seats(conn, floor, 1, 2)
    result = await call(pool, Ordered("any", any_tickets(floor, 2)), Ordered("named", named))
    assert result.causes == [None, None]
    assert len({*result.ticket_ids}) == 4
    assert result.ticket_ids[2:] == [line.ticket_id for line in named]


Obstacle = Callable[[AsyncConnection], Awaitable[object]]


async def lock_reference(other: AsyncConnection) -> None:
    await other.execute("select pg_advisory_xact_lock(hashtextextended('obstructed', 20261122))")


async def lock_seat(other: AsyncConnection) -> None:
    await other.execute("select id from tickets where tier_id = 1 and position = 2 for update")


async def sell_seat(other: AsyncConnection) -> None:
    await other.execute("update tickets set status = 'sold' where tier_id = 1 and position = 2")
    await other.commit()


async def move_seat(other: AsyncConnection) -> None:
    """Give the seat another ctid, although it is available."""
    await other.execute("update tickets set status = 'sold' where tier_id = 1 and position = 2")
    await other.execute("update tickets set status = 'available' where tier_id = 1 and position = 2")
    await other.commit()


async def change_price(other: AsyncConnection) -> None:
    await other.execute("update tiers set price_minor = price_minor + 1 where id = 1")
    await other.commit()


async def end_sale(other: AsyncConnection) -> None:
    await other.execute("alter table events disable trigger user")  # The revision stays the same.
    await other.execute("update events set sales_end_at = now() where id = 1")
    await other.commit()


async def exhaust_limit(other: AsyncConnection) -> None:
    await other.execute("insert into booking_limits values ('obstructed', array[now(), now()])")
    await other.commit()


@pytest.mark.parametrize(
    ("obstacle", "cause"),
    [
        (lock_reference, "in_flight"),
        (lock_seat, "locked_tickets"),
        (sell_seat, "locked_tickets"),
        (move_seat, "locked_tickets"),
        (change_price, "changed_tier"),
        (end_sale, "changed_tier"),
        (exhaust_limit, "exhausted_limit"),
    ],
)
async def test_an_obstructed_order_is_left_out_alone(
    pool: Pool, conn: AsyncConnection, database_url: str, obstacle: Obstacle, cause: str
) -> None:
    seed(database_url, event="other", inventory=parse_inventory("Floor=10"))
    vip, floor = await find_tier(conn, "VIP"), await find_tier(conn, "Floor", "other")
    seats = await find_seats(conn, vip, 2, 3)
    async with await AsyncConnection.connect(database_url) as other:
        await obstacle(other)
        before = await count(conn, "tickets where status <> 'available'")
        result = await call(
            pool, Ordered("obstructed", seats), Ordered("free", any_tickets(floor, 2)), bookings_per_minute=2
        )
    assert result.causes == [cause, None]
    assert result.order_ids[0] is None
    assert result.booking_ids[:2] == [None, None]
    assert await states(conn) == {"free": ("confirmed", "captured", ["sold", "sold"])}
    assert await count(conn, "tickets where status <> 'available'") == before + 2
    assert await count(conn, "booking_limits where user_id = 'obstructed' and cardinality(booked_at) <> 2") == 0


async def test_a_ticket_at_the_ctid_of_another_one_is_not_sold(pool: Pool, conn: AsyncConnection) -> None:
    vip = await find_tier(conn, "VIP")
    first, second = await find_seats(conn, vip, 1, 2)
    first.ctid, second.ctid = second.ctid, first.ctid
    result = await call(pool, Ordered("a", [first]), Ordered("b", [second]))
    assert result.causes == ["locked_tickets", "locked_tickets"]
    assert await count(conn, "orders") == await count(conn, "tickets where status <> 'available'") == 0


async def test_a_tier_that_falls_short_sells_nothing(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    seed(database_url, event="small", inventory=parse_inventory("Floor=3,Field=9"))
    floor, field = await find_tier(conn, "Floor", "small"), await find_tier(conn, "Field", "small")
    named = await find_seats(conn, floor, 1)
    result = await call(
        pool,
        Ordered("a", any_tickets(floor, 2)),
        Ordered("b", [*any_tickets(field, 1), *any_tickets(floor, 1)]),
        Ordered("c", any_tickets(field, 2)),
        Ordered("d", named),
    )
    assert result.causes == ["insufficient", "insufficient", None, None]
    assert await states(conn) == {
        "c": ("confirmed", "captured", ["sold", "sold"]),
        "d": ("confirmed", "captured", ["sold"]),
    }
    assert await count(conn, "tickets where status = 'sold'") == 3


async def test_a_limit_admits_all_bookings_of_a_buyer_or_none(pool: Pool, conn: AsyncConnection) -> None:
    floor = await find_tier(conn, "GA")
    buyers = ["ann", "ben", "ann", "ann", "cat"]
    orders = [Ordered(f"r{n}", any_tickets(floor, 1), buyer=buyer) for n, buyer in enumerate(buyers)]
    result = await call(pool, *orders, bookings_per_minute=2)
    assert result.causes == ["exhausted_limit", None, "exhausted_limit", "exhausted_limit", None]
    result = await call(
        pool, *[Ordered(f"s{n}", any_tickets(floor, 1), buyer="ben") for n in range(2)], bookings_per_minute=2
    )
    assert result.causes == ["exhausted_limit"] * 2
    assert await rows(conn, "select user_id, cardinality(booked_at) from booking_limits order by 1") == [
        ("ben", 1),
        ("cat", 1),
    ]


async def test_a_repeat_fails_the_whole_batch(pool: Pool, conn: AsyncConnection) -> None:
    floor = await find_tier(conn, "GA")
    await call(pool, Ordered("again", any_tickets(floor, 1)))
    with pytest.raises(UniqueViolation, match="orders_reference_key"):
        await call(pool, Ordered("again", any_tickets(floor, 1)), Ordered("other", any_tickets(floor, 1)))
    assert await count(conn, "orders") == await count(conn, "tickets where status = 'sold'") == 1


async def test_a_batch_without_a_sale_writes_nothing(pool: Pool, conn: AsyncConnection, database_url: str) -> None:
    floor = await find_tier(conn, "GA")
    floor.revision += 1
    result = await call(pool, Ordered("a", any_tickets(floor, 2)), bookings_per_minute=1)
    assert (result.causes, result.order_ids, result.booking_ids) == (["changed_tier"], [None], [None, None])
    assert await count(conn, "orders") == await count(conn, "booking_limits") == 0


async def test_limits_and_orders_are_written_in_the_order_of_their_bytes(pool: Pool, conn: AsyncConnection) -> None:
    floor = await find_tier(conn, "GA")
    names = ["b", "é", "Z", "a", "B", "ä"]
    await call(pool, *(Ordered(name, any_tickets(floor, 1)) for name in names), bookings_per_minute=10)
    in_order = [(name,) for name in sorted(names)]
    assert await rows(conn, "select user_id from booking_limits order by ctid") == in_order
    assert await rows(conn, "select reference from orders order by ctid") == in_order
