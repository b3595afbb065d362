"""Limits of links to sign in: an address without a further link has a usable one."""

from typing import LiteralString

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.accounts.sign_in import send_link
from api.services.mail.requests import send_links
from tests.integration.asynchronous import INLINE, book, order
from tests.integration.services.accounts.conftest import ANN

LIMITED = Settings(messages_per_hour=2)
END_OF_LINK = [
    "update sign_in_links set used_at = now() where message_id = (select max(id) from messages)",
    "update sign_in_links set expires_at = now() where message_id = (select max(id) from messages)",
]


async def links(conn: AsyncConnection) -> int:
    cursor = await conn.execute("select count(*) from messages where kind = 'sign_in'")
    ((count,),) = await cursor.fetchall()
    return int(count)


async def test_other_requested_messages_leave_the_links_of_an_address(pool: Pool, conn: AsyncConnection) -> None:
    await book(pool, order(email=ANN), settings=INLINE)
    for _ in range(2):
        await send_links(pool, LIMITED, ANN, None)
    for _ in range(3):
        await send_link(pool, LIMITED, ANN, None)
    assert await links(conn) == 2


@pytest.mark.parametrize("end", END_OF_LINK)
async def test_a_link_that_signs_nobody_in_counts_no_longer(
    pool: Pool, conn: AsyncConnection, end: LiteralString
) -> None:
    for _ in range(3):
        await send_link(pool, LIMITED, ANN.upper(), None)
    assert await links(conn) == 2
    await conn.execute(end)
    for _ in range(2):
        await send_link(pool, LIMITED, ANN, None)
    assert await links(conn) == 3
