"""The return of single tickets is announced once, with the amount that goes back to the buyer."""

from psycopg import AsyncConnection

from api.database.pool import Pool
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import OPEN, Provider
from tests.integration.services.mail.conftest import Post
from tests.integration.services.paid_orders import paid
from tests.mail_server import MailServer


async def test_a_return_is_announced_once(post: Post, pool: Pool, mail_server: MailServer, provider: Provider) -> None:
    booked, ids = await paid(pool, provider, 3, email="ann@example.org", locale="en")
    for _ in range(2):
        await return_tickets(pool, booked.reference, "u", ids[:2], OPEN)
        await post.run()
    confirmed, returned = [received.mail for received in mail_server.received]
    assert confirmed["Subject"] == "Your tickets for Aurora Sessions"
    assert returned["Subject"] == "Your returned tickets for Aurora Sessions"
    body = returned.get_body(("plain",))
    assert body is not None
    assert "$200.00 of your payment goes back to you." in body.get_content()
    assert "Total: $100.00" in body.get_content()
    assert list(returned.iter_attachments()) == []


async def test_a_cancellation_is_announced_without_a_return(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, provider: Provider
) -> None:
    booked, _ = await paid(pool, provider, 2, email="ann@example.org", locale="en")
    await post.run()
    await cancel_order(pool, booked.reference, "u", OPEN)
    await post.run()
    assert [received.mail["Subject"] for received in mail_server.received] == [
        "Your tickets for Aurora Sessions",
        "Your booking for Aurora Sessions is cancelled",
    ]
    cursor = await conn.execute("select kind from messages order by id")
    assert await cursor.fetchall() == [("held",), ("confirmed",), ("cancelled",)]
