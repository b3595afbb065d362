"""The negative control: a database without durable commits loses bookings, and the checker detects it."""

import asyncio
import random

import psycopg

from api.commands.seed import parse_inventory, seed
from tests.faults.buyers import Buyers, Shop
from tests.faults.checker import check
from tests.faults.faults import database_crashed
from tests.faults.history import History
from tests.faults.target import Target, running_target, until

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
    # The WAL writer would otherwise flush commits five times a second.
    "alter system set wal_writer_delay = '10s'",
    "alter system set wal_writer_flush_after = '1GB'",
    "select pg_reload_conf()",
)


async def test_the_checker_finds_bookings_lost_without_durable_commits() -> None:
    async with running_target("inline", {"BOOKINGS_PER_MINUTE": "0", "PAYMENT_SUCCESS_RATE": "1"}) as target:
        await asyncio.to_thread(seed, target.database_url, event=EVENT, inventory=parse_inventory(f"{TIER}=10000"))
        await asyncio.to_thread(disable_durability, target)
        history, rng = History(), random.Random(1)
        buyers = Buyers(target.stack.api_port, Shop(EVENT, {TIER: 1}, {}), history, rng, users=1)
        async with buyers.buying(4):
            await until(lambda: acknowledged(history) >= ACKNOWLEDGED_MIN, "bookings are acknowledged")
            await database_crashed(target, history, rng)
            await until(lambda: history.faults[0].recovered is not None, "bookings resume")
        violations = await asyncio.to_thread(check, history, target.database_url, EVENT)
    assert "acknowledged_bookings_exist" in {violation.invariant for violation in violations}


def disable_durability(target: Target) -> None:
    """Acknowledge bookings before the flush to disk."""
    with psycopg.connect(target.database_url, autocommit=True) as conn:
        for statement in WITHOUT_DURABILITY:
            conn.execute(statement)


def acknowledged(history: History) -> int:
    return sum(entry.kind == "book" and entry.status == 201 for entry in history.entries)
