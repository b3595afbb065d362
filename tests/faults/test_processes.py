"""Processes are killed at the very moments that matter: nothing is lost, nothing is done twice, nobody has to help."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api.commands.audit import audit
from tests.conftest import StartStack
from tests.faults.target import children_of, frozen, until
from tests.stack import POLL_S, READY_TIMEOUT_S, ROOT, Stack

PATIENT = {"STATEMENT_TIMEOUT_MS": "60000", "BOOKING_WAIT_MS": "60000", "PAYMENT_SUCCESS_RATE": "1"}
"""The system waits as long as a test holds its transactions."""
ASYNC = PATIENT | {
    "PAYMENT_MODE": "async",
    "PSP_DELAY_MS": "50",
    "PAYMENT_CHECK_AFTER_MS": "500",
    "PSP_LOSS_RATE": "1",  # Only the worker learns what became of a payment.
}
BODY: dict[str, Any] = {"tier": "VIP", "quantity": 2, "userId": "user-123", "bookingReference": "asked-twice"}

PAUSE = """
    create function pause() returns trigger language plpgsql as $$
    begin
        while not pg_try_advisory_xact_lock_shared(4711) loop perform pg_sleep(0.01); end loop;
        return null;
    end $$;
"""
AT_INSERT = "create trigger pause after insert on orders for each row execute function pause()"
AT_COMMIT = (
    "create constraint trigger pause after insert on orders deferrable initially deferred"
    " for each row execute function pause()"
)
PAUSED = "select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep' and query ~ %s"


class Held:
    """Transactions of the system stand still at a trigger, until `go`."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._going = False

    async def reached(self, query: str = "") -> None:
        """Wait until a transaction stands there, in a statement that matches."""
        await until(lambda: self._conn.execute(PAUSED, [query]).fetchone() is not None, "a transaction is held")

    def go(self) -> None:
        if not self._going:
            self._conn.execute("select pg_advisory_unlock(4711)")
        self._going = True

    async def gone(self) -> None:
        """Wait until nobody stands there any more."""
        await until(lambda: self._conn.execute(PAUSED, [""]).fetchone() is None, "nothing is held")


@contextlib.contextmanager
def held(database_url: str, trigger: str) -> Iterator[Held]:
    """Let transactions stand still where this trigger says."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(4711)")
        conn.execute(PAUSE.encode())
        conn.execute(trigger.encode())
        state = Held(conn)
        try:
            yield state
        finally:
            state.go()
            conn.execute("drop function pause cascade")


def serving(stack: Stack) -> list[int]:
    return children_of(stack.api_process.pid)


@contextlib.asynccontextmanager
async def client_of(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=stack.api_url, timeout=READY_TIMEOUT_S, limits=limits, trust_env=False
    ) as client:
        yield client


async def insist(client: httpx.AsyncClient, body: dict[str, Any], status: int = 201) -> httpx.Response:
    """Repeat a request until it is answered with this status, as clients do."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        told: object = None
        with contextlib.suppress(httpx.TransportError):
            answer = await client.post("/api/bookings", json=body)
            if answer.status_code == status:
                return answer
            told = answer.text
        assert time.monotonic() < deadline, told
        await asyncio.sleep(POLL_S)


def rows(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.database_url) as conn:
        return conn.execute(query.encode()).fetchall()


ORDERS = "select reference, orders.status, payments.status from orders join payments on payments.order_id = orders.id"
LIVE = "select count(*)::int from bookings where released_at is null"


@pytest.mark.parametrize(("mode", "status", "state"), [("inline", 201, "confirmed"), ("async", 202, "pending")])
async def test_killed_before_its_commit_or_its_answer_a_booking_is_made_once(
    start_stack: StartStack, mode: str, status: int, state: str
) -> None:
    stack = await start_stack(env=PATIENT | {"PAYMENT_MODE": mode})
    early, late = BODY | {"bookingReference": "between-claim-and-commit"}, BODY | {"bookingReference": "before-answer"}
    async with client_of(stack) as client:
        with held(stack.database_url, AT_INSERT) as transactions:
            booking = asyncio.create_task(client.post("/api/bookings", json=early))
            await transactions.reached("insert")
            (process,) = serving(stack)
            os.kill(process, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                await booking
            transactions.go()
            await transactions.gone()
            assert rows(stack, ORDERS) == []
        answer = await insist(client, early, status)
        assert "Idempotent-Replayed" not in answer.headers

        with held(stack.database_url, AT_COMMIT) as transactions:
            booking = asyncio.create_task(client.post("/api/bookings", json=late))
            await transactions.reached("commit")
            (process,) = serving(stack)
            with frozen(process):  # So that it cannot answer what is committed now.
                transactions.go()
                await until(lambda: len(rows(stack, ORDERS)) == 2, "the order is committed")
                os.kill(process, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                await booking
        answers = [await insist(client, late, status) for _ in range(2)]
        assert [answer.headers["Idempotent-Replayed"] for answer in answers] == ["true", "true"]
        assert answers[0].content == answers[1].content
    orders = [(reference, status) for reference, status, _ in rows(stack, ORDERS)]
    assert sorted(orders) == [("before-answer", state), ("between-claim-and-commit", state)]
    assert rows(stack, LIVE) == [(4,)]
    assert audit(stack.database_url) == []


@pytest.mark.parametrize("processes", [1, 2])
async def test_processes_that_are_killed_again_and_again_are_started_again_and_again(
    start_stack: StartStack, processes: int
) -> None:
    stack = await start_stack(api_workers=processes, env={"PAYMENT_SUCCESS_RATE": "1"})
    dead: set[int] = set()

    def all_run() -> bool:
        return len(set(serving(stack)) - dead) == processes

    for _ in range(3):  # The next time before they serve.
        await until(all_run, "all processes run")
        killed = set(serving(stack)) - dead
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        dead |= killed
    await until(all_run, "all processes run")
    async with client_of(stack) as client:
        await insist(client, BODY)
    assert stack.api_process.poll() is None


async def test_an_api_whose_processes_die_again_and_again_ends_with_an_error(
    start_stack: StartStack, tmp_path: Path
) -> None:
    for package in ("api", "sql"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "api" / "app.py").open("a") as app:
        app.write("\n\ndef create_app() -> None:\n    raise SystemExit(1)\n")
    with pytest.raises(AssertionError, match="the process ended with 1"):
        await start_stack(source=tmp_path)


async def test_the_api_can_be_stopped_while_a_process_of_it_starts(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2)
    before = set(serving(stack))
    os.kill(min(before), signal.SIGKILL)
    await until(lambda: bool(set(serving(stack)) - before), "another takes its place")
    await stack.stop_api()
    assert "refused to gracefully stop" not in stack.logs()


@contextlib.asynccontextmanager
async def worker_killed_at(stack: Stack, trigger: str) -> AsyncIterator[None]:
    """Kill the worker when it stands at a trigger; when its transaction is gone, start another."""
    with held(stack.database_url, trigger) as transactions:
        await stack.start_worker()
        await transactions.reached("update")
        await stack.stop_worker(kill=True)
        transactions.go()
        await transactions.gone()
        yield
    await stack.start_worker()


async def test_a_worker_killed_while_it_locks_expired_orders_leaves_them_to_the_next(start_stack: StartStack) -> None:
    stack = await start_stack(env=ASYNC | {"HOLD_SECONDS": "1", "PROVIDER_BREAKER_FAILURES": "1000"})
    async with client_of(stack) as client:
        await insist(client, BODY, 202)  # There is no provider: it will not be paid.
        at_expiry = "create trigger pause after update on orders for each row execute function pause()"
        async with worker_killed_at(stack, at_expiry):
            assert rows(stack, ORDERS) == [("asked-twice", "pending", "pending")]
            assert rows(stack, LIVE) == [(2,)]
        await until(lambda: rows(stack, LIVE) == [(0,)], "the tickets are free again")
    assert [order[:2] for order in rows(stack, ORDERS)] == [("asked-twice", "expired")]
    assert audit(stack.database_url) == []


AT_PAYMENT = (
    "create trigger pause after update on payments for each row when (old.status <> new.status)"
    " execute function pause()"
)


async def test_a_worker_killed_between_the_providers_answer_and_noting_it_charges_and_refunds_once(
    start_stack: StartStack,
) -> None:
    stack = await start_stack(env=ASYNC)
    await stack.start_psp()
    async with client_of(stack) as client:
        await insist(client, BODY, 202)
        async with worker_killed_at(stack, AT_PAYMENT):
            assert rows(stack, ORDERS) == [("asked-twice", "pending", "pending")]
        await until(lambda: rows(stack, ORDERS) == [("asked-twice", "confirmed", "captured")], "it is settled")
        assert await charges(stack, client) == [("asked-twice", 20_000, "captured")]
        assert rows(stack, LIVE) == [(2,)]

        await stack.stop_worker()
        cancelled = await client.post("/api/bookings/asked-twice/cancel", json={"userId": "user-123"})
        assert cancelled.status_code == 200
        async with worker_killed_at(stack, AT_PAYMENT):
            assert rows(stack, ORDERS) == [("asked-twice", "cancelled", "refunding")]
            assert await charges(stack, client) == [("asked-twice", 20_000, "refunded")]
        await until(lambda: rows(stack, ORDERS) == [("asked-twice", "cancelled", "refunded")], "it is noted")
        assert await charges(stack, client) == [("asked-twice", 20_000, "refunded")]
    assert audit(stack.database_url) == []


async def charges(stack: Stack, client: httpx.AsyncClient) -> list[tuple[str, int, str]]:
    ledger = (await client.get(f"{stack.psp_url}/charges")).json()
    return [(charge["reference"], charge["amount"], charge["status"]) for charge in ledger]
