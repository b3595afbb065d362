"""The e-mails to an account about changes to how it signs in: in the transaction of the change, in each language."""

import re
from collections.abc import Awaitable, Callable
from typing import get_args

import msgspec
import pytest
from psycopg import AsyncConnection

from api.account_schemas import PasskeyRequest
from api.config import Settings
from api.database.pool import Pool
from api.errors import Forbidden, InvalidRequest
from api.schemas import Locale
from api.secret import load_or_create_secret
from api.services.accounts.links import sign_in_token
from api.services.accounts.passkeys import add_passkey, begin_adding, delete_passkey
from api.services.accounts.passwords import Passwords
from api.services.accounts.sign_in import change_password, send_link, sign_in_with_link
from api.services.accounts.tokens import Identity
from api.services.mail.outbox import NOTICES, purge_messages
from api.services.mail.requests import send_order
from api.services.mail.texts import load
from api.settings.secrets import ACCESS_SECRET
from tests.authenticator import Authenticator
from tests.integration.asynchronous import INLINE, OPEN, book, order
from tests.integration.services.mail.conftest import Post
from tests.mail_server import MailServer

ANN = "ann@example.org"
ORIGIN = "https://tickets.example.org"
ADDRESS = re.compile(r"https?://[^\s\"<>]+")

Change = Callable[[Pool, Settings, Identity], Awaitable[None]]


async def sign_in(pool: Pool, conn: AsyncConnection, settings: Settings, locale: Locale = "en") -> Identity:
    """Sign in with a link whose message is not sent."""
    await send_link(pool, settings, ANN, locale)
    cursor = await conn.execute("select id::text from sign_in_links where used_at is null")
    ((link_id,),) = await cursor.fetchall()
    key = load_or_create_secret(settings, ACCESS_SECRET)
    signed_in = await sign_in_with_link(pool, settings, key, sign_in_token(key, link_id))
    return signed_in.opened.identity


async def change(pool: Pool, settings: Settings, identity: Identity) -> None:
    await change_password(pool, settings, Passwords(60), identity, "correct horse")


async def add(pool: Pool, settings: Settings, identity: Identity) -> str:
    options = msgspec.to_builtins(await begin_adding(pool, settings, identity))
    created = msgspec.convert(Authenticator(ORIGIN).create(options), PasskeyRequest)
    return (await add_passkey(pool, settings, identity, created)).id


async def add_and_delete(pool: Pool, settings: Settings, identity: Identity) -> None:
    passkey_id = await add(pool, settings, identity)
    assert await delete_passkey(pool, settings, identity.account_id, passkey_id)
    assert not await delete_passkey(pool, settings, identity.account_id, passkey_id)


CHANGES: list[tuple[Change, list[str]]] = [
    (change, ["password_changed"]),
    (add_and_delete, ["passkey_added", "passkey_deleted"]),
]


async def kinds(conn: AsyncConnection) -> list[str]:
    cursor = await conn.execute("select kind from messages where kind <> 'sign_in' order by id")
    return [kind for (kind,) in await cursor.fetchall()]


def test_every_notice_has_a_change() -> None:
    assert sorted(NOTICES) == sorted(kind for _, expected in CHANGES for kind in expected)


@pytest.mark.parametrize("locale", get_args(Locale))
@pytest.mark.parametrize("case", CHANGES)
async def test_the_owner_of_an_account_learns_of_each_change(
    post: Post,
    pool: Pool,
    conn: AsyncConnection,
    settings: Settings,
    mail_server: MailServer,
    case: tuple[Change, list[str]],
    locale: Locale,
) -> None:
    make, expected = case
    await make(pool, settings, await sign_in(pool, conn, settings, locale))
    assert await kinds(conn) == expected
    await post.run()
    texts = load(locale)
    assert [received.mail["Subject"] for received in mail_server.received] == [
        texts[f"{kind}.subject"] for kind in expected
    ]
    for received, kind in zip(mail_server.received, expected, strict=True):
        assert received.recipients == [ANN]
        assert received.mail["Content-Language"] == locale
        for part in ("plain", "html"):
            body = received.mail.get_body((part,))
            assert body is not None
            text = body.get_content()
            assert all(texts[key] in text for key in (f"{kind}.text", "notice.strange"))
            # The only link has no secret.
            assert ADDRESS.findall(text) == [f"{ORIGIN}/sign-in"]


async def test_a_refused_change_sends_no_notice(pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    identity = await sign_in(pool, conn, settings)
    options = msgspec.to_builtins(await begin_adding(pool, settings, identity))
    foreign = msgspec.convert(Authenticator("https://elsewhere.example").create(options), PasskeyRequest)
    with pytest.raises(InvalidRequest):
        await add_passkey(pool, settings, identity, foreign)
    await conn.execute("update account_sessions set created_at = now() - interval '601 s'")
    with pytest.raises(Forbidden):
        await change(pool, settings, identity)
    assert await kinds(conn) == []


async def test_notices_use_up_no_requests(pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    """A stranger who changes the password often must not keep the owner from links to the bookings."""
    identity = await sign_in(pool, conn, settings)
    await book(pool, order(reference="mine", email=ANN), settings=INLINE)
    await conn.execute("delete from sign_in_links")
    await conn.execute("delete from messages")
    for _ in range(settings.messages_per_hour):
        await change(pool, settings, identity)
    await send_order(pool, settings, "mine", OPEN, ANN, "en")
    assert await kinds(conn) == ["password_changed"] * settings.messages_per_hour + ["confirmed"]


async def test_old_notices_are_deleted(post: Post, pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    await change(pool, settings, await sign_in(pool, conn, settings))
    await post.run()
    await conn.execute(
        "update messages set created_at = now() - make_interval(days => %s)", [settings.messages_kept_days + 1]
    )
    await purge_messages(pool, settings)
    assert await kinds(conn) == []
