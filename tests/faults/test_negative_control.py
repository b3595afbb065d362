"""The negative control: a database without durable commits loses bookings, and the checker detects it."""

import asyncio
import os
import random
import signal

import psycopg

from api.commands.seed import parse_inventory, seed
from tests.faults.buyers import Buyers, Shop
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.target import EmbeddedTarget, accepts_connections, frozen, is_running, running_target, until

EVENT, TIER = "not-durable", "GA"
ACKNOWLEDGED_MIN = 50
WITHOUT_DURABILITY = (
    # Sessions set synchronous_commit, so a trigger sets it again in each transaction that changes orders.
    """
    create function drop_durability() returns trigger language plpgsql as
    $$ begin perform set_config('synchronous_commit', 'off', true); return null; end $$
    """,
    """
    create trigger orders_drop_durability after insert or update on orders
    for each statement execute function drop_durability()
    """,
)


async def test_the_checker_finds_bookings_lost_without_durable_commits() -> None:
    async with running_target("inline", {"BOOKINGS_PER_MINUTE": "0", "PAYMENT_SUCCESS_RATE": "1"}) as target:
        await asyncio.to_thread(seed, target.database_url, event=EVENT, inventory=parse_inventory(f"{TIER}=10000"))
        wal_writer = await asyncio.to_thread(disable_durability, target)
        history = History()
        buyers = Buyers(target.stack.api_port, Shop(EVENT, {TIER: 1}, {}), history, random.Random(1), users=1)
        # Without the WAL writer no process writes the commits, which are lost with the server's shared memory.
        with frozen(wal_writer):
            async with buyers.buying(4):
                await until(lambda: acknowledged(history) >= ACKNOWLEDGED_MIN, "bookings are acknowledged")
                with history.fault("WAL writer killed"):
                    os.kill(wal_writer, signal.SIGKILL)  # PostgreSQL then ends all its processes and recovers.
                    await until(lambda: not is_running(wal_writer), "the WAL writer ends")
                    await until(lambda: accepts_connections(target.database_url), "the database recovers")
                await until(lambda: history.faults[0].recovered is not None, "bookings resume")
        violations = await asyncio.to_thread(check, history, target.database_url, EVENT)
    assert "acknowledged_bookings_exist" in {violation.invariant for violation in violations}


def disable_durability(target: EmbeddedTarget) -> int:
    """Acknowledge bookings before the flush to disk; return the id of the process that flushes them later."""
    with psycopg.connect(target.database_url, autocommit=True) as conn:
        for statement in WITHOUT_DURABILITY:
            conn.execute(statement)
        row = conn.execute("select pid from pg_stat_activity where backend_type = 'walwriter'").fetchone()
    assert row
    return int(row[0])


def acknowledged(history: History) -> int:
    return sum(entry.kind == "book" and entry.status == 201 for entry in history.entries)
