"""A process is not ready while a commit waits too long for the standby."""

import asyncio

from api.database.pool import Pool
from api.errors import Busy
from api.services.bookings.model import Booked
from api.services.health import find_obstacle, read_system
from tests.faults.replication import replicated_pair
from tests.faults.test_failover import SETTINGS, api_process, book, book_until_booked
from tests.stack import READY_TIMEOUT_S
from tests.waiting import read_until


async def obstacle(pool: Pool) -> str | None:
    return await find_obstacle(pool, SETTINGS)


async def test_a_process_is_not_ready_while_commits_wait_for_the_standby() -> None:
    async with replicated_pair() as pair, api_process(pair) as (pool, batcher):
        assert isinstance(await book_until_booked(batcher, "durable"), Booked)
        assert await obstacle(pool) is None
        pair.link.freeze()
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not pair.primary.count_waiting():
                assert isinstance(await book(batcher, "doubtful"), Busy)
        await read_until(lambda: obstacle(pool), lambda reason: reason == "commits wait for the standby")
        assert any("waited for the standby" in problem for problem in (await read_system(pool, SETTINGS)).problems)
        pair.link.mend()
        await read_until(lambda: obstacle(pool), lambda reason: reason is None)
        assert isinstance(await book_until_booked(batcher, "doubtful"), Booked)
