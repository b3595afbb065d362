"""The limits of delivery: of the time of a run, of the age of a message, and of the data that logs and tables keep."""

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.health import read_system
from api.services.mail import outbox
from api.services.mail.delivery import AWAY_PAUSE_S, RUN_MAX_S
from api.services.mail.outbox import give_up_messages
from api.services.orders import purge_declined
from tests.integration.asynchronous import INLINE, apply_updates, book, hold, let_time_pass, order
from tests.integration.services.mail.conftest import Clock, Post, age_history
from tests.mail_server import MailServer

ANN, BOB = "ann@example.org", "bob@example.org"


async def sell(pool: Pool, *addresses: str) -> None:
    for address in addresses:
        await book(pool, order(email=address, locale="en"), settings=INLINE)


async def states(conn: AsyncConnection) -> list[tuple[str, int]]:
    cursor = await conn.execute("select status, attempts from messages order by id")
    return await cursor.fetchall()


async def age(conn: AsyncConnection, settings: Settings) -> None:
    """Make the messages older than the time after which they are given up."""
    await conn.execute(
        "update messages set created_at = now() - make_interval(hours => %s)", [settings.mail_give_up_hours + 1]
    )


async def test_messages_without_a_mail_server_are_given_up(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings, clock: Clock
) -> None:
    mail_server.stop()
    await sell(pool, ANN)
    await post.run()
    assert await give_up_messages(pool, settings) == 0
    await age(conn, settings)
    assert await give_up_messages(pool, settings) == 1
    assert await states(conn) == [("dead", 0)]
    await mail_server.start()
    clock.now += AWAY_PAUSE_S
    await post.run()
    assert mail_server.received == []


async def test_a_message_that_is_being_sent_is_not_given_up(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await sell(pool, ANN)
    await post.queue()
    claimed = await outbox.claim(pool, settings)
    assert claimed is not None
    await age(conn, settings)
    assert await give_up_messages(pool, settings) == 0
    await outbox.mark(pool, claimed, "sent")
    assert await states(conn) == [("sent", 1)]


async def test_a_run_begins_no_message_after_its_time(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, clock: Clock
) -> None:
    mail_server.on_message = lambda: clock.advance(RUN_MAX_S / 2)
    await sell(pool, *[ANN] * 3)
    await post.queue()
    assert await post.send() == 2
    assert await states(conn) == [("sent", 1), ("sent", 1), ("queued", 0)]


async def test_a_server_that_ends_the_connection_gets_no_further_message(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_data = "421 closing the connection"
    await sell(pool, ANN, BOB)
    await post.queue()
    assert await post.send() == 1
    assert await states(conn) == [("queued", 1), ("queued", 0)]


@pytest.mark.parametrize(
    "response", ["550 <ann@example.org> is unknown", "450 <ann@example.org> is full", "421 <ann@example.org> is busy"]
)
async def test_logs_contain_no_address(
    post: Post, pool: Pool, mail_server: MailServer, caplog: pytest.LogCaptureFixture, response: str
) -> None:
    mail_server.response_to_recipient[ANN] = response
    await sell(pool, ANN)
    await post.run()
    assert response[:3] in caplog.text
    assert "example.org" not in caplog.text


async def test_a_given_up_message_is_logged_without_its_address(
    post: Post, pool: Pool, conn: AsyncConnection, caplog: pytest.LogCaptureFixture
) -> None:
    await sell(pool, ANN)
    await conn.execute("update orders set email = 'ann,eve@example.org' where email = %s", [ANN])
    await post.run()
    assert await states(conn) == [("dead", 1)]
    assert "is given up" in caplog.text
    assert "eve" not in caplog.text


async def test_a_purged_order_leaves_no_message(post: Post, pool: Pool, conn: AsyncConnection) -> None:
    declined, kept = [await hold(pool, email=ANN, locale="en") for _ in range(2)]
    await apply_updates(pool, {declined.reference: "declined", kept.reference: "captured"})
    await post.run()
    await let_time_pass(conn, (INLINE.declined_kept_days + 1) * 86_400)
    assert await purge_declined(pool, INLINE) == 1
    cursor = await conn.execute("select distinct order_id from messages")
    assert await cursor.fetchall() == [(kept.id,)]


async def test_a_late_message_degrades_the_system(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await sell(pool, ANN)
    await post.queue()
    assert not any("e-mail" in problem for problem in (await read_system(pool, settings)).problems)
    await conn.execute(
        "update messages set next_attempt_at = now() - make_interval(secs => %s)", [float(settings.job_lag_max_s + 10)]
    )
    assert any("e-mail is 31" in problem for problem in (await read_system(pool, settings)).problems)


async def test_an_unread_history_degrades_the_system(
    post: Post, pool: Pool, database_url: str, settings: Settings
) -> None:
    await sell(pool, ANN)
    age_history(database_url)
    assert any("waits for its e-mail" in problem for problem in (await read_system(pool, settings)).problems)
    await post.queue()
    assert not any("waits for its e-mail" in problem for problem in (await read_system(pool, settings)).problems)
