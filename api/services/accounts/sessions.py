"""Sessions of signed-in browsers: their start, the exchange of refresh tokens, and their end."""

import hmac
from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import Unauthorized
from api.services.accounts.tokens import Identity, RefreshToken, SessionKeys

RevokedReason = Literal["sign_out", "everywhere", "replay", "password"]
_DAY_S = 86_400


class OpenedSession(msgspec.Struct, frozen=True):
    """A session with the refresh token that its browser keeps."""

    identity: Identity
    token: RefreshToken
    seconds_left: int
    """Seconds until the browser has to sign in again."""


class _Locked(msgspec.Struct, frozen=True):
    """A row of `account_sessions.lock_session`."""

    id: str
    account_id: int
    public_id: str
    generation: int
    token_digest: bytes
    previous_digest: bytes | None
    in_grace: bool
    """True if the present token was made less than `REFRESH_GRACE_S` ago."""
    live: bool
    seconds_left: int


async def start_session(session: Session, settings: Settings, account_id: int, public_id: str) -> OpenedSession:
    """Start a session of an account, in the transaction of the caller."""
    session_id = str(uuid4())
    token = RefreshToken.new(session_id)
    parameters = {
        "session_id": session_id,
        "account_id": account_id,
        "token_digest": token.digest,
        "days": settings.session_days,
    }
    await session.run(Statement(queries.account_sessions.insert_session, parameters, affects=1))
    return OpenedSession(Identity(account_id, public_id, session_id), token, settings.session_days * _DAY_S)


async def refresh_session(pool: Pool, settings: Settings, keys: SessionKeys, text: str) -> OpenedSession:
    """Exchange a refresh token for the next one.

    A repeat within `REFRESH_GRACE_S` gets the same token, so that concurrent tabs and a lost response sign nobody out.
    Any other token than the present one revokes the session, because somebody else may have copied it.

    Raises:
        Unauthorized: the token is unknown, replayed, or of a session that has ended.
        psycopg.Error: the token is still valid.
        CommitUnknownError: the token may be exchanged. A repeat within `REFRESH_GRACE_S` gets the new one.
    """
    presented = RefreshToken.parse(text)
    if presented is None:
        raise Unauthorized.sign_in()
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        opened = await _exchange(session, settings, keys, presented)
    if opened is None:  # The transaction that has revoked the session is committed.
        raise Unauthorized.sign_in()
    return opened


async def find_session(pool: Pool, settings: Settings, text: str) -> Identity:
    """Return the identity of a refresh token, which stays valid.

    A connection keeps the token of its handshake, so an older token proves nothing and does not end the session.

    Raises:
        Unauthorized: the token is unknown, older than the present one, or of a session that has ended.
    """
    presented = RefreshToken.parse(text)
    if presented is None:
        raise Unauthorized.sign_in()
    parameters = {
        "session_id": presented.session_id,
        "digest": presented.digest,
        "grace_s": settings.refresh_grace_s,
    }
    async with open_session(pool) as session:
        found = await session.run(Statement(queries.account_sessions.find_session, parameters, Identity))
    if not found:
        raise Unauthorized.sign_in()
    return found[0]


async def _exchange(
    session: Session, settings: Settings, keys: SessionKeys, presented: RefreshToken
) -> OpenedSession | None:
    parameters = {"session_id": presented.session_id, "grace_s": settings.refresh_grace_s}
    rows = await session.run(Statement(queries.account_sessions.lock_session, parameters, _Locked))
    if not rows or not rows[0].live:
        return None
    locked = rows[0]
    following = _following(keys, locked, presented)
    if following is None:
        await session.run(_revoke(locked.id, "replay"))
        return None
    if hmac.compare_digest(presented.digest, locked.token_digest):
        parameters = {"session_id": locked.id, "token_digest": following.digest}
        await session.run(Statement(queries.account_sessions.rotate_session, parameters, affects=1))
    return OpenedSession(Identity(locked.account_id, locked.public_id, locked.id), following, locked.seconds_left)


def _following(keys: SessionKeys, locked: _Locked, presented: RefreshToken) -> RefreshToken | None:
    """Return the token that follows a presented one; None if the presented one is neither present nor in its grace."""
    if hmac.compare_digest(presented.digest, locked.token_digest):
        return next(keys.successors(presented, locked.generation))
    if not locked.in_grace or presented.digest != locked.previous_digest:
        return None
    # Another key may have made the present token, before a rotation of the keys.
    candidates = keys.successors(presented, locked.generation - 1)
    return next((token for token in candidates if token.digest == locked.token_digest), None)


async def sign_out(pool: Pool, session_id: str) -> None:
    """End a session.

    Raises:
        psycopg.Error: the session goes on.
        CommitUnknownError: the session may have ended. A repeat is safe.
    """
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(_revoke(session_id, "sign_out"))


async def sign_out_everywhere(pool: Pool, account_id: int) -> None:
    """End all sessions of an account.

    Raises:
        psycopg.Error: the sessions go on.
        CommitUnknownError: the sessions may have ended. A repeat is safe.
    """
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(revoke_all(account_id, "everywhere"))


def _revoke(session_id: str, reason: RevokedReason) -> Statement[tuple[object, ...]]:
    parameters = {"session_id": session_id, "reason": reason}
    return Statement(queries.account_sessions.revoke_session, parameters)


def revoke_all(account_id: int, reason: RevokedReason, except_id: str | None = None) -> Statement[tuple[object, ...]]:
    """Return the statement that ends the sessions of an account, except for one of them."""
    parameters = {"account_id": account_id, "reason": reason, "except_id": except_id}
    return Statement(queries.account_sessions.revoke_sessions, parameters)


async def list_revoked(pool: Pool, settings: Settings) -> frozenset[str]:
    """Return the ids of the sessions that have ended while a process may still accept their access tokens.

    A token has its times by the clock of the process that has issued it, and another process compares them with its own
    clock. So both may differ from the clock of the database.
    """
    parameters = {"seconds": settings.access_token_seconds + 2 * settings.clock_difference_max_s}
    async with open_session(pool) as session:
        rows: Sequence[tuple[str]] = await session.run(Statement(queries.account_sessions.list_revoked, parameters))
    return frozenset(session_id for (session_id,) in rows)
