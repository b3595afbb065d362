"""After kills of processes at critical moments nothing is lost or done twice, and the system recovers by itself."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.commands.audit import audit
from tests.conftest import StartStack
from tests.faults.client import LIVE_BOOKINGS, ORDERS, book_until, client_of, rows
from tests.faults.pauses import AT_COMMIT, AT_EXPIRY, AT_PAYMENT, blocked_start, paused
from tests.faults.target import children_of, frozen, until
from tests.stack import ROOT, Stack

LONG_TIMEOUTS = {"STATEMENT_TIMEOUT_MS": "60000", "BOOKING_WAIT_MS": "60000", "PAYMENT_SUCCESS_RATE": "1"}
"""Timeouts longer than a test pauses a transaction."""
ASYNC = LONG_TIMEOUTS | {
    "PAYMENT_MODE": "async",
    "PSP_DELAY_MS": "50",
    "PAYMENT_CHECK_AFTER_MS": "500",
    "PSP_LOSS_RATE": "1",  # No webhook arrives, so only the worker finds a payment's outcome.
}
BODY: dict[str, Any] = {"tier": "VIP", "quantity": 2, "userId": "user-123", "bookingReference": "repeated"}

OUTCOMES = [("inline", 201, "confirmed"), ("async", 202, "pending")]
"""The payment modes with the status of a booking's response and the order's state."""


def serving_processes(stack: Stack) -> list[int]:
    return children_of(stack.api_process.pid)


@pytest.mark.parametrize(("mode", "status", "state"), OUTCOMES)
async def test_a_booking_killed_before_its_commit_is_made_once(
    start_stack: StartStack, mode: str, status: int, state: str
) -> None:
    # The API repeats a blocked transaction until the kill. A direct sale has no moment before its commit.
    path = {"BOOKING_PATH": "careful", "BOOKING_ATTEMPTS_MAX": "100"}
    stack = await start_stack(env=LONG_TIMEOUTS | path | {"PAYMENT_MODE": mode})
    async with client_of(stack) as client:
        with blocked_start(stack.database_url) as start:
            booking = asyncio.create_task(client.post("/api/bookings", json=BODY))
            await start.reached()
            (process,) = serving_processes(stack)
            os.kill(process, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                await booking
            start.resume()
            await start.left()
            assert rows(stack, ORDERS) == []
        response = await book_until(client, BODY, status)
        assert "Idempotent-Replayed" not in response.headers
    assert [order[:2] for order in rows(stack, ORDERS)] == [("repeated", state)]
    assert rows(stack, LIVE_BOOKINGS) == [(2,)]
    assert audit(stack.database_url) == []


@pytest.mark.parametrize(
    ("path", "mode", "status", "state"), [*(("direct", *outcome) for outcome in OUTCOMES), ("careful", *OUTCOMES[0])]
)
async def test_a_booking_killed_before_its_response_is_made_once(
    start_stack: StartStack, path: str, mode: str, status: int, state: str
) -> None:
    stack = await start_stack(env=LONG_TIMEOUTS | {"PAYMENT_MODE": mode, "BOOKING_PATH": path})
    async with client_of(stack) as client:
        first = await book_until(client, BODY | {"bookingReference": "first"}, status)  # The process reads the tier.
        assert "Idempotent-Replayed" not in first.headers
        with paused(stack.database_url, AT_COMMIT) as pause:
            booking = asyncio.create_task(client.post("/api/bookings", json=BODY))
            await pause.reached("commit")
            (process,) = serving_processes(stack)
            with frozen(process):  # The process cannot respond after the commit.
                pause.resume()
                await until(lambda: len(rows(stack, ORDERS)) == 2, "the order is committed")
                os.kill(process, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                await booking
        responses = [await book_until(client, BODY, status) for _ in range(2)]
        assert [response.headers["Idempotent-Replayed"] for response in responses] == ["true", "true"]
        assert responses[0].content == responses[1].content
    orders = [(reference, status) for reference, status, _ in rows(stack, ORDERS)]
    assert sorted(orders) == [("first", state), ("repeated", state)]
    assert rows(stack, LIVE_BOOKINGS) == [(4,)]
    assert audit(stack.database_url) == []


@pytest.mark.parametrize("processes", [1, 2])
async def test_repeatedly_killed_processes_are_restarted(start_stack: StartStack, processes: int) -> None:
    stack = await start_stack(api_workers=processes, env={"PAYMENT_SUCCESS_RATE": "1"})
    dead: set[int] = set()

    def all_run() -> bool:
        return len(set(serving_processes(stack)) - dead) == processes

    for _ in range(3):  # From the second round on the processes die before they serve.
        await until(all_run, "all processes run")
        killed = set(serving_processes(stack)) - dead
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        dead |= killed
    await until(all_run, "all processes run")
    async with client_of(stack) as client:
        await book_until(client, BODY)
    assert stack.api_process.poll() is None


async def test_an_api_whose_processes_keep_failing_exits_with_an_error(start_stack: StartStack, tmp_path: Path) -> None:
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "api" / "app.py").open("a") as app:
        app.write("\n\ndef create_app() -> None:\n    raise SystemExit(1)\n")
    with pytest.raises(AssertionError, match="the process ended with 1"):
        await start_stack(source=tmp_path)


async def test_the_api_can_be_stopped_while_one_of_its_processes_starts(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2)
    before = set(serving_processes(stack))
    os.kill(min(before), signal.SIGKILL)
    await until(lambda: bool(set(serving_processes(stack)) - before), "another process starts")
    await stack.stop_api()
    assert "has not finished its work" not in stack.logs()


@contextlib.asynccontextmanager
async def worker_killed_at(stack: Stack, trigger: str) -> AsyncIterator[None]:
    """Kill the worker at a trigger, wait until its transaction ends, and start another worker after the context."""
    with paused(stack.database_url, trigger) as pause:
        await stack.start_worker()
        await pause.reached("update")
        await stack.stop_worker(kill=True)
        pause.resume()
        await pause.left()
        yield
    await stack.start_worker()


async def test_orders_of_a_worker_killed_during_expiry_expire_later(start_stack: StartStack) -> None:
    stack = await start_stack(env=ASYNC | {"HOLD_SECONDS": "1", "PROVIDER_BREAKER_FAILURES": "1000"})
    async with client_of(stack) as client:
        await book_until(client, BODY, 202)  # Without a provider no order is paid.
        async with worker_killed_at(stack, AT_EXPIRY):
            assert rows(stack, ORDERS) == [("repeated", "pending", "pending")]
            assert rows(stack, LIVE_BOOKINGS) == [(2,)]
        await until(lambda: rows(stack, LIVE_BOOKINGS) == [(0,)], "the tickets are available again")
    assert [order[:2] for order in rows(stack, ORDERS)] == [("repeated", "expired")]
    assert audit(stack.database_url) == []


async def test_a_worker_killed_before_it_records_a_charge_charges_and_refunds_once(start_stack: StartStack) -> None:
    stack = await start_stack(env=ASYNC)
    await stack.start_payment_simulator()
    async with client_of(stack) as client:
        await book_until(client, BODY, 202)
        async with worker_killed_at(stack, AT_PAYMENT):
            assert rows(stack, ORDERS) == [("repeated", "pending", "pending")]
        await until(lambda: rows(stack, ORDERS) == [("repeated", "confirmed", "captured")], "the order is settled")
        assert await charges(stack, client) == [("repeated", 20_000, "captured")]
        assert rows(stack, LIVE_BOOKINGS) == [(2,)]

        await stack.stop_worker()
        cancelled = await client.post("/api/bookings/repeated/cancel", json={"userId": "user-123"})
        assert cancelled.status_code == 200
        async with worker_killed_at(stack, AT_PAYMENT):
            assert rows(stack, ORDERS) == [("repeated", "cancelled", "refunding")]
            assert await charges(stack, client) == [("repeated", 20_000, "refunded")]
        await until(lambda: rows(stack, ORDERS) == [("repeated", "cancelled", "refunded")], "the refund is recorded")
        assert await charges(stack, client) == [("repeated", 20_000, "refunded")]
        (charge,) = (await client.get(f"{stack.simulator_url}/charges")).json()
        assert charge["refunded"] == 20_000
    assert audit(stack.database_url) == []


async def charges(stack: Stack, client: httpx.AsyncClient) -> list[tuple[str, int, str]]:
    response = await client.get(f"{stack.simulator_url}/charges")
    return [(charge["reference"], charge["amount"], charge["status"]) for charge in response.json()]
