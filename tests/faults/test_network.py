"""Network faults between the API and the database, and between the payment provider and the API."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from api.commands.audit import audit
from tests.acceptance.system import assert_problem
from tests.faults.client import ORDERS, book_until, client_of, rows
from tests.faults.pauses import AT_COMMIT, paused
from tests.faults.target import EmbeddedTarget, running_target, until
from tests.waiting import order_with_status

BODY: dict[str, Any] = {"tier": "VIP", "quantity": 2, "userId": "user-123"}
DELAY_S = 0.05


async def test_network_faults_bound_the_waiting_and_sell_nothing_twice() -> None:
    environment = {
        "API_WORKERS": "1",
        "PAYMENT_SUCCESS_RATE": "1",
        "STATEMENT_TIMEOUT_MS": "10000",  # The paused commit must outlast a slow machine.
        "DB_ROUND_TRIP_MAX_MS": "10000",
    }
    async with running_target("inline", environment) as target, client_of(target.stack) as client:
        await _lose_the_result_of_a_commit(target, client)
        target.database_network.freeze()
        bodies = [BODY | {"bookingReference": f"held-back-{number}"} for number in range(4)]
        responses = await asyncio.gather(*(client.post("/api/bookings", json=body) for body in bodies))
        for response in responses:
            assert_problem(response, 503, "busy")
        assert_problem(await client.get("/api/bookings/in-doubt"), 503, "busy")
        target.database_network.mend()
        target.database_network.delay_s = DELAY_S
        for body in bodies:
            await book_until(client, body)
        target.database_network.mend()
        orders = {(reference, status) for reference, status, _ in rows(target.stack, ORDERS)}
        assert orders == {("in-doubt", "confirmed"), *((body["bookingReference"], "confirmed") for body in bodies)}
        assert audit(target.database_url) == []


async def _lose_the_result_of_a_commit(target: EmbeddedTarget, client: httpx.AsyncClient) -> None:
    """Lose the result of a booking's commit, and find the booking by its reference."""
    body = BODY | {"bookingReference": "in-doubt"}
    with paused(target.database_url, AT_COMMIT) as pause:
        booking = asyncio.create_task(client.post("/api/bookings", json=body))
        await pause.reached("commit")
        target.database_network.lose_responses()
        pause.resume()
        await until(lambda: bool(rows(target.stack, ORDERS)), "the order is committed")
        await until(lambda: target.database_network.responses_lost > 0, "the result is lost")
        target.database_network.mend()
        await booking  # The API found the order, or reported that the outcome is unknown.
    first, again = await book_until(client, body), await book_until(client, body)
    assert (first.headers["Idempotent-Replayed"], first.content) == ("true", again.content)
    assert len(rows(target.stack, ORDERS)) == 1


@pytest.fixture
async def reliable_provider() -> AsyncIterator[tuple[EmbeddedTarget, httpx.AsyncClient]]:
    environment = {"PAYMENT_SUCCESS_RATE": "1", "PSP_LOSS_RATE": "0", "PSP_DUPLICATE_RATE": "0", "HOLD_SECONDS": "60"}
    async with running_target("async", environment) as target, client_of(target.stack) as client:
        yield target, client


async def test_an_order_settles_once_if_webhooks_are_cut_or_held_back(
    reliable_provider: tuple[EmbeddedTarget, httpx.AsyncClient],
) -> None:
    target, client = reliable_provider
    target.webhook_network.lose_responses()
    await book_until(client, BODY | {"bookingReference": "sent-twice"}, 202)
    await order_with_status(client, "sent-twice", "confirmed")
    await until(lambda: target.webhook_network.responses_lost > 2, "the provider sends a webhook again")
    target.webhook_network.mend()
    target.webhook_network.freeze()
    await book_until(client, BODY | {"bookingReference": "never-delivered"}, 202)
    await order_with_status(client, "never-delivered", "confirmed")  # The worker polled the provider.
    target.webhook_network.mend()
    await target.until_idle()
    with psycopg.connect(target.database_url) as conn:
        events = conn.execute("select count(*) from order_events where status = 'confirmed'").fetchone()
    assert events == (2,)
    assert sorted(charge.status for charge in target.charges() or []) == ["captured", "captured"]
    assert audit(target.database_url) == []
