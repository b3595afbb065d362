"""The outbox: each change of an order is announced once, by the message that is true when it is sent."""

import asyncio
from typing import Any

import pytest
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.services.orders import expire_holds
from api.services.returns import cancel_order
from tests.integration.asynchronous import ASYNC, INLINE, OPEN, apply_updates, book, hold, let_time_pass, order
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer

BUYER: dict[str, Any] = {"email": "ann@example.org", "locale": "en"}
MAKE_DUE = "update messages set next_attempt_at = now() where next_attempt_at is not null"


async def messages(conn: AsyncConnection) -> list[tuple[str, str]]:
    cursor = await conn.execute("select kind, status from messages order by id")
    return [(kind, status) for kind, status in await cursor.fetchall()]


def subjects(server: MailServer) -> list[str]:
    return [received.mail["Subject"] for received in server.received]


async def test_a_sold_order_is_announced_once(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    await book(pool, order(**BUYER), settings=INLINE)
    for _ in range(2):
        await post.run()
    assert await messages(conn) == [("confirmed", "sent")]
    (received,) = mail_server.received
    assert received.sender == "tickets@tickets.example.org"
    assert received.recipients == ["ann@example.org"]
    assert received.mail["Subject"] == "Your tickets for Aurora Sessions"


async def test_an_order_without_an_address_is_not_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    await book(pool, order(locale="de"), settings=INLINE)
    await post.run()
    assert (await messages(conn), mail_server.received) == ([], [])


@pytest.mark.parametrize(
    ("own", "of_account", "expected"), [(None, "de", "de"), ("ar", "de", "ar"), (None, None, "en")]
)
async def test_an_order_without_a_language_has_that_of_its_account(
    post: Post, pool: Pool, conn: AsyncConnection, own: str | None, of_account: str | None, expected: str
) -> None:
    cursor = await conn.execute(
        "insert into accounts (email, locale) values ('ann@example.org', %s) returning id", (of_account,)
    )
    ((account_id,),) = await cursor.fetchall()
    await book(pool, order(email="ann@example.org", locale=own, account_id=account_id), settings=INLINE)
    await post.run()
    cursor = await conn.execute("select locale from messages")
    assert await cursor.fetchall() == [(expected,)]


async def test_a_hold_is_announced_only_if_it_lasts(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    paid, unpaid = [await hold(pool, **BUYER) for _ in range(2)]
    await post.run()
    assert mail_server.received == []
    await apply_updates(pool, {paid.reference: "captured"})
    await conn.execute(MAKE_DUE)
    await post.run()
    assert await messages(conn) == [("held", "skipped"), ("held", "sent"), ("confirmed", "sent")]
    texts = [str(received.mail.get_body(("plain",))) for received in mail_server.received]
    assert [unpaid.reference in text for text in texts] == [True, False]


@pytest.mark.parametrize(
    ("update", "kind", "subject"),
    [
        ("declined", "declined", "Your payment for Aurora Sessions was declined"),
        ("captured", "confirmed", "Your tickets for Aurora Sessions"),
    ],
)
async def test_the_outcome_of_a_payment_is_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, update: str, kind: str, subject: str
) -> None:
    held = await hold(pool, **BUYER)
    await apply_updates(pool, {held.reference: update})  # type: ignore[dict-item]
    await post.run()
    assert subjects(mail_server) == [subject]
    assert (await messages(conn))[1] == (kind, "sent")


async def test_an_expired_hold_and_its_late_payment_are_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    held = await hold(pool, **BUYER)
    await let_time_pass(conn, ASYNC.hold_seconds + 1)
    await expire_holds(pool, ASYNC)
    await post.run()
    await apply_updates(pool, {held.reference: "captured"})
    await post.run()
    assert subjects(mail_server) == [
        "Your tickets for Aurora Sessions are no longer held",
        "Your tickets for Aurora Sessions",
    ]


async def test_a_cancellation_and_its_refund_are_announced(post: Post, pool: Pool, mail_server: MailServer) -> None:
    held = await hold(pool, **BUYER)
    await apply_updates(pool, {held.reference: "captured"})
    await cancel_order(pool, held.reference, "u", OPEN)
    await post.run()
    await apply_updates(pool, {held.reference: "refunded"})
    await post.run()
    assert subjects(mail_server) == [
        "Your booking for Aurora Sessions is cancelled",
        "Your refund for Aurora Sessions",
    ]
    text = mail_server.received[0].mail.get_body(("plain",))
    assert text is not None
    assert "Your refund of $10.00 is on its way." in text.get_content()


async def test_concurrent_workers_send_each_message_once(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    for _ in range(12):
        await book(pool, order(**BUYER), settings=INLINE)
    await asyncio.gather(*(post.queue() for _ in range(3)))
    await post.queue()
    await asyncio.gather(*(post.send() for _ in range(3)))
    await post.send()
    assert len({received.mail["Message-ID"] for received in mail_server.received}) == len(mail_server.received) == 12
    assert await messages(conn) == [("confirmed", "sent")] * 12


async def test_an_entry_is_announced_once_without_its_cursor(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    await book(pool, order(**BUYER), settings=INLINE)
    await post.run()
    await conn.execute("update feeds set xact = '0'")
    await post.run()
    assert len(mail_server.received) == 1


async def test_without_the_unique_key_an_entry_is_announced_twice(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    await book(pool, order(**BUYER), settings=INLINE)
    await post.run()
    await conn.execute("alter table messages drop constraint messages_source_key")
    await conn.execute("alter table messages add constraint messages_source_key unique (id)")
    await conn.execute("update feeds set xact = '0'")
    await post.run()
    assert len(mail_server.received) == 2
