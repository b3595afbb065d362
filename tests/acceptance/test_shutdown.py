"""Stopping: the API says so first, finishes what it has begun, and a frozen database holds nobody."""

import asyncio
import os
import signal

import httpx
import psycopg

from tests.conftest import StartStack

TIMEOUT_S = 10.0
REST = """
    create function rest() returns trigger language plpgsql as $$ begin perform pg_sleep(0.7); return null; end $$;
    create trigger rest before insert on orders for each statement execute function rest();
"""
BODY = {"tier": "GA", "quantity": 1, "userId": "u"}


async def test_from_the_signal_on_the_api_is_not_ready_but_finishes_its_requests(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env={"PAYMENT_SUCCESS_RATE": "1", "SHUTDOWN_DELAY_MS": "400"})
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(REST)
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=TIMEOUT_S) as client:
        booking = asyncio.create_task(client.post("/api/bookings", json=BODY | {"bookingReference": "last"}))
        await asyncio.sleep(0.1)
        stack.api_process.send_signal(signal.SIGTERM)
        ready = await client.get("/health/ready")
        while ready.status_code == 200:  # the signal is on its way
            ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "shutting down")
        assert (await client.get("/health/live")).status_code == 200
        assert (await booking).status_code == 201
    with psycopg.connect(stack.database_url) as conn:
        assert conn.execute("select status from orders where reference = 'last'").fetchall() == [("confirmed",)]


async def test_a_frozen_database_keeps_nobody_waiting_and_is_used_again_when_it_moves(
    start_stack: StartStack,
) -> None:
    stack = await start_stack(env={"PAYMENT_SUCCESS_RATE": "1"})
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=TIMEOUT_S) as client:
        assert (await client.post("/api/bookings", json=BODY)).status_code == 201
        with psycopg.connect(stack.database_url, autocommit=True) as conn:
            frozen = [
                pid
                for (pid,) in conn.execute(
                    "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                ).fetchall()
            ]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            given = await asyncio.gather(
                client.post("/api/bookings", json=BODY | {"bookingReference": "frozen"}),
                client.post("/api/bookings", json=BODY | {"bookingReference": "behind"}),
                client.get("/api/bookings", params={"userId": "u"}),
            )
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        assert [answer.status_code for answer in given] == [503, 503, 503]
        assert [answer.json()["code"] for answer in given] == ["busy"] * 3
        for reference in ("frozen", "behind"):
            answer = await client.post("/api/bookings", json=BODY | {"bookingReference": reference})
            assert answer.status_code == 201
    with psycopg.connect(stack.database_url) as conn:
        assert conn.execute("select count(*) from orders").fetchone() == (3,)
