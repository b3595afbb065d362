"""A message for which somebody waits overtakes a large queue, and no message waits forever."""

import msgspec
import pytest
from psycopg import AsyncConnection

from api import metrics
from api.config import Settings
from api.database.pool import Pool
from api.services.accounts.sign_in import send_link
from api.services.cancellations import end_orders
from api.services.event_changes import note_event_changes
from api.services.health import read_system
from api.services.mail.delivery import ANY_PRIORITY_EVERY
from api.services.mail.outbox import claim
from api.services.mail.requests import send_links
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, INLINE, OPEN, apply_updates, book, hold, order
from tests.integration.services.cancelled_events import cancel
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer

ANN = "ann@example.org"
QUEUE = 50_000


async def fill(conn: AsyncConnection, priority: int, messages: int, minutes: int) -> None:
    """Queue messages to the order of ANN that are late."""
    await conn.execute(
        """
        insert into messages (priority, kind, order_id, source_id, recipient, locale, message_id, next_attempt_at)
        select %(priority)s, 'confirmed', orders.id, %(priority)s * 1000000 + n, 'crowd@example.org', 'en',
            '<' || %(priority)s || '-' || n || '@example.org>', now() - make_interval(mins => %(minutes)s)
        from orders, generate_series(1, %(messages)s) as n
        """,
        {"priority": priority, "messages": messages, "minutes": minutes},
    )


async def priorities(conn: AsyncConnection) -> list[tuple[str, int]]:
    return await (await conn.execute("select kind, priority from messages order by id")).fetchall()


async def test_a_message_for_one_person_overtakes_a_large_queue(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await book(pool, order(email=ANN, locale="en"), settings=INLINE)
    await fill(conn, 2, QUEUE, 30)
    await post.queue()
    await send_link(pool, settings, ANN, "en")
    claimed = [await claim(pool, settings) for _ in range(3)]
    assert [(message.kind, message.recipient) for message in claimed if message] == [
        ("sign_in", ANN),
        ("confirmed", ANN),
        ("confirmed", "crowd@example.org"),
    ]


@pytest.mark.parametrize("flood", [0, 1])
async def test_no_message_waits_forever(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, flood: int
) -> None:
    await book(pool, order(email=ANN, locale="en"), settings=INLINE)
    await fill(conn, 2, 1, 30)
    await fill(conn, flood, 2 * ANY_PRIORITY_EVERY, 10)
    await post.send()
    ids = [received.mail["Message-ID"] for received in mail_server.received]
    assert ids.index("<2-1@example.org>") == ANY_PRIORITY_EVERY - 1


async def test_messages_to_all_buyers_of_an_event_come_last(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    returned = await hold(pool, email=ANN)
    await apply_updates(pool, {returned.reference: "captured"})
    await cancel_order(pool, returned.reference, "u", OPEN)
    await apply_updates(pool, {returned.reference: "refunded"})
    await book(pool, order(email=ANN), settings=INLINE)
    await conn.execute("update events set venue = 'Pier 9'")
    await note_event_changes(pool, msgspec.structs.replace(settings, event_change_delay_s=0))
    await post.queue()
    await send_links(pool, settings, ANN, "en")
    assert await priorities(conn) == [
        ("held", 1),
        ("confirmed", 1),
        ("cancelled", 1),
        ("refunded", 1),
        ("confirmed", 1),
        ("event_changed", 2),
        ("links", 0),
    ]


async def test_refunds_of_a_cancelled_event_are_announced_last(post: Post, pool: Pool, conn: AsyncConnection) -> None:
    held = await hold(pool, email=ANN)
    await apply_updates(pool, {held.reference: "captured"})
    await post.queue()
    await conn.execute("delete from messages")
    await cancel(pool)
    while await end_orders(pool, ASYNC):
        pass
    await apply_updates(pool, {held.reference: "refunded"})
    await post.queue()
    assert await priorities(conn) == [("event_cancelled", 2), ("refunded", 2)]


async def test_the_lag_of_each_priority_is_reported(pool: Pool, conn: AsyncConnection) -> None:
    await book(pool, order(email=ANN), settings=INLINE)
    await fill(conn, 1, 3, 10)
    await fill(conn, 2, 20_000, 60)
    system = await read_system(pool, ASYNC)
    assert [(row.name, row.lag_seconds // 60, row.due) for row in system.mail.priorities] == [
        ("requested", 0, 0),
        ("single", 10, 3),
        ("bulk", 60, 10_000),
    ]
    text = metrics.render_metrics(system).decode()
    assert 'mail_priority_lag_seconds{priority="bulk"} 36' in text
    assert 'mail_priority_due{priority="single"} 3.0' in text
