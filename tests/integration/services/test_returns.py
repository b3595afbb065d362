"""Single tickets of a paid order are returned and refunded, and the order keeps the others."""

import asyncio
from datetime import timedelta

import msgspec
import psycopg
import pytest
from psycopg import AsyncConnection

from api.commands import history
from api.database.pool import Pool
from api.errors import Forbidden, NotCancellable, NotFound
from api.services.access import Access
from api.services.bookings.model import Booked
from api.services.codes import draw_ticket
from api.services.order_views import as_first_booked, get_order, lines_as_first_booked, list_orders, to_schema
from api.services.refunds import request_refunds
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import (
    ASYNC,
    INLINE,
    OPEN,
    Provider,
    apply_updates,
    book,
    hold,
    order,
    states,
    tickets_by_status,
)
from tests.integration.services.paid_orders import VIP_MINOR, lines_of, paid, refund_states

pytestmark = pytest.mark.usefixtures("audited")

TICKET_SECRET = "tksec_" + "A" * 40


async def test_a_returned_ticket_is_refunded_and_on_sale_again(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 3)
    found, lines = await return_tickets(pool, booked.reference, "u", [ids[1]], OPEN)
    assert (found.status, found.payment) == ("confirmed", "captured")
    assert [line.returned_at is not None for line in lines] == [False, True, False]
    assert await states(conn, booked.reference) == ("confirmed", "captured", 2)
    assert await tickets_by_status(conn) == {"available": 1298, "sold": 2}
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "requested", "buyer")]
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert provider.refunded(booked.reference) == VIP_MINOR
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]
    assert await states(conn, booked.reference) == ("confirmed", "captured", 2)
    assert await request_refunds(pool, ASYNC, provider) == 0


async def test_a_repeated_return_changes_nothing(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    booked, ids = await paid(pool, provider, 3)
    first = to_schema(*await return_tickets(pool, booked.reference, "u", ids[:1], OPEN))
    assert to_schema(*await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)) == first
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "requested", "buyer")]
    await return_tickets(pool, booked.reference, "u", ids[:2], OPEN)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "requested", "buyer")] * 2
    assert await states(conn, booked.reference) == ("confirmed", "captured", 1)


async def test_the_return_of_the_last_tickets_cancels_the_order(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 3)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    await return_tickets(pool, booked.reference, "u", ids, OPEN)
    assert await states(conn, booked.reference) == ("cancelled", "refunding", 0)
    assert await refund_states(conn, booked.reference) == [
        (VIP_MINOR, "requested", "buyer"),
        (2 * VIP_MINOR, "requested", "buyer"),
    ]
    assert await request_refunds(pool, ASYNC, provider) == 2
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)
    assert provider.charges[booked.reference] == "refunded"
    assert provider.refunded(booked.reference) == 3 * VIP_MINOR


async def test_a_cancellation_after_a_return_refunds_the_rest(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    await request_refunds(pool, ASYNC, provider)
    shown = to_schema(*await cancel_order(pool, booked.reference, "u", OPEN))
    assert (shown.status, shown.refund) == ("cancelled", shown.total)
    await request_refunds(pool, ASYNC, provider)
    assert provider.refunded(booked.reference) == 2 * VIP_MINOR
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)


@pytest.mark.parametrize("settled_first", [False, True])
async def test_a_cancellation_of_free_tickets_after_a_return_of_the_paid_one(
    pool: Pool, conn: AsyncConnection, provider: Provider, *, settled_first: bool
) -> None:
    booked, ids = await paid(pool, provider, 2)
    await conn.execute("update bookings set price_minor = %s where id = %s", [2 * VIP_MINOR, ids[0]])
    await conn.execute("update bookings set price_minor = 0 where id = %s", [ids[1]])
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    if settled_first:
        await request_refunds(pool, ASYNC, provider)
    await cancel_order(pool, booked.reference, "u", OPEN)
    await request_refunds(pool, ASYNC, provider)
    assert await refund_states(conn, booked.reference) == [(2 * VIP_MINOR, "succeeded", "buyer")]
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)


@pytest.mark.parametrize(("returned", "warned"), [(0, False), (1, True)], ids=["the paid ticket", "the free ticket"])
async def test_a_refunded_charge_is_expected_after_the_return_of_all_paid_tickets(
    pool: Pool,
    conn: AsyncConnection,
    provider: Provider,
    caplog: pytest.LogCaptureFixture,
    returned: int,
    *,
    warned: bool,
) -> None:
    booked, ids = await paid(pool, provider, 2)
    await conn.execute("update bookings set price_minor = %s where id = %s", [2 * VIP_MINOR, ids[0]])
    await conn.execute("update bookings set price_minor = 0 where id = %s", [ids[1]])
    await return_tickets(pool, booked.reference, "u", [ids[returned]], OPEN)
    await apply_updates(pool, {booked.reference: "refunded"})
    assert ("was refunded, but the order is confirmed" in caplog.text) is warned
    assert await states(conn, booked.reference) == ("confirmed", "captured", 1)


async def test_a_returned_ticket_without_a_price_has_no_refund(pool: Pool, conn: AsyncConnection) -> None:
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    (outcome,) = await book(pool, order("GA", 2, reference="free"), settings=INLINE)
    assert isinstance(outcome, Booked)
    await return_tickets(pool, "free", "u", [outcome.bookings[0].id], OPEN)
    assert await states(conn, "free") == ("confirmed", "captured", 1)
    assert await refund_states(conn, "free") == []


async def test_an_inline_payment_is_refunded_by_the_return(pool: Pool, conn: AsyncConnection) -> None:
    (outcome,) = await book(pool, order("VIP", 2, reference="inline"), settings=INLINE)
    assert isinstance(outcome, Booked)
    await return_tickets(pool, "inline", "u", [outcome.bookings[0].id], OPEN)
    assert await refund_states(conn, "inline") == [(VIP_MINOR, "succeeded", "buyer")]
    await cancel_order(pool, "inline", "u", OPEN)
    assert await refund_states(conn, "inline") == [(VIP_MINOR, "succeeded", "buyer")] * 2
    assert await states(conn, "inline") == ("cancelled", "refunded", 0)


async def test_only_the_buyer_returns_tickets_of_a_paid_order_of_a_future_event(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 2)
    other, foreign = await paid(pool, provider, 1)
    held = await hold(pool, "VIP", 2)
    held_ids = [line.id for line in await lines_of(pool, held)]
    with pytest.raises(NotFound):
        await return_tickets(pool, "nobody", "u", ids, OPEN)
    with pytest.raises(NotFound):
        await return_tickets(pool, booked.reference, "u", ids, Access())
    with pytest.raises(Forbidden):
        await return_tickets(pool, booked.reference, "mallory", ids[:1], OPEN)
    with pytest.raises(NotFound, match="no such ticket in booking"):
        await return_tickets(pool, booked.reference, "u", [ids[0], foreign[0]], OPEN)
    with pytest.raises(NotCancellable, match="only after the payment"):
        await return_tickets(pool, held.reference, "u", held_ids[:1], OPEN)
    await conn.execute("update events set doors_at = null, starts_at = now()")
    with pytest.raises(NotCancellable, match="the event has begun"):
        await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    for each, live in ((booked, 2), (other, 1)):
        assert await states(conn, each.reference) == ("confirmed", "captured", live)
    assert await states(conn, held.reference) == ("pending", "pending", 2)


async def test_a_return_of_all_tickets_of_a_pending_order_cancels_it(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 2)
    await return_tickets(pool, held.reference, "u", [line.id for line in await lines_of(pool, held)], OPEN)
    assert await states(conn, held.reference) == ("cancelled", "pending", 0)
    assert await refund_states(conn, held.reference) == []


async def test_concurrent_returns_release_and_refund_each_ticket_once(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 6)
    pairs = [ids[n : n + 2] for n in range(5)]
    results = await asyncio.gather(
        *(return_tickets(pool, booked.reference, "u", pair, OPEN) for pair in pairs * 2), return_exceptions=True
    )
    assert {type(each) for each in results if isinstance(each, Exception)} <= {psycopg.errors.LockNotAvailable}
    for pair in pairs:
        await return_tickets(pool, booked.reference, "u", pair, OPEN)
    await request_refunds(pool, ASYNC, provider)
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)
    assert provider.refunded(booked.reference) == 6 * VIP_MINOR
    assert await tickets_by_status(conn) == {"available": 1300}


async def test_a_returned_ticket_may_be_sold_to_another_buyer(
    pool: Pool, database_url: str, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 2, ticket_ids=(1, 2), user_id="ann")
    await return_tickets(pool, booked.reference, "ann", ids[:1], OPEN)
    await paid(pool, provider, 1, ticket_ids=(1,), user_id="ben")
    cursor = await conn.execute("select created_at from order_events where subject = 'line'")
    ((returned_at,),) = await cursor.fetchall()
    holders = [
        history.holder_at(database_url, ticket, at)
        for ticket, at in (
            (1, returned_at - timedelta(microseconds=1)),
            (1, returned_at),
            (2, returned_at),
            (1, returned_at + timedelta(days=1)),
        )
    ]
    assert [holder and holder.user_id for holder in holders] == ["ann", None, "ann", "ben"]
    changes = [change for change in history.ticket_history(database_url, 1) if change.subject == "line"]
    assert [(change.user_id, change.status, change.reason) for change in changes] == [("ann", "released", "returned")]
    assert [change.subject for change in history.ticket_history(database_url, 2)].count("line") == 0


async def test_only_the_remaining_tickets_have_codes(pool: Pool, provider: Provider) -> None:
    booked, ids = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    with pytest.raises(NotFound, match=f"ticket 1 of booking {booked.reference}"):
        await draw_ticket(pool, TICKET_SECRET, booked.reference, 1, OPEN)
    assert await draw_ticket(pool, TICKET_SECRET, booked.reference, 2, OPEN)


async def test_an_order_shows_its_refunds_and_returned_tickets(pool: Pool, provider: Provider) -> None:
    booked, ids = await paid(pool, provider, 2)
    before = msgspec.to_builtins((await get_order(pool, booked.reference, OPEN))[0])
    assert "refunds" not in before
    returned = to_schema(*await return_tickets(pool, booked.reference, "u", ids[:1], OPEN))
    shown, _ = await get_order(pool, booked.reference, OPEN)
    (listed,) = (await list_orders(pool, "u", OPEN, limit=9, cursor=None)).orders
    assert shown == returned == listed
    body = msgspec.to_builtins(shown)
    (refund,) = body.pop("refunds")
    assert {name: refund[name] for name in ("amount", "status", "reason")} == {
        "amount": 100,
        "status": "requested",
        "reason": "returned by its buyer",
    }
    assert body["bookings"][0].pop("returnedAt")
    assert body.pop("message") == "Successfully booked 1 ticket(s)"
    assert before.pop("message") == "Successfully booked 2 ticket(s)"
    assert body == before


async def test_a_repeated_booking_gets_its_first_response_after_a_return(pool: Pool) -> None:
    request = order("VIP", 2, reference="inline")
    (first,) = await book(pool, request, settings=INLINE)
    assert isinstance(first, Booked)
    await return_tickets(pool, "inline", "u", [first.bookings[0].id], OPEN)
    (again,) = await book(pool, request, settings=INLINE)
    assert isinstance(again, Booked)
    assert again.replayed
    repeated = to_schema(as_first_booked(again.order), lines_as_first_booked(again.bookings))
    assert repeated == to_schema(as_first_booked(first.order), first.bookings)
