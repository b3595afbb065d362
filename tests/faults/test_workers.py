"""Each of two workers takes over the work of the other one while that is frozen, even in a transaction."""

from typing import Any

from api.commands.audit import audit
from tests.conftest import StartStack
from tests.faults.client import LIVE_BOOKINGS, book_until, client_of, rows
from tests.faults.pauses import AT_EXPIRY, paused
from tests.faults.target import frozen, until
from tests.stack import Stack

# Without a provider no order is paid, so every hold ends.
ENVIRONMENT = {
    "PAYMENT_MODE": "async",
    "HOLD_SECONDS": "1",
    "PROVIDER_BREAKER_FAILURES": "1000",
    "STATEMENT_TIMEOUT_MS": "60000",
}
STATES = "select status, count(*)::int from orders group by 1"


def booking(reference: str) -> dict[str, Any]:
    return {"tier": "VIP", "quantity": 2, "userId": "user-123", "bookingReference": reference}


async def until_expired(stack: Stack, orders: int) -> None:
    await until(lambda: rows(stack, STATES) == [("expired", orders)], "all holds have ended")
    assert rows(stack, LIVE_BOOKINGS) == [(0,)]


async def test_each_worker_takes_over_from_a_frozen_one(start_stack: StartStack) -> None:
    stack = await start_stack(env=ENVIRONMENT)
    first = await stack.start_worker()
    async with client_of(stack) as client:
        await book_until(client, booking("in-a-transaction"), 202)
        with paused(stack.database_url, AT_EXPIRY) as pause:
            await pause.reached("update")
            with frozen(first):
                second = await stack.start_worker("second worker")
                pause.resume()  # The transaction stays open, and locks the order, until the server ends it.
                await until_expired(stack, 1)
        for number, worker in enumerate((first, second)):
            with frozen(worker):
                await book_until(client, booking(f"between-transactions-{number}"), 202)
                await until_expired(stack, 2 + number)
    assert audit(stack.database_url) == []
