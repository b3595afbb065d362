"""Every refund reaches the buyer once, whatever fails, and the refunds of a payment never exceed its amount."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection, IsolationLevel

from api.commands.audit import audit
from api.config import Settings
from api.database import pool as pools
from api.database.pool import Pool
from api.database.session import Session, open_session
from api.logs import order_label
from api.payments.provider import ProviderError, RefundRequest, RefundResult
from api.services import refunds
from api.services.orders import expire_holds, lock
from api.services.refunds import RefundExceedsPayment, refund_of, request, request_refunds, retry_refund
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import ASYNC, OPEN, Provider, apply_updates, hold, let_time_pass, states
from tests.integration.services.paid_orders import VIP_MINOR, paid, refund_states

CONCURRENT = 12


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    # Concurrent refunds wait for each other's locks, and a busy machine must not end the wait.
    monkeypatch.setattr(pools, "LOCK_TIMEOUT_MS", 60_000)
    return Settings(db_pool_max=CONCURRENT, statement_timeout_ms=60_000)


class ForgetfulProvider(Provider):
    """A provider that ignores the keys of refunds: each request moves money."""

    async def refund(self, request: RefundRequest) -> RefundResult:
        self.amounts.clear()  # It does not compare the sum with the charge, either.
        self.charges[request.reference] = "captured"
        return await super().refund(RefundRequest(key=str(uuid4()), reference=request.reference, amount=request.amount))


class KeylessProvider(Provider):
    """A provider that has forgotten all keys, and finds its refunds by their requests as Stripe does."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[RefundRequest] = []
        self.loses_responses = False

    async def refund(self, request: RefundRequest) -> RefundResult:
        self.made.append(request)
        if self.loses_responses:
            raise ProviderError("lost")
        return RefundResult("succeeded", f"re_{len(self.made)}")

    async def find_refund(self, request: RefundRequest) -> RefundResult | None:
        return RefundResult("succeeded", "re_1") if request in self.made else None


@asynccontextmanager
async def changing(pool: Pool) -> AsyncIterator[Session]:
    """Run a transaction that changes orders."""
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        yield session


async def refund_30_percent(pool: Pool, reference: str) -> None:
    """Request a refund of 30 percent of a payment, from a row that was read before."""
    async with open_session(pool) as session:
        (order,) = await session.run(lock([reference]))
    async with changing(pool) as session:
        new = refund_of(order, order.total_minor * 3 // 10, requested_by="buyer", reason="partly")
        await request(session, [new])


async def test_a_refund_is_not_repeated_after_the_provider_has_forgotten_its_key(
    pool: Pool, conn: AsyncConnection
) -> None:
    """The worker was away for more than a day after a request whose response was lost."""
    provider = KeylessProvider()
    booked, bookings = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", bookings[:1], OPEN)
    provider.loses_responses = True
    assert await request_refunds(pool, ASYNC, provider) == 1
    await let_time_pass(conn, 25 * 3600)
    provider.loses_responses = False
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert len(provider.made) == 1
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]


async def test_a_refund_that_was_never_requested_is_requested_after_a_day(pool: Pool, conn: AsyncConnection) -> None:
    provider = KeylessProvider()
    booked, bookings = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", bookings[:1], OPEN)
    await let_time_pass(conn, 25 * 3600)
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert len(provider.made) == 1


@pytest.mark.parametrize(("is_checked", "refunded_percent"), [(True, 90), (False, 360)])
async def test_concurrent_refunds_never_exceed_the_payment(
    pool: Pool, conn: AsyncConnection, provider: Provider, *, is_checked: bool, refunded_percent: int
) -> None:
    """Without the constraint, the negative control, twelve refunds return more than was paid."""
    booked, _ = await paid(pool, provider, 2)
    if not is_checked:
        await conn.execute("alter table payments drop constraint payments_refunded_check")
    results = await asyncio.gather(
        *(refund_30_percent(pool, booked.reference) for _ in range(CONCURRENT)), return_exceptions=True
    )
    accepted = results.count(None)
    assert {type(result) for result in results if result} <= {RefundExceedsPayment}
    assert accepted * 30 == refunded_percent
    cursor = await conn.execute("select refunded_minor from payments")
    assert await cursor.fetchall() == [(booked.total_minor * refunded_percent // 100,)]
    amounts = [amount for amount, _, _ in await refund_states(conn, booked.reference)]
    assert amounts == [booked.total_minor * 3 // 10] * accepted


async def test_a_refund_too_many_changes_nothing(
    pool: Pool, conn: AsyncConnection, provider: Provider, database_url: str
) -> None:
    booked, ids = await paid(pool, provider, 2)
    async with changing(pool) as session:
        (order,) = await session.run(lock([booked.reference]))
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    with pytest.raises(RefundExceedsPayment):
        async with changing(pool) as session:
            await request(session, [refund_of(order, order.total_minor, requested_by="buyer", reason="all")])
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "requested", "buyer")]
    assert audit(database_url) == []


async def test_a_key_makes_one_refund(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    booked, _ = await paid(pool, provider, 2)
    async with changing(pool) as session:
        (order,) = await session.run(lock([booked.reference]))
        new = refund_of(order, 1, requested_by="buyer", reason="first")
        await request(session, [new])
    with pytest.raises(psycopg.errors.UniqueViolation, match="refunds_key_key"):
        async with changing(pool) as session:
            await request(session, [new])
    assert await refund_states(conn, booked.reference) == [(1, "requested", "buyer")]


@pytest.mark.parametrize(
    ("provider", "refunded"), [(Provider(), VIP_MINOR), (ForgetfulProvider(), 2 * VIP_MINOR)], ids=["keys", "no keys"]
)
async def test_a_crash_between_the_provider_and_the_commit_refunds_once(
    pool: Pool, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch, provider: Provider, refunded: int
) -> None:
    """Without keys, the negative control, the buyer gets the money twice."""
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)

    async def crash(*_: object) -> int:
        raise psycopg.OperationalError("the worker was killed")

    with monkeypatch.context() as crashing:
        crashing.setattr(refunds, "_settle", crash)
        with pytest.raises(psycopg.OperationalError):
            await request_refunds(pool, ASYNC, provider)
    assert await states(conn, booked.reference) == ("cancelled", "refunding", 0)
    assert await request_refunds(pool, ASYNC, provider) == 0  # The lease of the crashed worker.
    await let_time_pass(conn, 60)
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)
    assert provider.refunded(booked.reference) == refunded


@pytest.mark.usefixtures("audited")
async def test_concurrent_workers_send_each_refund_once(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    booked = [await paid(pool, provider, 1) for _ in range(5)]
    for order, _ in booked:
        await cancel_order(pool, order.reference, "u", OPEN)
    assert sum(await asyncio.gather(*(request_refunds(pool, ASYNC, provider) for _ in range(4)))) == len(booked)
    assert {await states(conn, order.reference) for order, _ in booked} == {("cancelled", "refunded", 0)}
    assert len(provider.refunds) == len(booked)


@pytest.mark.parametrize(
    ("kind", "refunded"), [(Provider, VIP_MINOR), (ForgetfulProvider, 2 * VIP_MINOR)], ids=["keys", "no keys"]
)
async def test_a_request_that_outlives_its_lease_refunds_once(
    pool: Pool, conn: AsyncConnection, monkeypatch: pytest.MonkeyPatch, kind: type[Provider], refunded: int
) -> None:
    """Two workers send the same request at once. Without keys, the negative control, the buyer gets the money twice."""
    provider = kind()
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    sent: list[str] = []
    first_sent, both_sent = asyncio.Event(), asyncio.Event()
    refund = provider.refund

    async def slow(request: RefundRequest) -> RefundResult:
        sent.append(request.key)
        first_sent.set()
        if len(sent) == 2:
            both_sent.set()
        await both_sent.wait()
        return await refund(request)

    monkeypatch.setattr(provider, "refund", slow)
    first = asyncio.create_task(request_refunds(pool, ASYNC, provider))
    await first_sent.wait()
    await let_time_pass(conn, 60)
    assert [await request_refunds(pool, ASYNC, provider), await first] == [1, 1]
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]
    assert provider.refunded(booked.reference) == refunded


@pytest.mark.usefixtures("audited")
async def test_a_refund_stays_open_while_the_provider_is_unavailable(
    pool: Pool, conn: AsyncConnection, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    booked, ids = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    provider.unavailable = True
    assert await request_refunds(pool, ASYNC, provider) == 1
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "requested", "buyer")]
    assert order_label(booked.reference) in caplog.text
    assert booked.reference not in caplog.text
    provider.unavailable = False
    await let_time_pass(conn, 60)
    await request_refunds(pool, ASYNC, provider)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("outcome", ["succeeded", "failed", "lost"])
async def test_a_pending_refund_is_checked_until_it_is_decided(
    pool: Pool, conn: AsyncConnection, provider: Provider, outcome: str
) -> None:
    booked, _ = await paid(pool, provider, 1)
    await cancel_order(pool, booked.reference, "u", OPEN)
    provider.refund_status = "pending"
    for _ in range(2):
        await request_refunds(pool, ASYNC, provider)
        assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "pending", "buyer")]
        await let_time_pass(conn, 60)
    ((key, (sent, result)),) = provider.refunds.items()
    if outcome == "lost":  # A request with the same key is the same refund.
        provider.refunds.clear()
        provider.charges[booked.reference] = "captured"
        provider.refund_status = "succeeded"
    elif outcome == "failed":
        provider.refunds[key] = (sent, RefundResult("failed", result.provider_id, "the account is closed"))
        provider.charges[booked.reference] = "captured"
    else:
        provider.refunds[key] = (sent, RefundResult("succeeded", result.provider_id))
    await request_refunds(pool, ASYNC, provider)
    assert list(provider.refunds) == [key]
    status, payment = ("failed", "refunding") if outcome == "failed" else ("succeeded", "refunded")
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, status, "buyer")]
    assert await states(conn, booked.reference) == ("cancelled", payment, 0)


@pytest.mark.usefixtures("audited")
async def test_a_failed_refund_is_retried_as_another_request(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    booked, ids = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    provider.refund_status = "failed"
    await request_refunds(pool, ASYNC, provider)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "failed", "buyer")]
    await let_time_pass(conn, 3600)
    assert await request_refunds(pool, ASYNC, provider) == 0
    cursor = await conn.execute("select key from refunds")
    ((key,),) = await cursor.fetchall()
    provider.refund_status = "succeeded"
    assert not await retry_refund(pool, UUID(int=1))
    assert await retry_refund(pool, key)
    assert not await retry_refund(pool, key)
    await request_refunds(pool, ASYNC, provider)
    assert await refund_states(conn, booked.reference) == [(VIP_MINOR, "succeeded", "buyer")]
    assert list(provider.refunds) == [f"{key}_1", f"{key}_2"]
    cursor = await conn.execute("select previous, status from order_events where subject = 'refund' order by id")
    assert await cursor.fetchall() == [
        (None, "requested"),
        ("requested", "failed"),
        ("failed", "requested"),
        ("requested", "succeeded"),
    ]


@pytest.mark.usefixtures("audited")
async def test_a_failed_refund_keeps_its_amount_reserved(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    booked, ids = await paid(pool, provider, 2)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    provider.refund_status = "failed"
    await request_refunds(pool, ASYNC, provider)
    provider.refund_status = "succeeded"
    await cancel_order(pool, booked.reference, "u", OPEN)
    await request_refunds(pool, ASYNC, provider)
    assert await refund_states(conn, booked.reference) == [
        (VIP_MINOR, "failed", "buyer"),
        (VIP_MINOR, "succeeded", "buyer"),
    ]
    assert await states(conn, booked.reference) == ("cancelled", "refunding", 0)


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("reported", [False, True])
async def test_a_charge_that_the_provider_has_refunded_itself_is_refunded_once(
    pool: Pool, conn: AsyncConnection, provider: Provider, *, reported: bool
) -> None:
    booked, _ = await paid(pool, provider, 1)
    await provider.refund(
        RefundRequest(key="own", reference=booked.reference, amount=provider.amounts[booked.reference])
    )
    await cancel_order(pool, booked.reference, "u", OPEN)
    if reported:
        await apply_updates(pool, {booked.reference: "refunded"})
    else:
        await request_refunds(pool, ASYNC, provider)
    assert await states(conn, booked.reference) == ("cancelled", "refunded", 0)
    assert await request_refunds(pool, ASYNC, provider) == 0
    assert provider.refunded(booked.reference) == VIP_MINOR


@pytest.mark.usefixtures("audited")
async def test_each_cause_of_a_refund_is_recorded(pool: Pool, conn: AsyncConnection, provider: Provider) -> None:
    late = await hold(pool, "VIP", 1, ticket_ids=(1,))
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await hold(pool, "VIP", 1, ticket_ids=(1,))
    cancelled, ended = await hold(pool, "VIP", 1), await hold(pool, "VIP", 1)
    await cancel_order(pool, cancelled.reference, "u", OPEN)
    await apply_updates(pool, {late.reference: "captured", cancelled.reference: "captured"})
    await conn.execute("update events set cancelled_at = now()")
    await apply_updates(pool, {ended.reference: "captured"})
    for order, cause in ((late, "late"), (cancelled, "buyer"), (ended, "event")):
        assert await refund_states(conn, order.reference) == [(VIP_MINOR, "requested", cause)]


@pytest.mark.usefixtures("audited")
async def test_other_refunds_are_settled_if_one_cannot_be(
    pool: Pool, conn: AsyncConnection, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    bad, _ = await paid(pool, provider, 1)
    good, _ = await paid(pool, provider, 1)
    for order in (bad, good):
        await cancel_order(pool, order.reference, "u", OPEN)
    rule = f"order_id <> {bad.id} or status = 'refunding'"
    await conn.execute(f"alter table payments add constraint bad check ({rule}) not valid".encode())
    await request_refunds(pool, ASYNC, provider)
    assert await states(conn, good.reference) == ("cancelled", "refunded", 0)
    assert await states(conn, bad.reference) == ("cancelled", "refunding", 0)
    assert "cannot be processed, and the others continue" in caplog.text
    await conn.execute("alter table payments drop constraint bad")
    await let_time_pass(conn, 60)
    await request_refunds(pool, ASYNC, provider)
    assert await states(conn, bad.reference) == ("cancelled", "refunded", 0)
    assert provider.refunded(bad.reference) == VIP_MINOR


@pytest.mark.usefixtures("audited")
async def test_a_provider_that_raises_keeps_no_other_refund(
    pool: Pool, conn: AsyncConnection, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, _ = await paid(pool, provider, 1)
    good, _ = await paid(pool, provider, 1)
    for order in (bad, good):
        await cancel_order(pool, order.reference, "u", OPEN)
    accepted = provider.refund

    async def refund(request: RefundRequest) -> RefundResult:
        if request.reference == bad.reference:
            raise failures.pop()
        return await accepted(request)

    failures = [ProviderError("lost"), RuntimeError("unexpected")]
    monkeypatch.setattr(provider, "refund", refund)
    while failures:
        await request_refunds(pool, ASYNC, provider)
        await let_time_pass(conn, 60)
    assert await states(conn, good.reference) == ("cancelled", "refunded", 0)
    assert await states(conn, bad.reference) == ("cancelled", "refunding", 0)
