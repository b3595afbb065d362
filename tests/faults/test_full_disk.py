"""A full disk ends PostgreSQL: no acknowledged booking is lost, and bookings resume as soon as there is space."""

import asyncio
import contextlib
import random
from collections.abc import Iterator

import psycopg
import pytest

from api.database.embedded import EmbeddedServer
from tests.faults.checker import describe
from tests.faults.history import History
from tests.faults.soak import LIMIT, run_chaos
from tests.faults.target import Target, running_target, until
from tests.full_disk import Disk, small_disk


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk() as disk:
        yield disk


async def test_nothing_is_lost_on_a_full_disk(disk: Disk) -> None:
    async def database_disk_full(target: Target, history: History, _: random.Random) -> None:
        running = server.pid
        with history.fault("database disk full"):
            await asyncio.to_thread(disk.fill)
            await asyncio.to_thread(write_until_it_ends, target.database_url)
            await until(lambda: server.pid != running, "PostgreSQL ends, because its recovery needs space, too")
            await asyncio.to_thread(disk.free)

    written: list[str] = []
    with EmbeddedServer(disk.directory / "data") as server:
        async with running_target("inline", {"BOOKINGS_PER_MINUTE": str(LIMIT)}, server) as target:
            history, violations = await run_chaos(target, iter([database_disk_full]), "full disk", written.append)
            assert not violations, f"{describe(violations)}\n{''.join(written)}\n{target.stack.logs()}"
    assert sum(entry.kind == "book" and entry.status == 201 for entry in history.entries) > 0


def write_until_it_ends(url: str) -> None:
    """Start new files of the write-ahead log, until there is no space for one."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as conn:
        while True:
            conn.execute("select pg_logical_emit_message(false, 'test', 'filler')")
            conn.execute("select pg_switch_wal()")
