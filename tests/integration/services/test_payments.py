"""Asynchronous payment: every captured payment has tickets or is refunded, whatever the provider reports and when."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Literal

import msgspec
import pytest
from psycopg import AsyncConnection

from api.commands.audit import audit
from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool, open_pool
from api.errors import (
    AllHeld,
    Busy,
    Forbidden,
    NotCancellable,
    NotFound,
    SeatTaken,
    SoldOut,
)
from api.payments import simulator
from api.payments.signatures import Webhook
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.model import Booked
from api.services.order_rows import OrderRow
from api.services.order_views import as_first_booked, get_order, list_orders, to_schema
from api.services.orders import cancel_order, expire_holds, purge_declined
from api.services.payments import Charges, ChargeUpdate, reconcile_payments
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import (
    ASYNC,
    Provider,
    apply_updates,
    book,
    hold,
    let_time_pass,
    order,
    response,
    states,
    tickets_by_status,
)

INLINE = Settings(payment_success_rate=1, bookings_per_minute=0)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Open a pool; check every invariant of its database after the test."""
    async with open_pool(database_url, ASYNC) as pool:
        yield pool
    assert audit(database_url) == []


@pytest.fixture
def provider() -> Provider:
    return Provider()


def webhook(webhook_id: str, kind: str, reference: str, amount_minor: int = 1000) -> Webhook:
    return Webhook(id=webhook_id, type=kind, reference=reference, amount_minor=amount_minor, currency="USD")


async def test_a_booking_holds_its_tickets_until_its_payment_is_captured(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 3)
    assert held.expires_at
    assert (held.expires_at - held.created_at).total_seconds() == ASYNC.hold_seconds
    assert await states(conn, held.reference) == ("pending", "pending", 3)
    assert (await tickets_by_status(conn))["held"] == 3
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("confirmed", "captured", 3)
    assert await tickets_by_status(conn) == {"available": 1297, "sold": 3}


async def test_a_declined_payment_returns_the_tickets_to_sale(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 3)
    await apply_updates(pool, {held.reference: "declined"})
    assert await states(conn, held.reference) == ("declined", "declined", 0)
    assert await tickets_by_status(conn) == {"available": 1300}


async def test_the_tickets_of_an_overdue_hold_return_to_sale_once(pool: Pool, conn: AsyncConnection) -> None:
    references = [(await hold(pool)).reference for _ in range(5)]
    assert await expire_holds(pool, ASYNC) == 0
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    assert max(await asyncio.gather(*(expire_holds(pool, ASYNC) for _ in range(3)))) > 0
    assert await expire_holds(pool, ASYNC) == 0
    assert await tickets_by_status(conn) == {"available": 1300}
    assert {await states(conn, reference) for reference in references} == {("expired", "pending", 0)}
    cursor = await conn.execute("select count(*) from order_events where status = 'expired'")
    assert await cursor.fetchone() == (5,)


async def test_a_late_payment_reclaims_the_same_tickets_if_they_are_free(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 2)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("confirmed", "captured", 2)
    assert await tickets_by_status(conn) == {"available": 1298, "sold": 2}
    found, _ = await get_order(pool, held.reference)
    late = "The payment came late, but the same 2 ticket(s) were still free and are booked"
    assert (found.paid_late, found.message) == (True, late)
    (listed,) = (await list_orders(pool, "u", limit=1, cursor=None)).orders
    assert listed == found
    cancelled = to_schema(*await cancel_order(pool, held.reference, "u"))
    assert (cancelled.paid_late, cancelled.message) == (True, "The booking was cancelled.")


async def test_orders_paid_in_time_or_never_are_not_paid_late(pool: Pool, conn: AsyncConnection) -> None:
    captured, declined, expired = [(await hold(pool)).reference for _ in range(3)]
    await apply_updates(pool, {captured: "captured", declined: "declined"})
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    found = [(await get_order(pool, reference))[0] for reference in (captured, declined, expired)]
    assert [(each.status, each.paid_late) for each in found] == [
        ("confirmed", False),
        ("declined", False),
        ("expired", False),
    ]


async def test_a_late_payment_is_refunded_if_a_ticket_is_gone(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2, ticket_ids=(1, 2))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    other = await hold(pool, "VIP", 1, ticket_ids=(2,))
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("expired", "refunding", 0)
    provider.charges = {held.reference: "captured", other.reference: "processing"}
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert provider.charges[held.reference] == "refunded"
    assert await states(conn, held.reference) == ("expired", "refunded", 0)
    found, _ = await get_order(pool, held.reference)
    assert (found.status, found.refund, found.paid_late) == ("expired", found.total, False)


async def test_a_late_payment_for_a_cancelled_event_is_refunded(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "VIP", 1)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await conn.execute("update events set cancelled_at = now()")
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("expired", "refunding", 0)


async def test_a_payment_in_time_for_a_cancelled_event_is_refunded(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2)
    await conn.execute("update events set cancelled_at = now()")
    await apply_updates(pool, {held.reference: "captured"})
    assert await states(conn, held.reference) == ("cancelled", "refunding", 0)
    provider.charges[held.reference] = "captured"
    await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("cancelled", "refunded", 0)


async def test_the_worker_charges_no_pending_order_of_a_cancelled_event(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    await hold(pool)
    await conn.execute("update events set cancelled_at = now()")
    await conn.execute("update payments set next_check_at = now()")
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert provider.charges == {}


async def test_orders_of_a_cancelled_event_are_cancelled_at_any_time(pool: Pool, conn: AsyncConnection) -> None:
    paid, pending = await hold(pool), await hold(pool)
    await apply_updates(pool, {paid.reference: "captured"})
    await conn.execute("update events set cancelled_at = now(), doors_at = null, starts_at = now() - interval '9 days'")
    await cancel_order(pool, paid.reference, "u")
    await cancel_order(pool, pending.reference, "u")
    assert await states(conn, paid.reference) == ("cancelled", "refunding", 0)
    assert await states(conn, pending.reference) == ("cancelled", "pending", 0)


async def test_two_late_payments_for_one_seat_end_in_one_sale_and_one_refund(pool: Pool, conn: AsyncConnection) -> None:
    first = await hold(pool, "VIP", 1, ticket_ids=(7,))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    second = await hold(pool, "VIP", 1, ticket_ids=(7,))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await apply_updates(pool, {first.reference: "captured", second.reference: "captured"})
    results = sorted([await states(conn, first.reference), await states(conn, second.reference)])
    assert results == [("confirmed", "captured", 1), ("expired", "refunding", 0)]


@pytest.mark.parametrize("update", ["captured", "declined"])
async def test_a_settled_order_ignores_later_updates(pool: Pool, conn: AsyncConnection, update: ChargeUpdate) -> None:
    held = await hold(pool)
    await apply_updates(pool, {held.reference: update})
    settled = await states(conn, held.reference)
    for later in ("processing", "captured", "declined", "refunded", "unknown"):
        await apply_updates(pool, {held.reference: later})
        assert await states(conn, held.reference) == settled


async def test_concurrent_transactions_settle_an_order_once(pool: Pool, conn: AsyncConnection) -> None:
    held = [await hold(pool) for _ in range(10)]
    await asyncio.gather(
        *(apply_updates(pool, dict.fromkeys((h.reference for h in held), "captured")) for _ in range(4))
    )
    assert {await states(conn, h.reference) for h in held} == {("confirmed", "captured", 1)}
    cursor = await conn.execute("select count(*) from order_events where subject = 'order' and status = 'confirmed'")
    assert await cursor.fetchone() == (10,)


# --- The inbox -------------------------------------------------------------------------------------------


async def test_repeated_and_reordered_webhooks_are_settled_once(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, "GA", 2)
    inbox = Inbox(pool, ASYNC)  # It does not run, as after a crash that follows the commit.
    for webhook_id, kind in (("m2", "captured"), ("m1", "processing"), ("m2", "captured"), ("m3", "captured")):
        await inbox.store(webhook(webhook_id, f"charge.{kind}", held.reference, held.total_minor))
    assert await states(conn, held.reference) == ("pending", "pending", 2)
    done = await asyncio.gather(*(settle_webhooks(pool, ASYNC) for _ in range(3)))
    assert sum(done) + await settle_webhooks(pool, ASYNC) == 3
    assert await settle_webhooks(pool, ASYNC) == 0
    assert await states(conn, held.reference) == ("confirmed", "captured", 2)


async def test_a_webhook_stored_after_the_settling_transaction_began_is_settled(
    pool: Pool, conn: AsyncConnection
) -> None:
    held = await hold(pool)
    await Inbox(pool, ASYNC).store(webhook("m1", "charge.captured", held.reference))
    await conn.execute("update webhooks set received_at = now() + interval '5 seconds'")
    assert await settle_webhooks(pool, ASYNC) == 1
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)


async def test_a_running_inbox_settles_what_it_stores(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    inbox = Inbox(pool, ASYNC)
    async with inbox.running(), asyncio.timeout(20):
        await inbox.store(webhook("m1", "charge.captured", held.reference, held.total_minor))
        while (await states(conn, held.reference))[0] == "pending":  # noqa: ASYNC110 - the status is in the database
            await asyncio.sleep(0.01)
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)


async def test_webhooks_of_unknown_types_or_references_are_processed(pool: Pool, conn: AsyncConnection) -> None:
    inbox = Inbox(pool, ASYNC)
    await inbox.store(webhook("m1", "dispute.opened", "nobody"))
    await inbox.store(webhook("m2", "charge.captured", "nobody"))
    assert await settle_webhooks(pool, ASYNC) == 2
    cursor = await conn.execute("select count(*) from webhooks where processed_at is null")
    assert await cursor.fetchone() == (0,)


async def test_a_capture_of_another_amount_confirms_nothing(
    pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    held = await hold(pool, "GA", 2)
    inbox = Inbox(pool, ASYNC)
    await inbox.store(webhook("m1", "charge.captured", held.reference, held.total_minor - 1))
    assert await settle_webhooks(pool, ASYNC) == 1
    assert await states(conn, held.reference) == ("pending", "pending", 2)
    assert held.reference in caplog.text


async def test_an_invalid_stored_webhook_does_not_block_the_others(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    await conn.execute("insert into webhooks (id, payload) values ('m0', '{}')")
    await Inbox(pool, ASYNC).store(webhook("m1", "charge.captured", held.reference, held.total_minor))
    assert await settle_webhooks(pool, ASYNC) == 2
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)


async def test_a_refund_before_the_capture_is_reported_closes_the_payment(pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool)
    await cancel_order(pool, held.reference, "u")
    await apply_updates(pool, {held.reference: "refunded"})
    assert await states(conn, held.reference) == ("cancelled", "void", 0)


# --- Reconciliation -----------------------------------------------------------------------------------


async def test_the_worker_requests_a_charge_that_was_never_requested(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2)
    assert await reconcile_payments(pool, ASYNC, provider) == 0  # It is not due yet.
    await let_time_pass(conn, 10)
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert provider.charges == {held.reference: "processing"}
    assert provider.amounts == {held.reference: (held.total_minor, held.currency)}


async def test_the_worker_finds_a_payment_whose_webhook_was_lost(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    paid, declined = await hold(pool), await hold(pool)
    provider.charges = {paid.reference: "captured", declined.reference: "declined"}
    await let_time_pass(conn, 10)
    assert sum(await asyncio.gather(*(reconcile_payments(pool, ASYNC, provider) for _ in range(3)))) == 2
    assert await states(conn, paid.reference) == ("confirmed", "captured", 1)
    assert await states(conn, declined.reference) == ("declined", "declined", 0)


async def test_a_hold_that_ended_before_its_charge_is_never_charged(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool)
    await let_time_pass(conn, ASYNC.hold_seconds + 60)
    await expire_holds(pool, ASYNC)
    await reconcile_payments(pool, ASYNC, provider)
    assert provider.charges == {}
    assert await states(conn, held.reference) == ("expired", "void", 0)


async def test_a_charge_in_flight_at_the_end_of_its_hold_is_found_without_webhook(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held, taken = await hold(pool), await hold(pool)
    await cancel_order(pool, taken.reference, "u")
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    assert await reconcile_payments(pool, ASYNC, provider) == 2  # The provider has no charge for them yet.
    provider.charges = dict.fromkeys((held.reference, taken.reference), "captured")
    await let_time_pass(conn, 60)
    await reconcile_payments(pool, ASYNC, provider)
    await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)
    assert await states(conn, taken.reference) == ("cancelled", "refunded", 0)
    assert provider.charges == {held.reference: "captured", taken.reference: "refunded"}
    assert await reconcile_payments(pool, ASYNC, provider) == 0


async def test_the_queue_skips_a_charge_whose_hold_has_ended(pool: Pool, provider: Provider) -> None:
    late, due = await hold(pool), await hold(pool)
    charges = Charges(provider)
    charges.request([msgspec.structs.replace(late, expires_at=datetime.now(UTC)), due])
    async with charges.running(), asyncio.timeout(20):
        while not provider.charges:  # noqa: ASYNC110 - the provider signals no event
            await asyncio.sleep(0.01)
    assert provider.charges == {due.reference: "processing"}


async def test_payments_stay_open_while_the_provider_is_unavailable(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool)
    provider.unavailable = True
    await let_time_pass(conn, 10)
    assert await reconcile_payments(pool, ASYNC, provider) == 1
    assert await states(conn, held.reference) == ("pending", "pending", 1)
    provider.unavailable = False
    provider.charges[held.reference] = "captured"
    await let_time_pass(conn, 10)
    await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("confirmed", "captured", 1)


# --- Cancelling ------------------------------------------------------------------------------------------


async def test_cancelling_a_confirmed_order_frees_its_tickets_and_refunds_it(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool, "VIP", 2)
    provider.charges[held.reference] = "captured"
    await apply_updates(pool, {held.reference: "captured"})
    first = to_schema(*await cancel_order(pool, held.reference, "u"))
    assert (first.status, first.refund, first.event) == ("cancelled", first.total, "aurora-sessions")
    assert await states(conn, held.reference) == ("cancelled", "refunding", 0)
    await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == ("cancelled", "refunded", 0)
    assert to_schema(*await cancel_order(pool, held.reference, "u")) == first
    assert await tickets_by_status(conn) == {"available": 1300}


async def test_a_payment_for_a_cancelled_order_is_refunded(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    held = await hold(pool)
    await cancel_order(pool, held.reference, "u")
    assert await states(conn, held.reference) == ("cancelled", "pending", 0)
    provider.charges[held.reference] = "captured"
    await apply_updates(pool, {held.reference: "captured"})
    await reconcile_payments(pool, ASYNC, provider)
    assert provider.charges[held.reference] == "refunded"
    assert await states(conn, held.reference) == ("cancelled", "refunded", 0)


async def test_an_inline_payment_is_refunded_by_the_cancellation(pool: Pool, conn: AsyncConnection) -> None:
    (outcome,) = await book(pool, order("GA", 2, reference="inline"), settings=INLINE)
    assert isinstance(outcome, Booked)
    first = to_schema(*await cancel_order(pool, "inline", "u"))
    assert (first.status, first.refund) == ("cancelled", 20)
    assert await states(conn, "inline") == ("cancelled", "refunded", 0)
    assert to_schema(*await cancel_order(pool, "inline", "u")) == first


@pytest.mark.parametrize("mode", ["inline", "async"])
async def test_a_total_of_0_is_confirmed_and_cancelled_without_a_provider(
    pool: Pool, conn: AsyncConnection, provider: Provider, mode: Literal["inline", "async"]
) -> None:
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    settings = Settings(payment_mode=mode, payment_success_rate=0, bookings_per_minute=0)
    free, paid = order("GA", 2), order("VIP")
    booked = response((await book(pool, free, paid, settings=settings))[0])
    assert isinstance(booked, OrderRow)
    assert (booked.status, booked.total_minor, booked.expires_at) == ("confirmed", 0, None)
    assert await states(conn, free.reference) == ("confirmed", "captured", 2)
    provider.unavailable = True
    await reconcile_payments(pool, settings, provider)
    cancelled = to_schema(*await cancel_order(pool, free.reference, "u"))
    assert cancelled.refund == 0
    assert await states(conn, free.reference) == ("cancelled", "refunded", 0)
    assert free.reference not in provider.amounts


async def test_while_the_provider_is_unavailable_only_free_tickets_and_repeats_are_booked(
    pool: Pool, conn: AsyncConnection
) -> None:
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    repeat = order("VIP")
    first = await hold(pool, "VIP", reference=repeat.reference)
    available = True
    batcher = BookingBatcher(pool, ASYNC, on_commit=lambda _: None, can_charge=lambda: available)
    async with batcher.running():
        available = False
        refused = response(await batcher.book(order("VIP")))
        assert isinstance(refused, Busy)
        assert str(refused).startswith("Payments are not possible at the moment.")
        free = response(await batcher.book(order("GA")))
        assert isinstance(free, OrderRow)
        assert free.status == "confirmed"
        assert response(await batcher.book(repeat)) == first
        available = True
        paid = response(await batcher.book(order("VIP")))
        assert isinstance(paid, OrderRow)
        assert paid.status == "pending"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_an_open_payment_of_0_is_settled_without_a_provider(
    pool: Pool, conn: AsyncConnection, provider: Provider, *, cancelled: bool
) -> None:
    held = await hold(pool, "GA")
    for statement in (
        "update bookings set price_minor = 0",
        "update orders set total_minor = 0",
        "update payments set amount_minor = 0, next_check_at = now()",
    ):
        await conn.execute(statement)
    provider.unavailable = True
    if cancelled:
        await cancel_order(pool, held.reference, "u")
    await reconcile_payments(pool, ASYNC, provider)
    if cancelled:
        await conn.execute("update payments set next_check_at = now()")
        await reconcile_payments(pool, ASYNC, provider)
    assert await states(conn, held.reference) == (
        ("cancelled", "refunded", 0) if cancelled else ("confirmed", "captured", 1)
    )
    assert provider.amounts == {}


async def test_only_the_buyer_cancels_and_only_live_orders_of_future_events(pool: Pool, conn: AsyncConnection) -> None:
    held, declined = await hold(pool), await hold(pool)
    await apply_updates(pool, {declined.reference: "declined"})
    with pytest.raises(NotFound):
        await cancel_order(pool, "nobody", "u")
    with pytest.raises(Forbidden):
        await cancel_order(pool, held.reference, "somebody-else")
    with pytest.raises(NotCancellable):
        await cancel_order(pool, declined.reference, "u")
    await conn.execute("update events set doors_at = null, starts_at = now()")
    with pytest.raises(NotCancellable):
        await cancel_order(pool, held.reference, "u")
    assert await states(conn, held.reference) == ("pending", "pending", 1)


async def test_a_payment_concurrent_with_a_cancellation_is_refunded(pool: Pool, conn: AsyncConnection) -> None:
    for _ in range(10):
        held = await hold(pool)
        await asyncio.gather(
            cancel_order(pool, held.reference, "u"),
            apply_updates(pool, {held.reference: "captured"}),
            return_exceptions=True,
        )
        assert await states(conn, held.reference) == ("cancelled", "refunding", 0)


# --- Refusals and repeats --------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["VIP", "GA"])
async def test_tickets_that_others_hold_are_reported_as_held_and_not_sold(
    pool: Pool, database_url: str, conn: AsyncConnection, tier: str
) -> None:
    seed(database_url, event="tiny", inventory=parse_inventory(f"{tier}=3"))
    held = await hold(pool, tier, 2, event="tiny")
    for quantity in (2, 3):
        (outcome,) = await book(pool, order(tier, quantity, event="tiny"))
        all_held = response(outcome)
        assert isinstance(all_held, AllHeld)
        assert all_held.details == {"available": 1}
        assert 0 < (all_held.retry_after_s or 0) <= ASYNC.hold_seconds
    too_many = response((await book(pool, order(tier, 4, event="tiny")))[0])
    assert isinstance(too_many, SoldOut)
    await apply_updates(pool, {held.reference: "captured"})
    sold_out = response((await book(pool, order(tier, 2, event="tiny")))[0])
    assert isinstance(sold_out, SoldOut)
    assert sold_out.details == {"available": 1}


async def test_a_seat_that_is_held_is_taken(pool: Pool) -> None:
    await hold(pool, "VIP", 1, ticket_ids=(5,))
    taken = response((await book(pool, order("VIP", 2, ticket_ids=(5, 6))))[0])
    assert isinstance(taken, SeatTaken)
    assert taken.details == {"ticketIds": [5]}


@pytest.mark.parametrize("outcome", ["captured", "declined", "expired", "captured late", "cancelled"])
async def test_a_repeated_request_gets_the_first_response_whatever_the_status(
    pool: Pool, conn: AsyncConnection, outcome: str
) -> None:
    request = order("VIP", 2)
    (first,) = await book(pool, request)
    assert isinstance(first, Booked)
    if outcome == "cancelled":
        await cancel_order(pool, request.reference, "u")
    elif outcome in {"expired", "captured late"}:
        await conn.execute("update orders set created_at = created_at - interval '1 h', expires_at = now()")
        await expire_holds(pool, ASYNC)
        await conn.execute(
            "update orders set created_at = created_at + interval '1 h', expires_at = %s", [first.order.expires_at]
        )
        if outcome == "captured late":
            await apply_updates(pool, {request.reference: "captured"})
    else:
        await apply_updates(pool, {request.reference: "captured" if outcome == "captured" else "declined"})
    (again,) = await book(pool, request)
    assert isinstance(again, Booked)
    assert again.replayed
    assert as_first_booked(again.order) == first.order
    assert again.bookings == first.bookings


async def test_declined_orders_of_both_modes_are_purged(pool: Pool, conn: AsyncConnection) -> None:

    reference = next(r for n in range(1000) if simulator.decide(r := f"d-{n}", 0.5) == "declined")
    await book(pool, order(reference=reference), settings=Settings(payment_success_rate=0.5, bookings_per_minute=0))
    held = await hold(pool)
    await apply_updates(pool, {held.reference: "declined"})
    await let_time_pass(conn, 31 * 24 * 3600)
    assert await purge_declined(pool, ASYNC) == 2
    for table in ("orders", "payments", "bookings", "order_events"):
        cursor = await conn.execute(f"select count(*) from {table}")  # noqa: S608 - the table names are constants
        assert await cursor.fetchone() == (0,), table
