"""The command that cancels an event, and its confirmation."""

import asyncio
import os
import subprocess
import sys

import pytest
from psycopg import AsyncConnection

from api.commands.cancel_event import cancel
from api.config import Settings
from api.database.pool import Pool
from api.errors import SetupError
from api.services.refunds import request_refunds
from tests.integration.asynchronous import Provider, hold
from tests.integration.services.cancelled_events import EVENT, FAST, run_worker
from tests.integration.services.paid_orders import paid

CONFIRMED = ("--confirm", EVENT, "--orders", "2", "--reason", "The singer is ill.")


async def run(database_url: str, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    """Run the command; return its exit code and its outputs."""
    command = [sys.executable, "-m", "api", "cancel-event", *arguments]
    environment = {**os.environ, "DATABASE_URL": database_url}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, input=typed, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


async def is_cancelled(conn: AsyncConnection) -> bool:
    cursor = await conn.execute("select cancelled_at is not null from events where slug = %s", [EVENT])
    return await cursor.fetchall() == [(True,)]


async def test_an_event_is_cancelled_after_its_confirmation(
    pool: Pool, conn: AsyncConnection, provider: Provider, database_url: str
) -> None:
    booked, _ = await paid(pool, provider, 2)
    await hold(pool)
    code, shown, _ = await run(database_url, EVENT)
    assert code == 1
    assert shown.splitlines()[:5] == [
        f"The cancellation of {EVENT} (Aurora Sessions) ends these orders:",
        "currency  kind     orders  tickets  amount",
        "USD       paid     1       2        200.00 USD",
        "USD       pending  1       1        0.00 USD",
        "orders: 2",
    ]
    assert not await is_cancelled(conn)
    code, shown, _ = await run(database_url, EVENT, *CONFIRMED)
    assert (code, shown.splitlines()[-1]) == (
        0,
        "The sale has ended. Orders that the worker cancels: 2. Repeat the command to see the progress.",
    )
    assert await is_cancelled(conn)
    code, _, error = await run(database_url, EVENT, *CONFIRMED)
    assert (code, error) == (1, f"The event {EVENT} is already cancelled.\n")
    provider.refund_status = "failed"
    await run_worker(pool, conn, provider)
    cursor = await conn.execute("select key from refunds")
    ((key,),) = await cursor.fetchall()
    code, shown, _ = await run(database_url, EVENT)
    lines = shown.splitlines()
    assert code == 0
    assert lines[0].endswith(": The singer is ill.")
    assert lines[2:9] == [
        "currency  state          orders  amount",
        "USD       waiting        0       0.00 USD",
        "USD       requested      0       0.00 USD",
        "USD       succeeded      0       0.00 USD",
        "USD       failed         1       200.00 USD",
        "USD       without_money  1       0.00 USD",
        "USD       all            2       200.00 USD",
    ]
    assert lines[9] == f"retry-refund {key}: 200.00 USD of {booked.reference} failed: unknown"
    await request_refunds(pool, FAST, provider)


async def test_an_event_is_cancelled_by_typing(conn: AsyncConnection, database_url: str) -> None:
    code, shown, _ = await run(database_url, EVENT, typed=f"{EVENT}\n0\nIll\n")
    assert code == 0
    assert shown.endswith("Orders that the worker cancels: 0. Repeat the command to see the progress.\n")
    assert await is_cancelled(conn)


async def typed(database_url: str, *answers: str | None, event: str = EVENT) -> int:
    """Run the command in this process with the answers of a terminal."""
    remaining = list(answers)
    return await cancel(database_url, Settings(), event, None, lambda _: None, lambda _: remaining.pop(0))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (("aurora", "1", "ill"), f"The slug is {EVENT}, not 'aurora'. Nothing was changed."),
        ((EVENT, "2", "ill"), "The event has 1 orders, not '2'. Nothing was changed."),
        ((EVENT, "many", "ill"), "The event has 1 orders, not 'many'. Nothing was changed."),
        ((EVENT, "1", " "), "at most 128 characters. Nothing was changed."),
        ((EVENT, "1", "x" * 129), "at most 128 characters. Nothing was changed."),
    ],
)
async def test_a_wrong_confirmation_changes_nothing(
    pool: Pool, conn: AsyncConnection, database_url: str, answers: tuple[str, ...], message: str
) -> None:
    await hold(pool)
    with pytest.raises(SetupError) as refusal:
        await typed(database_url, *answers)
    assert message in str(refusal.value)
    assert not await is_cancelled(conn)


async def test_without_a_terminal_or_an_event_nothing_changes(conn: AsyncConnection, database_url: str) -> None:
    assert await typed(database_url, None) == 1
    assert await typed(database_url, EVENT, "0", None) == 1
    with pytest.raises(SetupError, match=r"There is no event nothing\. Nothing was changed\."):
        await typed(database_url, event="nothing")
    code, _, error = await run(database_url, EVENT, "--confirm", EVENT)
    assert (code, error) == (1, "A confirmation needs --confirm, --orders and --reason.\n")
    assert not await is_cancelled(conn)
