"""Fixtures of the tests of accounts: keys, and sign-ins with a link."""

import base64
from collections.abc import Awaitable, Callable

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.services.accounts.links import sign_in_token
from api.services.accounts.sign_in import SignedIn, send_link, sign_in_with_link
from api.services.accounts.tokens import SessionKeys

ACCESS_SECRET = "acsec_" + base64.b64encode(bytes(32)).decode()
SESSION_SECRET, NEXT_SESSION_SECRET = (f"sesec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
ANN, BOB = "ann@example.org", "bob@example.org"

SignIn = Callable[[str], Awaitable[SignedIn]]


@pytest.fixture
def keys() -> SessionKeys:
    return SessionKeys(SESSION_SECRET)


async def newest_token(conn: AsyncConnection) -> str:
    """Return the token of the newest link."""
    cursor = await conn.execute("select id::text from sign_in_links order by message_id desc limit 1")
    row = await cursor.fetchone()
    assert row is not None
    return sign_in_token(ACCESS_SECRET, row[0])


@pytest.fixture
def sign_in(pool: Pool, conn: AsyncConnection, settings: Settings) -> SignIn:
    """Function that signs in an address with a link."""

    async def sign_in(email: str) -> SignedIn:
        await send_link(pool, settings, email, None)
        return await sign_in_with_link(pool, settings, ACCESS_SECRET, await newest_token(conn))

    return sign_in
