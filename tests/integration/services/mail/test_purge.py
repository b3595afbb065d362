"""The purge of old messages: it erases addresses, deletes requested messages, and ends the count of failed ones."""

from typing import Any

import pytest
from psycopg import AsyncConnection

from api.commands.audit import audit
from api.config import Settings
from api.database.pool import Pool
from api.services.bookings.model import Booked
from api.services.health import read_system
from api.services.mail.outbox import purge_messages
from api.services.mail.requests import send_links, send_order
from tests.integration.asynchronous import INLINE, OPEN, book, order
from tests.integration.services.mail.conftest import Post, age_history
from tests.mail_server import MailServer

ANN, BOB = "ann@example.org", "bob@example.org"


async def sell(pool: Pool, email: str | None = None) -> str:
    (outcome,) = await book(pool, order(email=email, locale="en"), settings=INLINE)
    assert isinstance(outcome, Booked)
    return outcome.order.reference


async def rows(conn: AsyncConnection) -> list[tuple[Any, ...]]:
    cursor = await conn.execute("select kind, recipient, source_id is null from messages order by id")
    return await cursor.fetchall()


async def age(conn: AsyncConnection, days: int) -> None:
    await conn.execute("update messages set created_at = now() - make_interval(days => %s)", [days])


@pytest.mark.parametrize(("beyond", "expected"), [(0, 3), (1, 0)])
async def test_messages_with_links_are_deleted_after_the_retention(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings, beyond: int, expected: int
) -> None:
    await sell(pool, ANN)
    for _ in range(3):
        await send_links(pool, settings, ANN, "en")
    await post.send()
    await age(conn, settings.messages_kept_days - 1 + 2 * beyond)
    assert await purge_messages(pool, settings) == 3 - expected
    assert await rows(conn) == [("links", ANN, True)] * expected


async def test_the_last_requested_message_about_an_order_stays_without_its_address(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings, database_url: str
) -> None:
    reference = await sell(pool)
    await post.queue()
    for address in (ANN, BOB):
        await send_order(pool, settings, reference, OPEN, address, "en")
    await post.send()
    await age(conn, settings.messages_kept_days + 1)
    assert await purge_messages(pool, settings) == 2
    assert await purge_messages(pool, settings) == 0
    assert await rows(conn) == [("confirmed", None, True)]
    age_history(database_url)
    assert not audit(database_url)


async def test_purged_messages_are_not_counted_as_failed(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    mail_server.response_to_recipient[ANN] = "550 there is no such user"
    await sell(pool, ANN)
    await post.run()
    assert (await read_system(pool, settings)).mail.failed == 1
    await age(conn, settings.messages_kept_days + 1)
    assert await purge_messages(pool, settings) == 1
    assert await rows(conn) == [("confirmed", None, False)]
    assert (await read_system(pool, settings)).mail.failed == 0
