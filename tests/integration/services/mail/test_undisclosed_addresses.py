"""The commit of a request for links waits for the disk, also if the address has no order."""

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.mail.requests import send_links
from tests.integration.asynchronous import INLINE, book, order

ANN, BOB = "ann@example.org", "bob@example.org"


async def next_transaction(conn: AsyncConnection) -> int:
    """Return the number of the server's next transaction that writes to the log."""
    cursor = await conn.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
    ((number,),) = await cursor.fetchall()
    return int(number)


@pytest.mark.parametrize("email", [ANN, BOB])
async def test_each_request_writes_to_the_log(
    pool: Pool, conn: AsyncConnection, settings: Settings, email: str
) -> None:
    await book(pool, order(email=ANN, locale="en"), settings=INLINE)
    before = await next_transaction(conn)
    await send_links(pool, settings, email, "en")
    assert await next_transaction(conn) > before
    cursor = await conn.execute("select count(*) from messages where kind = 'links'")
    assert await cursor.fetchone() == (1 if email == ANN else 0,)
