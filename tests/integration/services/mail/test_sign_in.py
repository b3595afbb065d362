"""The e-mail with a link to sign in: in each language, sent while the link is valid, and deleted with its address."""

import re
from datetime import timedelta
from typing import LiteralString, get_args

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.schemas import Locale
from api.secret import load_or_create_secret
from api.services.accounts.sign_in import send_link, sign_in_with_link
from api.services.mail.outbox import purge_messages
from api.services.mail.texts import load
from api.settings.secrets import ACCESS_SECRET
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer

ANN = "ann@example.org"
LINK = re.compile(r"https://tickets\.example\.org/sign-in#(S1\.[A-Za-z0-9._-]+)")
ADDRESS = re.compile(r"https?://[^\s\"<>]+")


async def statuses(conn: AsyncConnection) -> list[str]:
    return [status for (status,) in await (await conn.execute("select status from messages order by id")).fetchall()]


@pytest.mark.parametrize("locale", get_args(Locale))
async def test_the_link_of_an_e_mail_signs_in(
    post: Post, pool: Pool, settings: Settings, mail_server: MailServer, locale: Locale
) -> None:
    await send_link(pool, settings, ANN, locale)
    await post.run()
    (received,) = mail_server.received
    assert received.recipients == [ANN]
    assert received.mail["Subject"] == load(locale)["sign_in.subject"]
    assert received.mail["Content-Language"] == locale
    tokens = set()
    for kind in ("plain", "html"):
        body = received.mail.get_body((kind,))
        assert body is not None
        text = body.get_content()
        assert load(locale)["sign_in.text"] in text
        # The link opens no booking.
        assert load(locale)["private"] not in text
        assert load(locale)["times"] not in text
        (token,) = LINK.findall(text)
        assert len(ADDRESS.findall(text)) == 1
        tokens.add(token)
    (token,) = tokens
    signed_in = await sign_in_with_link(pool, settings, load_or_create_secret(settings, ACCESS_SECRET), token)
    assert signed_in.account.email == ANN


@pytest.mark.parametrize(
    "end", ["update sign_in_links set used_at = now()", "update sign_in_links set expires_at = now()"]
)
async def test_a_link_that_is_used_or_too_old_is_not_sent(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings, mail_server: MailServer, end: LiteralString
) -> None:
    await send_link(pool, settings, ANN, None)
    await conn.execute(end)
    await post.run()
    assert (await statuses(conn), mail_server.received) == (["skipped"], [])


async def test_the_message_is_deleted_with_its_address(
    post: Post, pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await send_link(pool, settings, ANN, None)
    await post.run()
    assert await purge_messages(pool, settings) == 0
    await conn.execute(
        "update messages set created_at = now() - %s", [timedelta(days=settings.messages_kept_days, hours=1)]
    )
    assert await purge_messages(pool, settings) == 1
    assert await statuses(conn) == []
