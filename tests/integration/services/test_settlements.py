"""The outcome of every report of the provider for every pair of an order's and a payment's states."""

from collections.abc import Sequence
from typing import get_args

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.order_rows import PaymentStatus, Status
from api.services.orders import expire_holds
from api.services.payments import ChargeUpdate
from api.services.refunds import request_refunds
from api.services.returns import cancel_order
from tests.integration.asynchronous import (
    ASYNC,
    OPEN,
    Provider,
    apply_updates,
    book,
    hold,
    let_time_pass,
    order,
    states,
)

pytestmark = pytest.mark.usefixtures("audited")

Pair = tuple[Status, PaymentStatus]

UPDATES: tuple[ChargeUpdate, ...] = ("processing", "captured", "declined", "refunded", "unknown")

STEPS: dict[Pair, Sequence[str]] = {
    ("pending", "pending"): (),
    ("confirmed", "captured"): ("captured",),
    ("declined", "declined"): ("declined",),
    ("declined", "refunding"): ("declined", "captured"),
    ("declined", "refunded"): ("declined", "captured", "refund"),
    ("expired", "pending"): ("expire",),
    ("expired", "void"): ("expire", "unknown"),
    ("expired", "declined"): ("expire", "declined"),
    ("expired", "refunding"): ("expire", "declined", "captured"),
    ("expired", "refunded"): ("expire", "declined", "captured", "refund"),
    ("cancelled", "pending"): ("cancel",),
    ("cancelled", "void"): ("cancel", "unknown"),
    ("cancelled", "declined"): ("cancel", "declined"),
    ("cancelled", "refunding"): ("captured", "cancel"),
    ("cancelled", "refunded"): ("captured", "cancel", "refund"),
}
"""The steps from a new order to each pair of states: the provider's reports, and the changes of other parties."""

OUTCOMES: dict[tuple[ChargeUpdate, Pair], Pair] = {
    ("captured", ("pending", "pending")): ("confirmed", "captured"),
    ("captured", ("declined", "declined")): ("declined", "refunding"),
    ("captured", ("expired", "pending")): ("confirmed", "captured"),
    ("captured", ("expired", "void")): ("confirmed", "captured"),
    ("captured", ("expired", "declined")): ("expired", "refunding"),
    ("captured", ("cancelled", "pending")): ("cancelled", "refunding"),
    ("captured", ("cancelled", "void")): ("cancelled", "refunding"),
    ("captured", ("cancelled", "declined")): ("cancelled", "refunding"),
    ("declined", ("pending", "pending")): ("declined", "declined"),
    ("declined", ("expired", "pending")): ("expired", "declined"),
    ("declined", ("cancelled", "pending")): ("cancelled", "declined"),
    ("refunded", ("declined", "refunding")): ("declined", "refunded"),
    ("refunded", ("expired", "pending")): ("expired", "void"),
    ("refunded", ("expired", "refunding")): ("expired", "refunded"),
    ("refunded", ("cancelled", "pending")): ("cancelled", "void"),
    ("refunded", ("cancelled", "refunding")): ("cancelled", "refunded"),
    ("unknown", ("expired", "pending")): ("expired", "void"),
    ("unknown", ("cancelled", "pending")): ("cancelled", "void"),
}
"""The outcomes that change something, while the tickets of an expired order are available."""


def is_possible(status: Status, payment: PaymentStatus) -> bool:
    """Return whether the audit admits a pair of states."""
    match status:
        case "confirmed":
            return payment == "captured"
        case "pending":
            return payment == "pending"
        case "declined":
            return payment in {"declined", "refunding", "refunded"}
        case _:
            return payment != "captured"


async def prepare(pool: Pool, conn: AsyncConnection, provider: Provider, steps: Sequence[str]) -> str:
    """Make an order that has taken some steps; return its reference."""
    reference = (await hold(pool)).reference
    for step in steps:
        match step:
            case "expire":
                await let_time_pass(conn, ASYNC.hold_seconds + 1)
                await expire_holds(pool, ASYNC)
            case "cancel":
                await cancel_order(pool, reference, "u", OPEN)
            case "refund":
                provider.charges[reference] = "captured"
                await request_refunds(pool, ASYNC, provider)
            case "captured" | "declined" | "unknown":
                await apply_updates(pool, {reference: step})
            case _:
                raise AssertionError(step)
    return reference


def test_the_table_has_every_possible_pair() -> None:
    pairs = [(status, payment) for status in get_args(Status) for payment in get_args(PaymentStatus)]
    assert set(STEPS) == {pair for pair in pairs if is_possible(*pair)}


@pytest.mark.parametrize("pair", STEPS, ids="-".join)
async def test_every_report_has_its_outcome(pool: Pool, conn: AsyncConnection, provider: Provider, pair: Pair) -> None:
    outcomes = {}
    for update in UPDATES:
        reference = await prepare(pool, conn, provider, STEPS[pair])
        assert (await states(conn, reference))[:2] == pair
        await apply_updates(pool, {reference: update})
        outcomes[update] = (await states(conn, reference))[:2]
    assert outcomes == {update: OUTCOMES.get((update, pair), pair) for update in UPDATES}


async def test_the_refund_of_a_declined_order_names_its_cause(
    pool: Pool, conn: AsyncConnection, provider: Provider
) -> None:
    reference = await prepare(pool, conn, provider, ("declined", "captured"))
    cursor = await conn.execute("select reason, requested_by, amount_minor > 0 from refunds")
    assert await cursor.fetchall() == [("paid after the payment was declined", "late", True)]
    await apply_updates(pool, {reference: "captured"})
    cursor = await conn.execute("select count(*) from refunds")
    assert await cursor.fetchone() == (1,)


async def test_an_order_that_was_declined_at_once_has_nothing_to_refund(pool: Pool, conn: AsyncConnection) -> None:
    """The provider has no charge of it, and the order has no bookings."""
    await book(
        pool, order(reference="declined-at-once"), settings=Settings(payment_success_rate=0, bookings_per_minute=0)
    )
    await apply_updates(pool, {"declined-at-once": "captured"})
    assert await states(conn, "declined-at-once") == ("declined", "declined", 0)
