"""The negative control: an API without durable commits loses bookings, and the checker detects it."""

import asyncio
import os
import random
import signal
from pathlib import Path

import psycopg

from api.commands.seed import parse_inventory, seed
from tests.faults.buyers import Buyers, Shop
from tests.faults.checker import check
from tests.faults.history import History
from tests.faults.old_behaviour import DURABLE_COMMIT, source_without
from tests.faults.target import EmbeddedTarget, accepts_connections, frozen, is_running, running_target, until

EVENT, TIER = "not-durable", "GA"
UNWRITTEN_MIN = 50
"""Bookings that the crash of the server must lose, apart from those in flight."""


async def test_the_checker_finds_bookings_lost_without_durable_commits(tmp_path: Path) -> None:
    environment = {"BOOKINGS_PER_MINUTE": "0", "PAYMENT_SUCCESS_RATE": "1"}
    async with running_target("inline", environment, source=source_without(tmp_path, DURABLE_COMMIT)) as target:
        await asyncio.to_thread(seed, target.database_url, event=EVENT, inventory=parse_inventory(f"{TIER}=10000"))
        wal_writer = await asyncio.to_thread(wal_writer_of, target)
        history = History()
        buyers = Buyers(target.stack.api_port, Shop(EVENT, {TIER: 1}, {}), history, random.Random(1), users=1)
        # Without the WAL writer the commits stay in the server's shared memory, which a crash destroys.
        with frozen(wal_writer):
            async with buyers.buying(4):
                await until_unwritten(target, history)
                with history.fault("WAL writer killed"):
                    os.kill(wal_writer, signal.SIGKILL)  # PostgreSQL then ends all its processes and recovers.
                    await until(lambda: not is_running(wal_writer), "the WAL writer ends")
                    await until(lambda: accepts_connections(target.database_url), "the database recovers")
                await until(lambda: history.faults[0].recovered is not None, "bookings resume")
        violations = await asyncio.to_thread(check, history, target.database_url, EVENT)
    assert "acknowledged_bookings_exist" in {violation.invariant for violation in violations}


def wal_writer_of(target: EmbeddedTarget) -> int:
    """Return the id of the process that writes asynchronous commits to disk."""
    with psycopg.connect(target.database_url) as conn:
        row = conn.execute("select pid from pg_stat_activity where backend_type = 'walwriter'").fetchone()
    assert row
    return int(row[0])


async def until_unwritten(target: EmbeddedTarget, history: History) -> None:
    """Wait until the server has acknowledged `UNWRITTEN_MIN` bookings since it last wrote WAL for any reason."""
    written, acknowledged_before = "", 0

    def unwritten() -> bool:
        nonlocal written, acknowledged_before
        with psycopg.connect(target.database_url) as conn:
            ((now_written,),) = conn.execute("select pg_current_wal_lsn()::text").fetchall()
        if now_written != written:
            written, acknowledged_before = now_written, acknowledged(history)
        return acknowledged(history) - acknowledged_before >= UNWRITTEN_MIN

    await until(unwritten, "bookings are acknowledged without a write of the WAL")


def acknowledged(history: History) -> int:
    return sum(entry.kind == "book" and entry.status == 201 for entry in history.entries)
