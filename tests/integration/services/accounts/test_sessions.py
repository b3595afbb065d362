"""Sessions: concurrent and repeated refreshes get one token, and a replayed token ends the session."""

import asyncio

import pytest
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.errors import Unauthorized
from api.services.accounts.purges import purge_sessions
from api.services.accounts.sessions import (
    OpenedSession,
    find_session,
    list_revoked,
    refresh_session,
    sign_out,
    sign_out_everywhere,
)
from api.services.accounts.tokens import SessionKeys
from tests.integration.services.accounts.conftest import ANN, BOB, NEXT_SESSION_SECRET, SESSION_SECRET, SignIn

TABS = 12
END_OF_GRACE = "update account_sessions set rotated_at = rotated_at - interval '11 s'"


@pytest.fixture
async def opened(sign_in: SignIn) -> OpenedSession:
    return (await sign_in(ANN)).opened


async def refresh(pool: Pool, keys: SessionKeys, text: str) -> str:
    return (await refresh_session(pool, Settings(), keys, text)).token.text


async def states(conn: AsyncConnection) -> list[tuple[int, str | None]]:
    cursor = await conn.execute("select generation, revoked_reason from account_sessions order by created_at")
    return list(await cursor.fetchall())


async def test_twelve_tabs_that_refresh_at_once_get_one_token(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, opened: OpenedSession
) -> None:
    tokens = await asyncio.gather(*[refresh(pool, keys, opened.token.text) for _ in range(TABS)])
    assert len({*tokens}) == 1
    assert opened.token.text not in tokens
    assert await states(conn) == [(2, None)]


async def test_a_lost_response_costs_nothing(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, opened: OpenedSession
) -> None:
    lost = await refresh(pool, keys, opened.token.text)
    assert await refresh(pool, keys, opened.token.text) == lost
    following = await refresh(pool, keys, lost)
    assert following != lost
    assert await states(conn) == [(3, None)]


async def test_the_present_token_and_the_one_before_in_its_grace_give_access(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, opened: OpenedSession
) -> None:
    assert await find_session(pool, Settings(), opened.token.text) == opened.identity
    present = await refresh(pool, keys, opened.token.text)
    assert await find_session(pool, Settings(), opened.token.text) == opened.identity
    await conn.execute(END_OF_GRACE)
    with pytest.raises(Unauthorized):
        await find_session(pool, Settings(), opened.token.text)
    # A connection may hold an old token, so the session goes on.
    assert await find_session(pool, Settings(), present) == opened.identity
    await sign_out(pool, opened.identity.session_id)
    with pytest.raises(Unauthorized):
        await find_session(pool, Settings(), present)


async def test_the_token_before_is_refused_after_the_grace_and_ends_the_session(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, opened: OpenedSession
) -> None:
    following = await refresh(pool, keys, opened.token.text)
    await conn.execute(END_OF_GRACE)
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, opened.token.text)
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, following)
    assert await states(conn) == [(2, "replay")]
    assert await list_revoked(pool, Settings()) == {opened.identity.session_id}


async def test_a_token_two_generations_old_has_no_grace(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, opened: OpenedSession
) -> None:
    following = await refresh(pool, keys, await refresh(pool, keys, opened.token.text))
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, opened.token.text)
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, following)
    assert await states(conn) == [(3, "replay")]


async def test_a_rotation_of_the_keys_within_the_grace_keeps_the_token(
    pool: Pool, keys: SessionKeys, opened: OpenedSession
) -> None:
    following = await refresh(pool, keys, opened.token.text)
    rotated = SessionKeys(f"{NEXT_SESSION_SECRET},{SESSION_SECRET}")
    assert await refresh(pool, rotated, opened.token.text) == following
    await refresh(pool, rotated, following)


async def test_the_present_token_lives_through_a_complete_change_of_the_keys(
    pool: Pool, conn: AsyncConnection, opened: OpenedSession
) -> None:
    await refresh(pool, SessionKeys(NEXT_SESSION_SECRET), opened.token.text)
    assert await states(conn) == [(2, None)]


@pytest.mark.parametrize("text", ["", "x", "7c9e6679-7425-40de-944b-e07fc1f90ae7.x", "x.7c9e6679"])
async def test_an_unknown_token_is_refused(pool: Pool, keys: SessionKeys, text: str) -> None:
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, text)


async def test_an_expired_session_is_refused_and_purged_after_a_day(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, opened: OpenedSession
) -> None:
    await conn.execute("update account_sessions set expires_at = now()")
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, opened.token.text)
    assert await purge_sessions(pool, Settings()) == 0
    await conn.execute("update account_sessions set expires_at = now() - interval '25 hours'")
    assert await purge_sessions(pool, Settings()) == 1


async def test_a_refresh_leaves_the_end_of_the_session(pool: Pool, keys: SessionKeys, opened: OpenedSession) -> None:
    refreshed = await refresh_session(pool, Settings(), keys, opened.token.text)
    assert refreshed.identity == opened.identity
    assert 0 <= opened.seconds_left - refreshed.seconds_left < 60


async def test_a_sign_out_ends_one_session_and_a_sign_out_everywhere_all_of_the_account(
    pool: Pool, conn: AsyncConnection, keys: SessionKeys, sign_in: SignIn
) -> None:
    first, second, other = [(await sign_in(email)).opened for email in (ANN, ANN, BOB)]
    await sign_out(pool, first.identity.session_id)
    with pytest.raises(Unauthorized):
        await refresh(pool, keys, first.token.text)
    assert await list_revoked(pool, Settings()) == {first.identity.session_id}
    await sign_out_everywhere(pool, second.identity.account_id)
    assert await states(conn) == [(1, "sign_out"), (1, "everywhere"), (1, None)]
    assert other.identity.session_id not in await list_revoked(pool, Settings())


@pytest.mark.parametrize(("age_s", "is_listed"), [(0, True), (600, True), (715, True), (721, False)])
async def test_an_ended_session_is_listed_while_a_slow_clock_may_accept_its_tokens(
    pool: Pool, conn: AsyncConnection, opened: OpenedSession, age_s: int, *, is_listed: bool
) -> None:
    await sign_out(pool, opened.identity.session_id)
    await conn.execute("update account_sessions set revoked_at = revoked_at - make_interval(secs => %s)", (age_s,))
    settings = Settings(access_token_seconds=600, clock_difference_max_s=60)
    assert (opened.identity.session_id in await list_revoked(pool, settings)) is is_listed
