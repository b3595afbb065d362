"""Statistics of empty tables lead to no slow plan, although each session keeps its first plans."""

import secrets
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.database.pool import Pool, open_pool
from api.database.session import Statement, open_session
from api.services.bookings.model import Booked
from tests.integration import asynchronous
from tests.integration.database.test_session import query
from tests.integration.services.bookings.book_batch import Ordered, any_tickets, call, find_tier
from tests.stack import application_url, cloned_database

BATCHES, ORDERS = 12, 40
SETTINGS = Settings(payment_success_rate=1, db_pool_max=1)
FLUSH = Statement(query("select pg_stat_force_next_flush()"), {})
BLOCKS = Statement(query("select blks_hit + blks_read from pg_stat_database where datname = current_database()"), {})


async def book_carefully(pool: Pool, _: AsyncConnection) -> None:
    requests = [asynchronous.order("GA", user_id=secrets.token_hex(5)) for _ in range(ORDERS)]
    outcomes = await asynchronous.book(pool, *requests, settings=SETTINGS)
    assert all(isinstance(outcome, Booked) for outcome in outcomes)


async def book_in_one_call(pool: Pool, conn: AsyncConnection) -> None:
    tier = await find_tier(conn, "GA")
    orders = [Ordered(secrets.token_hex(8), any_tickets(tier, 1)) for _ in range(ORDERS)]
    assert (await call(pool, *orders, bookings_per_minute=10)).causes == [None] * ORDERS


Book = Callable[[Pool, AsyncConnection], Awaitable[None]]


async def blocks_of_last_batch(database_url: str, book: Book) -> int:
    """Book batches on one connection; return the number of blocks that the last one has read."""
    read = []
    async with (
        open_pool(application_url(database_url), SETTINGS) as pool,
        await AsyncConnection.connect(database_url, autocommit=True) as conn,
    ):
        for _ in range(BATCHES):
            await book(pool, conn)
            async with open_session(pool) as session:
                await session.run(FLUSH)
                ((blocks,),) = await session.run(BLOCKS)
            read.append(int(blocks))
    return read[-1] - read[-2]


@pytest.mark.parametrize("book", [book_carefully, book_in_one_call])
async def test_a_batch_reads_as_many_blocks_after_an_analysis_of_empty_tables(
    database_url: str, server: EmbeddedServer, book: Book
) -> None:
    with cloned_database(server) as analyzed_url:
        with psycopg.connect(analyzed_url, autocommit=True) as conn:
            conn.execute("vacuum analyze")
        blocks = await blocks_of_last_batch(analyzed_url, book)
    assert blocks < 1.5 * await blocks_of_last_batch(database_url, book)
