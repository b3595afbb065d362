"""A request whose reference another transaction is booking has an unknown outcome."""

import asyncio

import psycopg
import pytest
from psycopg import AsyncConnection

from api.database.errors import waited_for_reference
from api.errors import Busy
from api.services.order_rows import OrderRow
from tests.faults.pauses import AT_COMMIT, paused
from tests.integration.services.bookings.test_batcher import order, responses, running_batcher

OTHERS = 10
UNFINISHED = """
    insert into orders (id, event_id, reference, user_id, request_digest, status, quantity, total_minor, currency)
    select nextval('orders_id_seq'), id, 'in-flight', 'u', sha256('x'), 'confirmed', 1, 1000, 'USD' from events
"""


async def test_only_the_reference_of_an_unfinished_insert_is_unknown(database_url: str, conn: AsyncConnection) -> None:
    async with running_batcher(database_url, booking_wait_ms=3000) as batcher:
        async with conn.transaction(force_rollback=True):
            await conn.execute(UNFINISHED)
            others = [order(f"other-{number}") for number in range(OTHERS)]
            unknown, *booked = await responses(batcher, order("in-flight"), *others)
        assert isinstance(unknown, Busy)
        assert unknown.details == {"reference": "in-flight", "unknown": True}
        assert "booked nothing" not in unknown.message
        assert [type(each) for each in booked] == [OrderRow] * OTHERS
        (now_booked,) = await responses(batcher, order("in-flight"))
        assert isinstance(now_booked, OrderRow)


async def test_a_wait_for_a_reference_is_recognized_in_every_language_of_the_server(
    database_url: str, conn: AsyncConnection
) -> None:
    async with await AsyncConnection.connect(database_url, autocommit=True) as other:
        await other.execute("set lock_timeout = '50ms'")
        async with conn.transaction(force_rollback=True):
            await conn.execute(UNFINISHED)
            with pytest.raises(psycopg.errors.LockNotAvailable) as waited:
                await other.execute(UNFINISHED)
            await conn.execute("select 1 from tickets for update")
            with pytest.raises(psycopg.errors.LockNotAvailable) as unrelated:
                await other.execute("update tickets set status = status")
    assert waited_for_reference(waited.value)
    assert not waited_for_reference(unrelated.value)


async def test_a_repeat_in_another_process_is_unknown_although_its_tickets_are_locked(
    database_url: str, conn: AsyncConnection
) -> None:
    cursor = await conn.execute("select array_agg(id order by id) from (select id from tickets limit 2) as two")
    ((ticket_ids,),) = await cursor.fetchall()
    cursor = await conn.execute("select name from tiers join tickets on tier_id = tiers.id limit 1")
    ((tier,),) = await cursor.fetchall()
    request = order("in-flight", 2, tier=tier, ticket_ids=tuple(ticket_ids))
    async with (
        running_batcher(database_url, statement_timeout_ms=60_000) as first,
        running_batcher(database_url, booking_wait_ms=300) as second,
    ):
        with paused(database_url, AT_COMMIT) as pause:
            booking = asyncio.create_task(responses(first, request))
            await pause.reached("commit")
            (repeat, control) = await responses(
                second, request, order("other", 2, tier=tier, ticket_ids=request.ticket_ids)
            )
            assert isinstance(repeat, Busy)
            assert repeat.details == {"reference": "in-flight", "unknown": True}
            assert isinstance(control, Busy)
            assert control.details == {"reference": "other"}
            pause.resume()
            await booking
        (replayed,) = await responses(second, request)
        assert isinstance(replayed, OrderRow)
