"""Two processes that sell a standing tier to its last ticket rarely conflict under SERIALIZABLE.

The transactions of the test are slow, so that they always overlap. `CONFLICT_TICKETS=100000` sells a larger tier as
fast as possible. `--log-cli-level=info` shows the number of transactions that conflicted.
"""

import asyncio
import itertools
import logging
import os

from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.errors import SoldOut
from api.services.bookings.batcher import BookingBatcher
from api.services.order_rows import OrderRow
from tests.integration.database.faulty_session import Faults
from tests.integration.services.bookings.test_batcher import SLOW, count, order, responses, running_batcher

_log = logging.getLogger(__name__)

TICKETS = int(os.environ.get("CONFLICT_TICKETS", "2000"))
CLIENTS = 8
"""Clients of each process."""
CONFLICTS_MAX = 0.08
"""Share of the transactions. Conflicts occur while few tickets are left. Without a random start it is above 0.13."""


async def test_two_processes_sell_a_tier_to_the_last_ticket_with_few_conflicts(
    database_url: str, conn: AsyncConnection, faults: Faults
) -> None:
    seed(database_url, event="large", inventory=parse_inventory(f"Floor={TICKETS}"))
    if TICKETS < 10_000:
        await conn.execute(SLOW % "0.01")
    numbers = itertools.count()

    async def buy(batcher: BookingBatcher) -> None:
        while True:
            (response,) = await responses(batcher, order(f"r-{next(numbers)}", event="large", tier="Floor"))
            if isinstance(response, SoldOut):
                return
            assert isinstance(response, OrderRow)

    async with running_batcher(database_url) as one, running_batcher(database_url) as other:
        await asyncio.gather(*(buy(batcher) for batcher in (one, other) for _ in range(CLIENTS)))
    transactions, conflicts = faults.sent.count("begin"), faults.sent.count("rollback")
    _log.info("%d of %d transactions conflicted", conflicts, transactions)
    assert await count(conn, "tickets where status = 'sold'") == TICKETS
    assert transactions > 2 * TICKETS / (2 * CLIENTS)
    assert conflicts < CONFLICTS_MAX * transactions
