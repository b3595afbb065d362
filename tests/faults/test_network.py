"""A network that cuts, delays and swallows: between API and database, and between the payment provider and the API."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest

from api.commands.audit import audit
from tests.acceptance.system import assert_problem
from tests.faults.target import Target, running_target, until
from tests.faults.test_processes import AT_COMMIT, ORDERS, client_of, held, insist, rows
from tests.stack import POLL_S, READY_TIMEOUT_S

BODY: dict[str, Any] = {"tier": "VIP", "quantity": 2, "userId": "user-123"}
DELAY_S = 0.05


async def test_a_network_that_loses_swallows_or_delays_keeps_nobody_waiting_and_sells_nothing_twice() -> None:
    environment = {"API_WORKERS": "1", "PAYMENT_SUCCESS_RATE": "1"}
    async with running_target("inline", environment) as target, client_of(target.stack) as client:
        await _lose_the_answer_of_a_commit(target, client)
        target.database_network.freeze()
        bodies = [BODY | {"bookingReference": f"swallowed-{number}"} for number in range(4)]
        answers = await asyncio.gather(*(client.post("/api/bookings", json=body) for body in bodies))
        for answer in answers:
            assert_problem(answer, 503, "busy")
        assert_problem(await client.get("/api/bookings/in-doubt"), 503, "busy")
        target.database_network.mend()
        target.database_network.delay_s = DELAY_S
        for body in bodies:
            await insist(client, body)
        target.database_network.mend()
        orders = {(reference, status) for reference, status, _ in rows(target.stack, ORDERS)}
        assert orders == {("in-doubt", "confirmed"), *((body["bookingReference"], "confirmed") for body in bodies)}
        assert audit(target.database_url) == []


async def _lose_the_answer_of_a_commit(target: Target, client: httpx.AsyncClient) -> None:
    """Book, with a commit that goes through although its answer is lost: the key tells."""
    body = BODY | {"bookingReference": "in-doubt"}
    with held(target.database_url, AT_COMMIT) as transactions:
        booking = asyncio.create_task(client.post("/api/bookings", json=body))
        await transactions.reached("commit")
        target.database_network.lose_answers()
        transactions.go()
        await until(lambda: bool(rows(target.stack, ORDERS)), "the order is committed")
        await until(lambda: target.database_network.answers_lost > 0, "the answer is lost")
        target.database_network.mend()
        await booking  # It found itself again, or was answered that it is not known yet.
    first, again = await insist(client, body), await insist(client, body)
    assert (first.headers["Idempotent-Replayed"], first.content) == ("true", again.content)
    assert len(rows(target.stack, ORDERS)) == 1


@pytest.fixture
async def paying() -> AsyncIterator[tuple[Target, httpx.AsyncClient]]:
    environment = {"PAYMENT_SUCCESS_RATE": "1", "PSP_LOSS_RATE": "0", "PSP_DUPLICATE_RATE": "0", "HOLD_SECONDS": "60"}
    async with running_target("async", environment) as target, client_of(target.stack) as client:
        yield target, client


async def test_webhooks_that_are_cut_or_swallowed_settle_an_order_once(
    paying: tuple[Target, httpx.AsyncClient],
) -> None:
    target, client = paying
    target.webhook_network.lose_answers()
    await insist(client, BODY | {"bookingReference": "told-twice"}, 202)
    await _confirmed(target, client, "told-twice")
    await until(lambda: target.webhook_network.answers_lost > 2, "a webhook comes again")
    target.webhook_network.mend()
    target.webhook_network.freeze()
    await insist(client, BODY | {"bookingReference": "never-told"}, 202)
    await _confirmed(target, client, "never-told")  # The worker has asked.
    target.webhook_network.mend()
    await target.come_to_rest()
    with psycopg.connect(target.database_url) as conn:
        events = conn.execute("select count(*) from order_events where status = 'confirmed'").fetchone()
    assert events == (2,)
    assert sorted(charge.status for charge in target.ledger() or []) == ["captured", "captured"]
    assert audit(target.database_url) == []


async def _confirmed(target: Target, client: httpx.AsyncClient, reference: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while (order := (await client.get(f"/api/bookings/{reference}")).json())["status"] != "confirmed":
        assert time.monotonic() < deadline, order
        await asyncio.sleep(POLL_S)
