"""The cancellation of an event is announced to each buyer with tickets, with the amount that goes back by itself."""

import msgspec
import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.schemas import Locale
from api.services.cancellations import end_orders
from api.services.mail.requests import send_order
from api.services.orders import expire_holds
from api.services.returns import cancel_order, return_tickets
from tests.integration.asynchronous import INLINE, OPEN, Provider, apply_updates, book, hold, let_time_pass, order
from tests.integration.services.cancelled_events import FAST, cancel
from tests.integration.services.mail.conftest import Post
from tests.integration.services.paid_orders import paid
from tests.mail_server import MailServer, Received

ANN = "ann@example.org"


def news(server: MailServer) -> list[str]:
    return [received.mail["Subject"] for received in server.received]


def plain(received: Received) -> str:
    body = received.mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize(
    ("locale", "subject", "paragraphs"),
    [
        (
            "en",
            "Aurora Sessions is cancelled",
            ["You do not need to do anything.", "You paid $300.00. We refund $200.00 to the card"],
        ),
        (
            "de",
            "Aurora Sessions ist abgesagt",
            ["Sie müssen nichts tun.", "Sie haben 300,00\u00a0$ bezahlt. Wir erstatten 200,00\u00a0$ auf die Karte"],
        ),
        ("ar", "أُلغي حفل Aurora Sessions", ["لا يلزمك فعل أي شيء.", "300.00", "200.00"]),
    ],
)
async def test_a_buyer_reads_the_payment_and_its_refund(
    post: Post,
    pool: Pool,
    mail_server: MailServer,
    provider: Provider,
    locale: Locale,
    subject: str,
    paragraphs: list[str],
) -> None:
    booked, ids = await paid(pool, provider, 3, email=ANN, locale=locale)
    await return_tickets(pool, booked.reference, "u", ids[:1], OPEN)
    await post.run()
    await cancel(pool)
    await end_orders(pool, FAST)
    mail_server.received.clear()
    for _ in range(2):
        await post.run()
    (received,) = mail_server.received
    assert received.mail["Subject"] == subject
    for paragraph in paragraphs:
        assert paragraph in plain(received)
    assert [part.get_content_type() for part in received.mail.iter_attachments()] == ["text/calendar"]
    assert "T1-" not in plain(received)


@pytest.mark.usefixtures("audited")
async def test_a_refund_that_is_done_is_not_promised(post: Post, pool: Pool, mail_server: MailServer) -> None:
    await book(pool, order(email=ANN, locale="en"), settings=INLINE)
    await post.run()
    mail_server.received.clear()
    await cancel(pool)
    await end_orders(pool, FAST)
    await post.run()
    (received,) = mail_server.received
    assert "We have returned $10.00 to the card" in plain(received)
    assert "we tell you when it is done" not in plain(received)


@pytest.mark.usefixtures("audited")
async def test_orders_without_money_get_a_fitting_text(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    await conn.execute("update tiers set price_minor = 0 where name = 'GA'")
    await book(pool, order(email="free@example.org", locale="en"), settings=INLINE)
    await hold(pool, "VIP", email="pending@example.org", locale="en")
    await post.run()
    mail_server.received.clear()
    await cancel(pool)
    await end_orders(pool, FAST)
    await post.run()
    texts = {received.recipients[0]: plain(received) for received in mail_server.received}
    assert "Nothing is left to refund." in texts["free@example.org"]
    assert "We have not received a payment. If one still arrives, we refund all of it." in texts["pending@example.org"]
    assert all("This concert is cancelled" in text and "You paid" not in text for text in texts.values())


@pytest.mark.usefixtures("audited")
async def test_buyers_who_cancelled_themselves_get_no_further_news(
    post: Post, pool: Pool, mail_server: MailServer, provider: Provider
) -> None:
    booked, _ = await paid(pool, provider, 1, email=ANN, locale="en")
    await cancel_order(pool, booked.reference, "u", OPEN)
    await cancel(pool)
    await end_orders(pool, FAST)
    await post.run()
    assert news(mail_server) == ["Your booking for Aurora Sessions is cancelled"]


@pytest.mark.usefixtures("audited")
async def test_a_confirmation_that_waits_is_replaced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, provider: Provider
) -> None:
    await paid(pool, provider, 1, email=ANN, locale="en")
    await post.queue()
    await cancel(pool)
    await post.send()  # The worker has not ended the order yet.
    await end_orders(pool, FAST)
    await post.run()
    assert news(mail_server) == ["Aurora Sessions is cancelled"]
    cursor = await conn.execute("select kind, status from messages order by id")
    assert await cursor.fetchall() == [("held", "queued"), ("confirmed", "skipped"), ("event_cancelled", "sent")]


@pytest.mark.usefixtures("audited")
async def test_a_requested_message_names_the_cause(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings, provider: Provider
) -> None:
    booked, _ = await paid(pool, provider, 1, email=ANN, locale="en")
    await cancel(pool)
    await end_orders(pool, FAST)
    await post.run()
    mail_server.received.clear()
    await send_order(pool, settings, booked.reference, OPEN, "bob@example.org", "de")
    await post.run()
    assert [(received.recipients, received.mail["Subject"]) for received in mail_server.received] == [
        (["bob@example.org"], "Aurora Sessions ist abgesagt")
    ]


@pytest.mark.usefixtures("audited")
@pytest.mark.parametrize("refund_batch", [4, 200])
async def test_an_address_with_many_holds_gets_one_message_per_cancelled_event(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings, refund_batch: int
) -> None:
    holds = settings.unpaid_messages_per_hour + 3
    for number in range(holds):
        await hold(pool, email=(ANN, ANN.upper())[number % 2], locale="en")
    await post.queue()  # The messages about the holds use up the limit.
    await cancel(pool)
    while await end_orders(pool, msgspec.structs.replace(FAST, refund_batch=refund_batch)):
        await post.run()
    await post.run()
    assert news(mail_server) == ["Aurora Sessions is cancelled"]


@pytest.mark.usefixtures("audited")
async def test_messages_about_a_cancelled_event_leave_the_limit_to_others(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings, provider: Provider
) -> None:
    for _ in range(settings.unpaid_messages_per_hour):
        await paid(pool, provider, 1, email=ANN, locale="en")
    held = await hold(pool, email=ANN, locale="en")
    await post.queue()
    await conn.execute("update messages set status = 'skipped', next_attempt_at = null where kind = 'held'")
    await cancel(pool)
    await end_orders(pool, msgspec.structs.replace(FAST, refund_batch=settings.unpaid_messages_per_hour))
    await post.run()
    mail_server.received.clear()
    await cancel_order(pool, held.reference, "u", OPEN)
    await post.run()
    assert news(mail_server) == ["Your booking for Aurora Sessions is cancelled"]


@pytest.mark.usefixtures("audited")
async def test_a_hold_that_ends_before_the_worker_ends_its_order_is_announced(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    held = await hold(pool, email=ANN, locale="en")
    await cancel(pool)
    await let_time_pass(conn, 600)
    await expire_holds(pool, settings)
    await end_orders(pool, FAST)
    await post.run()
    assert news(mail_server) == ["Aurora Sessions is cancelled"]
    await send_order(pool, settings, held.reference, OPEN, ANN, "de")
    await post.run()
    assert news(mail_server)[1:] == ["Aurora Sessions ist abgesagt"]


@pytest.mark.usefixtures("audited")
async def test_a_late_payment_is_announced_when_it_has_gone_back(
    post: Post, pool: Pool, mail_server: MailServer
) -> None:
    held = await hold(pool, email=ANN, locale="en")
    await cancel(pool)
    await end_orders(pool, FAST)
    await post.run()
    await apply_updates(pool, {held.reference: "captured"})
    await apply_updates(pool, {held.reference: "refunded"})
    await post.run()
    assert news(mail_server) == ["Aurora Sessions is cancelled", "Your refund for Aurora Sessions"]
