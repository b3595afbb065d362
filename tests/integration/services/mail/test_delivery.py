"""The delivery: refusals for now and for good, a server that is away, and a crash after the acceptance."""

import pytest
from psycopg import AsyncConnection, OperationalError

from api.config import Settings
from api.database.pool import Pool
from api.health_schemas import MailHealth
from api.services.health import read_system
from api.services.mail import delivery, outbox
from api.services.mail.delivery import AWAY_PAUSE_S
from api.services.mail.outbox import LEASE_S, PAUSE_MAX_S, purge_messages
from tests.integration.asynchronous import INLINE, book, order
from tests.integration.services.mail.conftest import Clock, Post
from tests.mail_server import MailServer

ANN, BOB = "ann@example.org", "bob@example.org"
NOW = "400 the mailbox is full"
GOOD = "550 there is no such user"


async def sell(pool: Pool, *addresses: str) -> None:
    for address in addresses:
        await book(pool, order(email=address, locale="en"), settings=INLINE)


async def states(conn: AsyncConnection) -> list[tuple[str, str, int, str | None]]:
    cursor = await conn.execute("select recipient, status, attempts, last_error from messages order by id")
    return await cursor.fetchall()


async def lag_of(pool: Pool, settings: Settings) -> MailHealth:
    return (await read_system(pool, settings)).mail


async def make_due(conn: AsyncConnection) -> None:
    await conn.execute("update messages set next_attempt_at = now() where next_attempt_at is not null")


async def pause(conn: AsyncConnection) -> float:
    """Return the time in seconds until the next attempt."""
    cursor = await conn.execute("select extract(epoch from next_attempt_at - now())::float8 from messages")
    ((seconds,),) = await cursor.fetchall()
    return float(seconds)


async def test_a_message_that_is_refused_for_now_is_sent_later(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_recipient[ANN] = NOW
    await sell(pool, ANN, BOB)
    await post.run()
    assert await states(conn) == [(ANN, "queued", 1, NOW), (BOB, "sent", 1, None)]
    assert await post.send() == 0  # Its pause has not passed.
    mail_server.response_to_recipient.clear()
    await make_due(conn)
    await post.send()
    assert (await states(conn))[0] == (ANN, "sent", 2, None)
    assert [received.recipients for received in mail_server.received] == [[BOB], [ANN]]


async def test_the_pauses_grow_up_to_a_limit(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_recipient[ANN] = NOW
    await sell(pool, ANN)
    await post.queue()
    pauses = []
    for _ in range(8):
        await make_due(conn)
        await post.send()
        pauses.append(await pause(conn))
    expected = [min(LEASE_S * 2**attempt, PAUSE_MAX_S) for attempt in range(8)]
    assert all(wanted - 60 < seconds <= wanted for seconds, wanted in zip(pauses, expected, strict=True)), pauses


async def test_a_refusal_for_good_is_not_repeated(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_recipient[ANN] = GOOD
    await sell(pool, ANN, BOB)
    await post.run()
    assert await states(conn) == [(ANN, "bounced", 1, GOOD), (BOB, "sent", 1, None)]
    await make_due(conn)
    assert await post.send() == 0


@pytest.mark.parametrize(("response", "status"), [("451 try later", "queued"), ("554 this is spam", "bounced")])
async def test_the_content_may_be_refused(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, response: str, status: str
) -> None:
    mail_server.response_to_data = response
    await sell(pool, ANN)
    await post.run()
    assert await states(conn) == [(ANN, status, 1, response)]


async def test_a_refused_sender_does_not_make_addresses_look_wrong(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_sender = "553 the sender is not allowed"
    await sell(pool, ANN)
    await post.run()
    assert await states(conn) == [(ANN, "queued", 1, "553 the sender is not allowed")]


@pytest.mark.parametrize("reason", ["attempts", "age"])
async def test_a_message_is_given_up(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings, reason: str
) -> None:
    mail_server.response_to_recipient[ANN] = NOW
    await sell(pool, ANN)
    await post.queue()
    if reason == "attempts":
        await conn.execute("update messages set attempts = %s", [settings.mail_attempts_max - 1])
    else:
        await conn.execute(
            "update messages set created_at = now() - make_interval(hours => %s)", [settings.mail_give_up_hours + 1]
        )
    await post.send()
    ((_, status, _, error),) = await states(conn)
    assert (status, error) == ("dead", NOW)


async def test_attempts_without_an_outcome_are_given_up_as_well(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    await sell(pool, ANN)
    await post.queue()
    await conn.execute("update messages set attempts = %s", [settings.mail_attempts_max])
    await post.send()
    assert (await states(conn))[0][1] == "dead"
    assert mail_server.received == []


async def test_an_outage_of_the_server_uses_up_no_attempt(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, clock: Clock
) -> None:
    mail_server.stop()
    await sell(pool, ANN)
    await post.queue()
    for _ in range(5):
        assert await post.send() == 0
        clock.now += 1000
    assert await states(conn) == [(ANN, "queued", 0, None)]
    await mail_server.start()
    assert await post.send() == 1
    assert await states(conn) == [(ANN, "sent", 1, None)]


async def test_attempts_to_reach_an_absent_server_become_rare(
    post: Post, pool: Pool, mail_server: MailServer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.stop()
    await sell(pool, ANN)
    await post.queue()
    for _ in range(10):
        await post.send()
    assert caplog.text.count("The mail server is away") == 1
    clock.now += AWAY_PAUSE_S
    await post.send()
    clock.now += AWAY_PAUSE_S
    await post.send()
    assert caplog.text.count("The mail server is away") == 2


async def test_a_crash_after_the_acceptance_leads_to_a_duplicate_with_the_same_id(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sell(pool, ANN)
    await post.queue()

    async def crash(*_: object) -> None:
        raise OperationalError("the worker has lost the database")

    with monkeypatch.context() as broken:
        broken.setattr(delivery, "mark", crash)
        with pytest.raises(OperationalError):
            await post.send()
    assert await post.send() == 0  # The lease has not passed.
    await make_due(conn)
    await post.send()
    first, second = mail_server.received
    assert first.mail["Message-ID"] == second.mail["Message-ID"]
    assert first.mail.get_body(("plain",)).get_content() == second.mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert await states(conn) == [(ANN, "sent", 2, None)]


async def test_a_late_outcome_does_not_replace_that_of_the_next_attempt(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    await sell(pool, ANN)
    await post.queue()
    claimed = await outbox.claim(pool, settings)
    assert claimed is not None
    await make_due(conn)
    mail_server.response_to_recipient[ANN] = NOW
    await post.send()
    await outbox.mark(pool, claimed, "dead", "late")
    assert await states(conn) == [(ANN, "queued", 2, NOW)]
    await outbox.mark(pool, claimed, "sent")
    assert (await states(conn))[0][1] == "sent"


async def test_an_address_that_no_header_may_have_is_given_up(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    await sell(pool, ANN)
    await conn.execute("update orders set email = 'ann,eve@example.org' where email = %s", [ANN])
    await post.run()
    assert (await states(conn))[0][1] == "dead"
    assert mail_server.received == []


async def test_addresses_are_erased_after_the_retention(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await sell(pool, ANN, BOB)
    await post.run()
    await conn.execute(
        "update messages set created_at = now() - make_interval(days => %s) where recipient = %s",
        [settings.messages_kept_days + 1, ANN],
    )
    assert await purge_messages(pool, settings) == 1
    assert await purge_messages(pool, settings) == 0
    assert [recipient for recipient, *_ in await states(conn)] == [None, BOB]


async def test_the_lag_names_what_waits_and_what_failed(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    lag = await lag_of(pool, settings)
    assert (lag.feed_lag_seconds, lag.queue_lag_seconds, lag.failed) == (0, 0, 0)
    mail_server.response_to_recipient[ANN] = GOOD
    await sell(pool, ANN, BOB)
    assert (await lag_of(pool, settings)).feed_lag_seconds > 0
    await post.queue()
    await conn.execute("update messages set next_attempt_at = now() - interval '90 s'")
    lag = await lag_of(pool, settings)
    assert (lag.feed_lag_seconds, lag.failed) == (0, 0)
    assert 90 <= lag.queue_lag_seconds < 300
    await post.send()
    lag = await lag_of(pool, settings)
    assert (lag.queue_lag_seconds, lag.failed) == (0, 1)
