"""The negative control: a database that forgets what it has committed, and a storm that must find it out."""

import asyncio
import random

import psycopg
from psycopg import sql

from api.commands.seed import parse_inventory, seed
from tests.faults.buyers import Buyers, Shop
from tests.faults.checker import check
from tests.faults.faults import database_crashed
from tests.faults.history import History
from tests.faults.target import Target, running_target, until
from tests.stack import TEMPLATE

EVENT, TIER = "forgotten", "GA"
ACKNOWLEDGED_MIN = 50
FORGETFUL = (
    sql.SQL("alter database {} set synchronous_commit = off").format(sql.Identifier(TEMPLATE)),
    # Or else what was committed would be flushed behind the commits, five times a second.
    sql.SQL("alter system set wal_writer_delay = '10s'"),
    sql.SQL("alter system set wal_writer_flush_after = '1GB'"),
    sql.SQL("select pg_reload_conf()"),
)


async def test_without_a_flush_at_each_commit_a_crash_loses_bookings_and_the_checker_finds_them() -> None:
    async with running_target("inline", {"BOOKINGS_PER_MINUTE": "0", "PAYMENT_SUCCESS_RATE": "1"}) as target:
        await asyncio.to_thread(seed, target.database_url, event=EVENT, inventory=parse_inventory(f"{TIER}=10000"))
        await asyncio.to_thread(make_forgetful, target)
        history, chance = History(), random.Random(1)
        buyers = Buyers(target.stack.api_port, Shop(EVENT, {TIER: 1}, {}), history, chance, users=1)
        async with buyers.buying(4):
            await until(lambda: acknowledged(history) >= ACKNOWLEDGED_MIN, "bookings are acknowledged")
            await database_crashed(target, history, chance)
            await until(lambda: history.faults[0].recovered is not None, "bookings go through again")
        violations = await asyncio.to_thread(check, history, target.database_url, EVENT)
    assert "acknowledged_bookings_are_there" in {violation.invariant for violation in violations}


def make_forgetful(target: Target) -> None:
    """Let commits be answered before they are flushed, in all sessions from now on."""
    with psycopg.connect(target.database_url, autocommit=True) as conn:
        for statement in FORGETFUL:
            conn.execute(statement)
    target.database_network.cut()


def acknowledged(history: History) -> int:
    return sum(entry.kind == "book" and entry.status == 201 for entry in history.entries)
