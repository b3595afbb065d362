"""Sign-in: a link works once, attempts are limited, and a known address cannot be told from an unknown one."""

import asyncio

import pytest
from argon2 import PasswordHasher
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.errors import Forbidden, RateLimited, Unauthorized
from api.services.accounts.passwords import Passwords
from api.services.accounts.purges import purge_sign_in_limits, purge_sign_in_links
from api.services.accounts.sign_in import (
    SignedIn,
    change_password,
    send_link,
    sign_in_with_link,
    sign_in_with_password,
)
from tests.integration.asynchronous import INLINE, book, order
from tests.integration.database.faulty_session import Faults
from tests.integration.services.accounts.conftest import ACCESS_SECRET, ANN, BOB, SignIn, newest_token

PASSWORD = "correct horse"
UNLIMITED = Settings(sign_ins_per_minute=0)


class CountingHasher:
    """Counts the verified hashes that cost as much as a new one."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self.hashes = 0

    def verify(self, stored: str, password: str) -> bool:
        self.hashes += stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        return self._hasher.verify(stored, password)


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(60)


async def with_password(pool: Pool, passwords: Passwords, email: str, password: str, settings: Settings) -> SignedIn:
    return await sign_in_with_password(pool, settings, passwords, email, password)


async def owners(conn: AsyncConnection) -> dict[str, int | None]:
    return dict(await (await conn.execute("select reference, account_id from orders")).fetchall())


async def test_a_link_signs_in_once(pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    await send_link(pool, settings, ANN, "de")
    token = await newest_token(conn)
    attempts = await asyncio.gather(
        *[sign_in_with_link(pool, settings, ACCESS_SECRET, token) for _ in range(5)], return_exceptions=True
    )
    assert sorted(type(attempt).__name__ for attempt in attempts) == ["SignedIn"] + ["Unauthorized"] * 4
    cursor = await conn.execute("select email, locale, verified_at is not null from accounts")
    assert await cursor.fetchall() == [(ANN, "de", True)]


async def test_a_link_has_the_language_of_the_account_unless_the_request_names_one(
    pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    for locale in (None, "ar", None, "de", None):
        await send_link(pool, settings, ANN, locale)
        await sign_in_with_link(pool, settings, ACCESS_SECRET, await newest_token(conn))
    cursor = await conn.execute("select locale from messages order by id")
    assert [locale for (locale,) in await cursor.fetchall()] == ["en", "ar", "ar", "de", "de"]


async def test_an_old_link_is_refused_and_purged_after_a_day(
    pool: Pool, conn: AsyncConnection, settings: Settings
) -> None:
    await send_link(pool, settings, ANN, None)
    await conn.execute("update sign_in_links set expires_at = now()")
    with pytest.raises(Unauthorized):
        await sign_in_with_link(pool, settings, ACCESS_SECRET, await newest_token(conn))
    assert await purge_sign_in_links(pool, settings) == 0
    await conn.execute("update sign_in_links set expires_at = now() - interval '25 hours'")
    assert await purge_sign_in_links(pool, settings) == 1


async def test_the_spelling_of_an_address_makes_no_second_account(sign_in: SignIn) -> None:
    first, second = await sign_in(ANN), await sign_in(ANN.upper())
    assert first.account == second.account


async def test_an_address_gets_a_limited_number_of_links(pool: Pool, conn: AsyncConnection) -> None:
    for _ in range(4):
        await send_link(pool, Settings(messages_per_hour=2), ANN, None)
    cursor = await conn.execute("select kind, recipient, count(*) from messages group by 1, 2")
    assert await cursor.fetchall() == [("sign_in", ANN, 2)]


async def test_a_sign_in_claims_the_guest_orders_of_its_address(
    pool: Pool, conn: AsyncConnection, sign_in: SignIn
) -> None:
    other = (await sign_in(BOB)).account.id
    await book(pool, order(reference="own", email=ANN), settings=INLINE)
    await book(pool, order(reference="upper", email=ANN.upper()), settings=INLINE)
    await book(pool, order(reference="foreign", email=BOB, account_id=other), settings=INLINE)
    await book(pool, order(reference="claimed", email=ANN, account_id=other), settings=INLINE)
    await book(pool, order(reference="without"), settings=INLINE)
    account = (await sign_in(ANN)).account.id
    expected = {"own": account, "upper": account, "foreign": other, "claimed": other, "without": None}
    assert await owners(conn) == expected


async def test_a_password_signs_in_and_claims(
    pool: Pool, conn: AsyncConnection, passwords: Passwords, sign_in: SignIn
) -> None:
    signed_in = await sign_in(ANN)
    await change_password(pool, UNLIMITED, passwords, signed_in.opened.identity, PASSWORD)
    await book(pool, order(reference="later", email=ANN), settings=INLINE)
    again = await with_password(pool, passwords, ANN.upper(), PASSWORD, UNLIMITED)
    assert again.account.id == signed_in.account.id
    assert again.opened.identity.session_id != signed_in.opened.identity.session_id
    assert await owners(conn) == {"later": signed_in.account.id}
    with pytest.raises(Unauthorized):
        await with_password(pool, passwords, ANN, f"{PASSWORD}!", UNLIMITED)


async def test_an_outdated_hash_is_replaced_at_the_next_sign_in(
    pool: Pool, conn: AsyncConnection, passwords: Passwords, sign_in: SignIn
) -> None:
    await sign_in(ANN)
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await conn.execute("update accounts set password_hash = %s", [old])
    await with_password(pool, passwords, ANN, PASSWORD, UNLIMITED)
    ((stored,),) = await (await conn.execute("select password_hash from accounts")).fetchall()
    assert not passwords.is_outdated(stored)
    await with_password(pool, passwords, ANN, PASSWORD, UNLIMITED)


async def test_a_change_of_the_password_needs_a_recent_sign_in_and_ends_the_other_sessions(
    pool: Pool, conn: AsyncConnection, passwords: Passwords, sign_in: SignIn
) -> None:
    await sign_in(ANN)
    present = (await sign_in(ANN)).opened.identity
    await change_password(pool, UNLIMITED, passwords, present, PASSWORD)
    cursor = await conn.execute("select id::text, revoked_reason from account_sessions order by created_at")
    assert [reason for _, reason in await cursor.fetchall()] == ["password", None]
    await conn.execute("update account_sessions set created_at = now() - interval '601 s'")
    with pytest.raises(Forbidden, match="Sign in again"):
        await change_password(pool, UNLIMITED, passwords, present, PASSWORD)


async def test_attempts_for_one_address_are_limited_over_all_processes(
    pool: Pool, conn: AsyncConnection, passwords: Passwords
) -> None:
    settings = Settings(sign_ins_per_minute=3)
    attempts = await asyncio.gather(
        *[with_password(pool, passwords, email, PASSWORD, settings) for email in [ANN, ANN.upper()] * 4],
        return_exceptions=True,
    )
    assert sorted(type(attempt).__name__ for attempt in attempts) == ["RateLimited"] * 5 + ["Unauthorized"] * 3
    with pytest.raises(Unauthorized):
        await with_password(pool, passwords, BOB, PASSWORD, settings)
    with pytest.raises(RateLimited) as refusal:
        await with_password(pool, passwords, ANN, PASSWORD, settings)
    assert refusal.value.headers()["RateLimit-Policy"] == '"sign_ins";q=3;w=60'
    assert 1 <= int(refusal.value.headers()["Retry-After"]) <= 60
    await conn.execute("update sign_in_limits set tried_at = array[now() - interval '61 s']")
    with pytest.raises(Unauthorized):
        await with_password(pool, passwords, ANN, PASSWORD, settings)
    assert await purge_sign_in_limits(pool, settings) == 1
    await conn.execute("update sign_in_limits set tried_at = array[now() - interval '61 s']")
    assert await purge_sign_in_limits(pool, settings) == 1


async def test_a_known_and_an_unknown_address_take_the_same_work(
    pool: Pool, faults: Faults, passwords: Passwords, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await sign_in(ANN)
    await sign_in(BOB)
    await change_password(pool, UNLIMITED, passwords, known.opened.identity, PASSWORD)
    hasher = CountingHasher(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    work = []
    for email in (ANN, BOB, "nobody@example.org"):
        faults.plan()
        hasher.hashes = 0
        await send_link(pool, Settings(messages_per_hour=0), email, None)
        with pytest.raises(Unauthorized) as refusal:
            await with_password(pool, passwords, email, "wrong password", Settings())
        work.append((tuple(faults.sent), hasher.hashes, refusal.value.body()))
    assert work == [work[0]] * 3
    assert len(work[0][0]) >= 4
