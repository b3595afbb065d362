"""E-mails that buyers request: about one order again, and the links to all orders of an address."""

import asyncio
from typing import Any

import msgspec
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.errors import NotFound, RateLimited
from api.services.access import Access, digest
from api.services.bookings.model import Booked
from api.services.mail.requests import send_links, send_order
from api.services.order_rows import OrderRow
from api.services.returns import cancel_order
from tests.integration.asynchronous import INLINE, OPEN, book, hold, order
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer, Received

ANN, BOB = "ann@example.org", "bob@example.org"


async def sell(pool: Pool, **changes: Any) -> OrderRow:
    (outcome,) = await book(pool, order(**changes), settings=INLINE)
    assert isinstance(outcome, Booked)
    return outcome.order


def plain(received: Received) -> str:
    body = received.mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_an_order_is_sent_again_to_a_corrected_address(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    sold = await sell(pool, email=ANN, locale="en")
    await post.run()
    await send_order(pool, settings, sold.reference, OPEN, BOB, "de")
    await post.run()
    await cancel_order(pool, sold.reference, "u", OPEN)
    await post.run()
    assert [(received.recipients, received.mail["Subject"]) for received in mail_server.received] == [
        ([ANN], "Your tickets for Aurora Sessions"),
        ([BOB], "Ihre Tickets für Aurora Sessions"),
        ([BOB], "Ihre Buchung für Aurora Sessions ist storniert"),
    ]
    assert len({received.mail["Message-ID"] for received in mail_server.received}) == 3
    cursor = await conn.execute("select status from orders")
    assert await cursor.fetchall() == [("cancelled",)]


async def test_an_order_without_an_address_gets_one(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings
) -> None:
    held = await hold(pool)
    await send_order(pool, settings, held.reference, OPEN, ANN, None)
    await post.run()
    assert [received.mail["Subject"] for received in mail_server.received] == [
        "Your tickets for Aurora Sessions are held"
    ]


async def test_a_stranger_can_request_nothing(pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    sold = await sell(pool, email=ANN, access_digest=digest("own"))
    for access in (OPEN, Access(frozenset({digest("other")}))):
        with pytest.raises(NotFound):
            await send_order(pool, settings, sold.reference, access, BOB, "en")
    with pytest.raises(NotFound):
        await send_order(pool, settings, "unknown", OPEN, BOB, "en")
    cursor = await conn.execute("select email, (select count(*) from messages) from orders")
    assert await cursor.fetchall() == [(ANN, 0)]


@pytest.mark.parametrize("shared", ["order", "address"])
async def test_requests_about_an_order_and_to_an_address_are_limited(
    pool: Pool, conn: AsyncConnection, settings: Settings, shared: str
) -> None:
    quota = settings.messages_per_hour
    orders = [await sell(pool) for _ in range(quota + 1)]
    chosen = [orders[0]] * (quota + 1) if shared == "order" else orders
    addresses = [f"ann{n}@example.org" if shared == "order" else ANN.title() * (n % 2) or ANN for n in range(quota + 1)]
    for sold, address in zip(chosen[:-1], addresses[:-1], strict=True):
        await send_order(pool, settings, sold.reference, OPEN, address, "en")
    with pytest.raises(RateLimited) as refused:
        await send_order(pool, settings, chosen[-1].reference, OPEN, addresses[-1], "en")
    assert 3500 < int(refused.value.headers()["Retry-After"]) <= 3600
    cursor = await conn.execute("select email from orders where id = %s", [chosen[-1].id])
    assert await cursor.fetchone() == ((addresses[-2] if shared == "order" else None),)
    await conn.execute("update messages set created_at = created_at - interval '61 min'")
    await send_order(pool, settings, chosen[-1].reference, OPEN, addresses[-1], "en")


async def test_a_limit_of_0_is_none(pool: Pool, settings: Settings) -> None:
    unlimited = msgspec.structs.replace(settings, messages_per_hour=0)
    sold = await sell(pool)
    for _ in range(settings.messages_per_hour + 2):
        await send_order(pool, unlimited, sold.reference, OPEN, ANN, None)
        await send_links(pool, unlimited, ANN, None)


async def test_concurrent_requests_do_not_exceed_the_limit(
    pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await sell(pool, email=ANN)
    await asyncio.gather(*(send_links(pool, settings, ANN, "en") for _ in range(8)))
    cursor = await conn.execute("select count(*) from messages where kind = 'links'")
    assert await cursor.fetchone() == (settings.messages_per_hour,)


async def test_the_links_to_all_orders_of_an_address_are_sent(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings
) -> None:
    first, second = [await sell(pool, email=address) for address in (ANN, ANN.upper())]
    other = await sell(pool, email=BOB)
    await post.run()
    mail_server.received.clear()
    await send_links(pool, settings, ANN, "de")
    await post.run()
    (received,) = mail_server.received
    assert received.recipients == [ANN.upper()]
    assert received.mail["Subject"] == "Links zu Ihren Buchungen"
    text = plain(received)
    newest, oldest = (text.index(f"/booking/{sold.reference}#L1.{sold.reference}.") for sold in (second, first))
    assert newest < oldest
    assert other.reference not in text
    html = received.mail.get_body(("html",))
    assert html is not None
    assert str(html.get_content()).count("<a href=") == 2


async def test_an_address_without_orders_gets_no_message(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await sell(pool, email=ANN)
    await send_links(pool, settings, BOB, "en")
    cursor = await conn.execute("select count(*) from messages")
    assert await cursor.fetchone() == (0,)


async def test_links_to_orders_that_are_gone_are_skipped(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    await sell(pool, email=ANN)
    await send_links(pool, settings, ANN, "en")
    await conn.execute("update orders set email = %s", [BOB])
    await post.send()
    cursor = await conn.execute("select status from messages where kind = 'links'")
    assert await cursor.fetchall() == [("skipped",)]
    assert mail_server.received == []
