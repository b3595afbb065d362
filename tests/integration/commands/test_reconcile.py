"""The comparison of the provider with the database finds each kind of difference, in both directions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from psycopg import AsyncConnection

from api.commands.reconcile import remaining, report
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement
from api.payments.provider import Amount, ProviderPayment, ProviderRefund
from api.services.payments import reconcile_payments
from api.services.reconciliation import PAGE_ROWS, compare
from api.services.refunds import request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, OPEN, Provider, apply_updates, hold

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Listed:
    """A provider's lists, which the test changes."""

    def __init__(self) -> None:
        self.payments: list[ProviderPayment] = []
        self.refunds: list[ProviderRefund] = []

    async def payments_since(self, _: datetime) -> AsyncIterator[ProviderPayment]:
        for payment in self.payments:
            yield payment

    async def refunds_since(self, _: datetime) -> AsyncIterator[ProviderRefund]:
        for refund in self.refunds:
            yield refund


class Books:
    """A confirmed order, a refunded one, and a provider that agrees."""

    def __init__(self, pool: Pool, conn: AsyncConnection) -> None:
        self.pool, self.conn = pool, conn
        self.listed = Listed()
        self.paid = self.refunded = self.key = ""
        self.amount = Amount(0, "USD")

    async def open(self) -> None:
        """Make the orders."""
        paid, refunded, provider = await hold(self.pool, "VIP"), await hold(self.pool, "VIP"), Provider()
        self.paid, self.refunded, self.amount = paid.reference, refunded.reference, Amount(paid.total_minor, "USD")
        await apply_updates(self.pool, {self.paid: "captured", self.refunded: "captured"})
        provider.charges |= {self.paid: "captured", self.refunded: "captured"}
        provider.amounts |= {self.paid: self.amount, self.refunded: self.amount}
        await cancel_order(self.pool, self.refunded, "u", OPEN)
        assert await request_refunds(self.pool, ASYNC, provider) == 1
        ((self.key, (_, result)),) = provider.refunds.items()
        self.listed.payments = [ProviderPayment(f"pi_{each}", each, self.amount) for each in (self.paid, self.refunded)]
        refund_id = result.provider_id or ""
        self.listed.refunds = [ProviderRefund(refund_id, self.key, self.refunded, self.amount, "succeeded")]

    async def facts(
        self, since: datetime = LONG_AGO, *, hosted: bool = False, page_rows: int = PAGE_ROWS
    ) -> dict[str, str]:
        """Return the differences by their subjects."""
        found = await compare(self.pool, self.listed, since, hosted=hosted, page_rows=page_rows)
        return {difference.subject: difference.fact for difference in found}


@pytest.fixture
async def books(pool: Pool, conn: AsyncConnection) -> Books:
    made = Books(pool, conn)
    await made.open()
    return made


async def test_equal_books_have_no_difference(books: Books) -> None:
    assert await books.facts() == {}
    assert report([]) == "The provider and the database agree."


async def test_a_payment_that_only_the_provider_has_is_found(books: Books) -> None:
    books.listed.payments.append(ProviderPayment("pi_1", None, books.amount))
    books.listed.payments.append(ProviderPayment("pi_2", "unknown", books.amount))
    assert await books.facts() == {
        "pi_1": f"the provider captured {books.amount} without an order",
        "unknown": f"the provider captured {books.amount} without an order",
    }


async def test_a_payment_that_only_the_database_has_is_found(books: Books) -> None:
    del books.listed.payments[0]
    assert await books.facts() == {books.paid: "the payment is captured here, but the provider has not captured it"}


async def test_a_payment_is_compared_with_the_same_provider_only(books: Books) -> None:
    """An order without a page belongs to another provider than the one with hosted pages."""
    books.listed.payments, books.listed.refunds = [], []
    assert await books.facts(hosted=True) == {}
    await books.conn.execute(
        "insert into checkouts (payment_id, provider_id, url) select id, 'cs_' || id, 'u' from payments"
    )
    assert len(await books.facts(hosted=True)) == 2
    assert await books.facts() == {}


async def test_a_double_charge_is_found(books: Books) -> None:
    books.listed.payments.append(ProviderPayment("pi_1", books.paid, books.amount))
    assert await books.facts() == {books.paid: "the provider captured 2 payments"}


async def test_another_amount_is_found(books: Books) -> None:
    books.listed.payments[0] = ProviderPayment("pi_1", books.paid, Amount(1, "USD"))
    assert await books.facts() == {books.paid: f"the provider captured 1 USD, not {books.amount}"}


async def test_a_captured_payment_of_an_unpaid_order_is_found(books: Books) -> None:
    held = await hold(books.pool, "VIP")
    books.listed.payments.append(ProviderPayment("pi_1", held.reference, books.amount))
    assert await books.facts() == {held.reference: "the provider captured the payment, which is pending here"}


async def test_a_refund_that_only_the_provider_has_is_found(books: Books) -> None:
    books.listed.refunds.append(ProviderRefund("re_1", None, None, books.amount, "succeeded"))
    books.listed.refunds.append(ProviderRefund("re_2", f"{uuid4()}_1", None, books.amount, "failed"))
    assert await books.facts() == {"re_1": f"the provider refunded {books.amount} without a request"}


async def test_a_refund_that_only_the_database_has_is_found(books: Books) -> None:
    books.listed.refunds = []
    assert await books.facts() == {books.refunded: f"refund {books.key} is succeeded here, but unknown to the provider"}


async def test_another_state_or_amount_of_a_refund_is_found(books: Books) -> None:
    books.listed.refunds = [ProviderRefund("re_1", books.key, books.refunded, books.amount, "failed")]
    assert await books.facts() == {books.refunded: f"refund {books.key} is failed at the provider and succeeded here"}
    books.listed.refunds = [ProviderRefund("re_1", books.key, books.refunded, Amount(1, "USD"), "succeeded")]
    assert await books.facts() == {
        books.refunded: f"refund {books.key} is 1 USD at the provider and {books.amount} here"
    }


async def test_earlier_payments_are_left_out_unless_the_provider_lists_them(books: Books) -> None:
    future = datetime(2100, 1, 1, tzinfo=UTC)
    assert await books.facts(future) == {}
    books.listed.payments, books.listed.refunds = [], []
    assert await books.facts(future) == {}
    books.listed.payments = [ProviderPayment("pi_1", books.paid, Amount(1, "USD"))]
    assert list(await books.facts(future)) == [books.paid]


@pytest.mark.parametrize("page_rows", [1, 2, 3, 7, 8, 9])
async def test_pages_of_every_size_find_the_same(books: Books, page_rows: int) -> None:
    """Eight payments, of which the provider lacks some, and payments that the database lacks between them."""
    held = [(await hold(books.pool)).reference for _ in range(6)]
    await apply_updates(books.pool, dict.fromkeys(held, "captured"))
    refund = books.listed.refunds[0]
    foreign = [ProviderPayment(f"pi_x{n}", f"x{n}", books.amount) for n in range(5)]
    books.listed.payments = [*foreign[:2], books.listed.payments[1], *foreign[2:]]
    books.listed.refunds = [ProviderRefund(f"re_{n}", None, None, books.amount, "succeeded") for n in range(4)]
    facts = await books.facts(page_rows=page_rows)
    missing = "the payment is captured here, but the provider has not captured it"
    assert {subject for subject, fact in facts.items() if fact == missing} == {books.paid, *held}
    assert set(facts) - {books.paid, *held} == {f"x{n}" for n in range(5)} | {f"re_{n}" for n in range(4)} | {
        books.refunded
    }
    books.listed.refunds = [refund]
    assert books.refunded not in await books.facts(page_rows=page_rows)


async def test_all_pages_are_true_at_one_moment(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """A payment that is captured after the provider was asked is no difference."""
    run, pages = Session.run, []

    async def pay_during_the_comparison(self: Session, statement: Statement[Any]) -> list[Any]:
        rows: list[Any] = await run(self, statement)
        if statement.query is queries.reconciliation.find_last_payment:
            pages.append(rows)
            if len(pages) == 1:
                held = await hold(books.pool)
                await apply_updates(books.pool, {held.reference: "captured"})
        return rows

    monkeypatch.setattr(Session, "run", pay_during_the_comparison)
    assert await books.facts(page_rows=1) == {}
    assert [row for ((row,),) in pages].count(None) == 1
    assert len(pages) == 3
    assert len(await books.facts(page_rows=1)) == 1


async def test_a_lost_webhook_of_an_old_payment_is_no_difference(books: Books) -> None:
    """The worker would check the payment in an hour only. The command makes it due, and then the books agree."""
    late, provider = await hold(books.pool, "VIP"), Provider()
    provider.charges[late.reference], provider.amounts[late.reference] = "captured", books.amount
    books.listed.payments.append(ProviderPayment("pi_late", late.reference, books.amount))
    await books.conn.execute("update payments set next_check_at = now() + interval '1 hour' where status = 'pending'")
    settings = msgspec.structs.replace(ASYNC, payment_check_after_ms=1500)

    async def work() -> None:
        while not await reconcile_payments(books.pool, settings, provider):  # noqa: ASYNC110 - as the worker does
            await asyncio.sleep(0.02)

    worker = asyncio.create_task(work())
    assert await remaining(books.pool, books.listed, settings, LONG_AGO, hosted=False) == []
    await worker


async def test_a_difference_that_no_check_can_settle_remains(books: Books) -> None:
    books.listed.payments.pop(0)
    settings = msgspec.structs.replace(ASYNC, payment_check_after_ms=100)
    (difference,) = await remaining(books.pool, books.listed, settings, LONG_AGO, hosted=False)
    assert difference.subject == books.paid


async def test_the_report_names_each_difference(books: Books) -> None:
    books.listed.payments.append(ProviderPayment("pi_1", None, books.amount))
    found = await compare(books.pool, books.listed, LONG_AGO, hosted=False)
    assert report(found).splitlines() == [
        "1 difference(s) between the provider and the database.",
        f"  pi_1: the provider captured {books.amount} without an order",
    ]
