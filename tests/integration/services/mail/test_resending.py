"""The box office lists the messages of all events that reached nobody, and sends them again."""

import asyncio
import os
import subprocess
import sys

import pytest
from psycopg import AsyncConnection

from api.commands.seed import parse_inventory, seed
from api.config import Settings
from api.database.pool import Pool
from api.errors import UnknownEvent
from api.schemas import BUILT_IN_EVENT
from api.services.bookings.model import Booked
from api.services.mail import undelivered
from api.services.mail.requests import send_order
from api.services.mail.undelivered import Selection, list_undelivered, resend
from api.services.short_reference import grouped, short_reference
from tests.integration.asynchronous import INLINE, OPEN, book, order
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer

ANN, BOB, EVE = "ann@example.org", "bob@example.org", "eve@example.org"
REFUSAL = "550 there is no such user"
ALL = Selection()


async def sell(pool: Pool, address: str, event: str = BUILT_IN_EVENT) -> tuple[int, str]:
    (outcome,) = await book(pool, order(email=address, locale="de", event=event), settings=INLINE)
    assert isinstance(outcome, Booked)
    return outcome.order.id, outcome.order.reference


async def listed(pool: Pool, selection: Selection = ALL) -> list[tuple[int, str]]:
    return [(message.order_id, message.recipient) async for message in list_undelivered(pool, selection)]


async def run(database_url: str, smtp_url: str, *arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and its output."""
    command = [sys.executable, "-m", "api", "mail", *arguments]
    environment = {**os.environ, "DATABASE_URL": database_url, "SMTP_URL": smtp_url}
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


async def test_messages_of_all_events_are_listed_and_sent_again(
    post: Post, pool: Pool, database_url: str, mail_server: MailServer, settings: Settings
) -> None:
    seed(database_url, event="other", inventory=parse_inventory("GA=50"))
    mail_server.response_to_recipient |= {ANN: REFUSAL, BOB: REFUSAL}
    (ann, _), (bob, _) = await sell(pool, ANN), await sell(pool, BOB, "other")
    await sell(pool, EVE)
    await post.run()
    assert await listed(pool) == [(ann, ANN), (bob, BOB)]
    assert await listed(pool, Selection(event="other")) == [(bob, BOB)]
    mail_server.response_to_recipient.clear()
    mail_server.received.clear()
    assert await resend(pool, settings, Selection(event="other")) == 1
    assert await resend(pool, settings, ALL) == 1
    assert await resend(pool, settings, ALL) == 0
    await post.send()
    assert [received.recipients for received in mail_server.received] == [[BOB], [ANN]]
    assert {received.mail["Content-Language"] for received in mail_server.received} == {"de"}
    assert await listed(pool) == []


async def test_one_order_is_selected_by_its_reference(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings
) -> None:
    mail_server.response_to_recipient |= {ANN: REFUSAL, BOB: REFUSAL}
    (ann, reference), (bob, _) = await sell(pool, ANN), await sell(pool, BOB)
    await post.run()
    assert await listed(pool, Selection(order=reference)) == [(ann, ANN)]
    assert await listed(pool, Selection(order=grouped(short_reference(bob)).lower())) == [(bob, BOB)]
    assert await listed(pool, Selection(order="unknown")) == []
    assert await resend(pool, settings, Selection(order=short_reference(bob))) == 1
    assert await listed(pool) == [(ann, ANN)]


async def test_a_corrected_address_and_an_erased_one_are_not_listed(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    mail_server.response_to_recipient |= {ANN: REFUSAL, BOB: REFUSAL}
    (_, reference), (bob, _) = await sell(pool, ANN), await sell(pool, BOB)
    await post.run()
    await send_order(pool, settings, reference, OPEN, EVE, None)
    assert await listed(pool) == [(bob, BOB)]
    await conn.execute("update messages set recipient = null where recipient = %s", [BOB])
    assert await listed(pool) == []


async def test_a_message_that_is_no_longer_true_hides_no_failure(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer
) -> None:
    mail_server.response_to_recipient[ANN] = REFUSAL
    ann, _ = await sell(pool, ANN)
    await post.run()
    await conn.execute(
        "insert into messages (kind, order_id, recipient, locale, message_id, status)"
        " select kind, order_id, recipient, locale, '<later@example.org>', 'skipped' from messages"
    )
    assert await listed(pool) == [(ann, ANN)]


async def test_many_messages_are_listed_and_queued_in_pages(
    post: Post, pool: Pool, mail_server: MailServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undelivered, "_PAGE", 2)
    mail_server.response_to_recipient[ANN] = REFUSAL
    sold = [(await sell(pool, ANN))[0] for _ in range(5)]
    await post.run()
    assert await listed(pool) == [(order_id, ANN) for order_id in sold]
    results = await asyncio.gather(*(resend(pool, settings, ALL) for _ in range(3)))
    assert sum(results) == 5


async def test_a_changed_event_is_announced_by_the_confirmation(
    post: Post, pool: Pool, conn: AsyncConnection, mail_server: MailServer, settings: Settings
) -> None:
    mail_server.response_to_recipient[ANN] = REFUSAL
    await sell(pool, ANN)
    await post.run()
    await conn.execute("update messages set kind = 'event_changed'")
    mail_server.response_to_recipient.clear()
    assert await resend(pool, settings, ALL) == 1
    await post.send()
    (received,) = mail_server.received
    assert received.mail["Subject"] == "Ihre Tickets für Aurora Sessions"


async def test_an_unknown_event_is_refused(pool: Pool, settings: Settings) -> None:
    with pytest.raises(UnknownEvent):
        await listed(pool, Selection(event="unknown"))
    with pytest.raises(UnknownEvent):
        await resend(pool, settings, Selection(event="unknown"))


async def test_the_command_lists_and_queues(post: Post, pool: Pool, database_url: str, mail_server: MailServer) -> None:
    url = mail_server.url
    assert await run(database_url, url, "undelivered") == (0, "Every message has reached its mail server.\n", "")
    mail_server.response_to_recipient[ANN] = "550 there is\n\tno such user"
    ann, _ = await sell(pool, ANN)
    await post.run()
    code, out, err = await run(database_url, url, "undelivered", "--event", BUILT_IN_EVENT)
    assert (code, err) == (1, "")
    (line,) = out.splitlines()
    shown = line.split("  ")
    assert shown[:5] == [grouped(short_reference(ann)), BUILT_IN_EVENT, ANN, "confirmed", "bounced"]
    assert shown[6].startswith("550 there is")
    expected = "The worker sends 1 message(s) again.\n"
    assert await run(database_url, url, "resend", "--order", short_reference(ann)) == (0, expected, "")
    unknown = "There is no event 'unknown'.\n"
    assert await run(database_url, url, "resend", "--event", "unknown") == (1, "", unknown)
