"""The API announces its shutdown and finishes its requests. A frozen database blocks no request forever."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import httpx
import psycopg

from tests.conftest import StartStack
from tests.stack import PLAIN_HTTP, Stack

TIMEOUT_S = 10.0
SLOW_INSERT = """
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.7); return null; end $$;
    create trigger slow before insert on orders for each statement execute function slow();
"""
BODY = {"tier": "GA", "quantity": 1, "userId": "u"}


async def test_a_stopping_api_is_not_ready_and_finishes_its_requests(start_stack: StartStack) -> None:
    stack = await start_stack(api_workers=2, env={"PAYMENT_SUCCESS_RATE": "1", "SHUTDOWN_DELAY_MS": "1500"})
    with psycopg.connect(stack.database_url) as conn:
        conn.execute(SLOW_INSERT)
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=TIMEOUT_S, verify=PLAIN_HTTP) as client:
        booking = asyncio.create_task(client.post("/api/bookings", json=BODY | {"bookingReference": "last"}))
        await asyncio.sleep(0.1)
        stack.api_process.send_signal(signal.SIGTERM)
        ready = await client.get("/health/ready")
        while ready.status_code == 200:  # The signal may not have arrived yet.
            ready = await client.get("/health/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "shutting down")
        assert (await client.get("/health/live")).status_code == 200
        assert (await booking).status_code == 201
    with psycopg.connect(stack.database_url) as conn:
        assert conn.execute("select status from orders where reference = 'last'").fetchall() == [("confirmed",)]


def _delete_runtime_state(stack: Stack) -> None:
    data = Path(stack.environment["DATA_DIR"])
    assert data.stat().st_mode & 0o777 == 0o700
    assert (data / "run" / f"api-127.0.0.1-{stack.api_port}" / "metrics").is_dir()
    shutil.rmtree(data)


async def test_signals_and_metrics_work_without_the_runtime_state(start_stack: StartStack) -> None:
    stack = await start_stack(env={"SHUTDOWN_DELAY_MS": "1500"})
    _delete_runtime_state(stack)
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=TIMEOUT_S, verify=PLAIN_HTTP) as client:
        assert (await client.get("/metrics")).status_code == 200
        stack.api_process.send_signal(signal.SIGTERM)
        ready = await client.get("/health/ready")
        while ready.status_code == 200:  # The signal may not have arrived yet.
            ready = await client.get("/health/ready")
        assert ready.json()["reason"] == "shutting down"
    assert await asyncio.to_thread(stack.api_process.wait, TIMEOUT_S) == 0


async def test_requests_get_503_while_the_database_is_frozen_and_succeed_afterwards(start_stack: StartStack) -> None:
    stack = await start_stack(env={"PAYMENT_SUCCESS_RATE": "1"})
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=TIMEOUT_S, verify=PLAIN_HTTP) as client:
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
            responses = await asyncio.gather(
                client.post("/api/bookings", json=BODY | {"bookingReference": "frozen"}),
                client.post("/api/bookings", json=BODY | {"bookingReference": "behind"}),
                client.get("/api/bookings", params={"userId": "u"}),
            )
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        assert [response.status_code for response in responses] == [503, 503, 503]
        assert [response.json()["code"] for response in responses] == ["busy"] * 3
        for reference in ("frozen", "behind"):
            response = await client.post("/api/bookings", json=BODY | {"bookingReference": reference})
            assert response.status_code == 201
    with psycopg.connect(stack.database_url) as conn:
        assert conn.execute("select count(*) from orders").fetchone() == (3,)
