"""Sign-in with the link of an e-mail or with a password.

A sign-in with a link makes the account of an unknown address. So every address gets an e-mail and the same response,
and nobody learns who has an account.
"""

import hashlib
from typing import Any

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import Forbidden, RateLimited, Unauthorized
from api.schemas import Locale
from api.services.accounts.links import read_token
from api.services.accounts.passwords import Passwords
from api.services.accounts.sessions import OpenedSession, revoke_all, start_session
from api.services.accounts.tokens import Identity
from api.services.mail.outbox import UNLIMITED, notify

RECENT_S = 600
"""Time after a sign-in in which the account can change its password and add passkeys, in seconds."""
CLAIMED_MAX = 1000
"""The most guest orders that one sign-in gives to the account. The next sign-in claims further ones."""
_MINUTE_S = 60


class AccountRow(msgspec.Struct, frozen=True):
    """A row of `accounts.find_by_email`."""

    id: int
    public_id: str
    email: str
    password_hash: str | None


class SignedIn(msgspec.Struct, frozen=True):
    """A new session and its account."""

    account: AccountRow
    opened: OpenedSession


class _UsedLink(msgspec.Struct, frozen=True):
    """A row of `sign_ins.use_link`."""

    email: str
    locale: Locale


async def send_link(pool: Pool, settings: Settings, email: str, locale: Locale | None) -> None:
    """Queue a message with a link to sign in, unless the address has too many usable links.

    Without `locale` the message has the language of the account.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the message may be queued.
    """
    parameters = {
        "email": email,
        "locale": locale,
        "domain": settings.mail_domain,
        "limit": settings.messages_per_hour or UNLIMITED,
        "minutes": settings.sign_in_link_minutes,
    }
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(Statement(queries.message_requests.lock_address, {"email": email}))
        await session.run(Statement(queries.sign_ins.insert_link, parameters))


async def sign_in_with_link(pool: Pool, settings: Settings, key: str, token: str) -> SignedIn:
    """Start a session with the token of a link, which is then used up; `key` is the text of `ACCESS_SECRET`.

    Raises:
        Unauthorized: the token is wrong, used or too old.
        psycopg.Error: the link is still valid.
        CommitUnknownError: the link may be used.
    """
    link_id = read_token(key, token)
    if link_id is None:
        raise Unauthorized.sign_in()
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        links = await session.run(Statement(queries.sign_ins.use_link, {"link_id": link_id}, _UsedLink))
        if not links:
            raise Unauthorized.sign_in()
        parameters = {"email": links[0].email, "locale": links[0].locale}
        (account,) = await session.run(Statement(queries.accounts.upsert_verified, parameters, AccountRow))
        return await open_account_session(session, settings, account)


async def sign_in_with_password(
    pool: Pool, settings: Settings, passwords: Passwords, email: str, password: str
) -> SignedIn:
    """Start a session with a password. A known and an unknown address take the same statements and the same hash.

    Raises:
        Unauthorized: the address has no account, the account has no password, or the password is wrong or has changed.
        RateLimited: there were too many attempts for this address.
        Busy: too many passwords wait for their hash.
        psycopg.Error: nothing changed, except that the attempt may count.
        CommitUnknownError: a session may have begun that nobody can use.
    """
    await note_attempt(pool, settings, email)
    async with open_session(pool) as session:
        rows = await session.run(Statement(queries.accounts.find_by_email, {"email": email}, AccountRow))
    account = rows[0] if rows else None
    stored = account.password_hash if account else None
    if not await passwords.verify(stored, password) or account is None or stored is None:
        raise Unauthorized.sign_in()
    renewed = await passwords.hash(password) if passwords.is_outdated(stored) else None
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        # The password may have changed since its hash was read. A session with the old one must not begin.
        verified = {"account_id": account.id, "password_hash": stored}
        if not await session.run(Statement(queries.accounts.lock_password, verified)):
            raise Unauthorized.sign_in()
        if renewed is not None:
            await session.run(_change_password(account.id, renewed))
        return await open_account_session(session, settings, account)


async def change_password(
    pool: Pool, settings: Settings, passwords: Passwords, identity: Identity, password: str
) -> None:
    """Set the password of an account that has signed in a short time ago. All of its other sessions end.

    Raises:
        Forbidden: the session is older than `RECENT_S`, so that a copied access token cannot take over the account.
        Busy: too many passwords wait for their hash.
        psycopg.Error: nothing changed.
        CommitUnknownError: the password may be changed. A repeat is safe.
    """
    async with open_session(pool) as session:
        await require_recent(session, identity, "change the password")
    changed = await passwords.hash(password)
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await require_recent(session, identity, "change the password")  # The session may have ended during the hash.
        await session.run(_change_password(identity.account_id, changed))
        await session.run(revoke_all(identity.account_id, "password", except_id=identity.session_id))
        await session.run(notify(identity.account_id, "password_changed", settings))


async def require_recent(session: Session, identity: Identity, purpose: str) -> None:
    """Refuse a change of the account in a session that has ended or is too old; `purpose` completes the message.

    Raises:
        Forbidden: the account has to sign in again.
    """
    parameters = {"session_id": identity.session_id, "seconds": RECENT_S}
    ((is_recent,),) = await session.run(Statement(queries.account_sessions.is_recent, parameters))
    if not is_recent:
        raise Forbidden(f"Sign in again before you {purpose}.")


async def find_account(pool: Pool, account_id: int) -> AccountRow:
    """Return an account."""
    async with open_session(pool) as session:
        (account,) = await session.run(Statement(queries.accounts.find_by_id, {"account_id": account_id}, AccountRow))
    return account


async def open_account_session(session: Session, settings: Settings, account: AccountRow) -> SignedIn:
    """Start a session of an account whose address is verified, and give the account its guest orders."""
    opened = await start_session(session, settings, account.id, account.public_id)
    parameters = {"account_id": account.id, "email": account.email, "limit": CLAIMED_MAX}
    await session.run(Statement(queries.accounts.claim_orders, parameters))
    return SignedIn(account, opened)


async def note_attempt(pool: Pool, settings: Settings, subject: str) -> None:
    """Note an attempt for an address, or for another subject of `SIGN_INS_PER_MINUTE`.

    Raises:
        RateLimited: there were too many attempts.
    """
    quota = settings.sign_ins_per_minute
    if not quota:
        return
    parameters = {"key": hashlib.sha256(subject.lower().encode()).digest(), "limit": quota}
    async with open_session(pool) as session:
        if await session.run(Statement(queries.sign_ins.note_attempt, parameters)):
            return
        ((wait_s,),) = await session.run(Statement(queries.sign_ins.find_wait, {"key": parameters["key"]}))
    raise RateLimited("sign_ins", quota=quota, window_s=_MINUTE_S, retry_after_s=wait_s or 1)


def _change_password(account_id: int, password_hash: str) -> Statement[tuple[Any, ...]]:
    parameters = {"account_id": account_id, "password_hash": password_hash}
    return Statement(queries.accounts.change_password, parameters, affects=1)
