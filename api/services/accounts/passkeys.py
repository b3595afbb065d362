"""Passkeys: adding them to an account, signing in with them, and their list."""

import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg import IsolationLevel

from api.account_schemas import PasskeyAssertion, PasskeyChallenge, PasskeyCreation, PasskeyRequest
from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import Forbidden, InvalidRequest, Unauthorized
from api.services.accounts.ceremonies import (
    InvalidResponseError,
    KnownCredential,
    challenge_of,
    creation_options,
    credential_of,
    known_transports,
    new_challenge,
    request_options,
    verify_assertion,
    verify_creation,
)
from api.services.accounts.sign_in import (
    AccountRow,
    SignedIn,
    find_account,
    note_attempt,
    open_account_session,
    require_recent,
)
from api.services.accounts.tokens import Identity
from api.services.mail.outbox import notify
from api.text import normalize

_log = logging.getLogger(__name__)

_ATTEMPTS_OF = "passkeys of "
"""The start of the key of an account's attempts. It has a blank, so that no e-mail address begins with it."""


class PasskeyRow(msgspec.Struct, frozen=True):
    """A row of `passkeys.list_passkeys`."""

    id: str
    credential_id: bytes
    transports: list[str]
    name: str
    created_at: datetime
    last_used_at: datetime | None


class _FoundPasskey(msgspec.Struct, frozen=True):
    """A row of `passkeys.find_passkey`."""

    id: str
    public_key: bytes
    account_id: int
    public_id: str
    email: str
    password_hash: str | None

    @property
    def account(self) -> AccountRow:
        """Return the account of the passkey."""
        return AccountRow(self.account_id, self.public_id, self.email, self.password_hash)


async def begin_sign_in(pool: Pool, settings: Settings) -> PasskeyChallenge:
    """Store the challenge of a sign-in; return the options for the browser.

    Raises:
        psycopg.Error: nothing changed.
    """
    challenge = new_challenge()
    async with open_session(pool) as session:
        await session.run(_insert_challenge(settings, challenge, None))
    return request_options(settings, challenge)


async def sign_in_with_passkey(pool: Pool, settings: Settings, assertion: PasskeyAssertion) -> SignedIn:
    """Start a session with the response of an authenticator. Its challenge is then used up, also by a failed attempt.

    Raises:
        Unauthorized: the response is not valid, its challenge was used or has expired, no account has the passkey, or
            its counter did not increase.
        RateLimited: there were too many attempts for this account.
        psycopg.Error: nothing changed, except that the challenge may be used up.
        CommitUnknownError: a session may have begun that nobody can use.
    """
    try:
        challenge = challenge_of(assertion.client_data)
        found = await _find_passkey(pool, challenge, credential_of(assertion))
        await note_attempt(pool, settings, _ATTEMPTS_OF + found.public_id)
        sign_count = verify_assertion(
            settings, challenge, assertion, public_key=found.public_key, public_id=found.public_id
        )
    except InvalidResponseError:
        raise Unauthorized.sign_in() from None
    parameters = {"passkey_id": found.id, "sign_count": sign_count}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        if await session.run(Statement(queries.passkeys.use_passkey, parameters)):
            return await open_account_session(session, settings, found.account)
    _log.warning(
        "Refused passkey %s: it was deleted, or somebody may have copied it, because its counter (%d) did not increase",
        found.id,
        sign_count,
    )
    raise Unauthorized.sign_in()


async def begin_adding(pool: Pool, settings: Settings, identity: Identity) -> PasskeyCreation:
    """Store the challenge of a new passkey of an account; return the options for the browser.

    Raises:
        Forbidden: the session is too old, or the account has the most passkeys.
        psycopg.Error: nothing changed.
    """
    account = await find_account(pool, identity.account_id)
    challenge = new_challenge()
    async with open_session(pool) as session:
        await _require_recent(session, identity)
        known = await session.run(_select_passkeys(identity.account_id))
        _require_room(settings, known)
        await session.run(_insert_challenge(settings, challenge, identity.account_id))
    credentials = [KnownCredential(row.credential_id, row.transports) for row in known]
    return creation_options(settings, challenge, account.public_id, account.email, credentials)


async def add_passkey(pool: Pool, settings: Settings, identity: Identity, request: PasskeyRequest) -> PasskeyRow:
    """Add a passkey to an account that has signed in a short time ago. Its challenge is then used up.

    Raises:
        InvalidRequest: the response is not valid, its challenge was used or has expired, or its credential is known.
        Forbidden: the session is too old, or the account has the most passkeys.
        psycopg.Error: nothing changed, except that the challenge may be used up.
        CommitUnknownError: the passkey may be added.
    """
    try:
        challenge = challenge_of(request.client_data)
        await _take_challenge(pool, challenge, identity.account_id)
        new = verify_creation(settings, challenge, request)
    except InvalidResponseError:
        raise _unrecognised() from None
    parameters = {
        "account_id": identity.account_id,
        "credential_id": new.credential_id,
        "public_key": new.public_key,
        "sign_count": new.sign_count,
        "transports": known_transports(request.transports),
        "name": normalize(request.name),
        "limit": settings.passkeys_per_account,
    }
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await session.run(Statement(queries.accounts.lock_account, {"account_id": identity.account_id}, affects=1))
        await _require_recent(session, identity)
        added = await session.run(Statement(queries.passkeys.insert_passkey, parameters, PasskeyRow))
        if not added:
            _require_room(settings, await session.run(_select_passkeys(identity.account_id)))
            raise _unrecognised()
        await session.run(notify(identity.account_id, "passkey_added", settings))
    return added[0]


async def list_passkeys(pool: Pool, account_id: int) -> Sequence[PasskeyRow]:
    """Return the passkeys of an account, the oldest first."""
    async with open_session(pool) as session:
        return await session.run(_select_passkeys(account_id))


async def rename_passkey(pool: Pool, account_id: int, passkey_id: str, name: str) -> bool:
    """Rename a passkey of an account; return False if the account does not have it.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the passkey may be renamed. A repeat is safe.
    """
    parameters = {"account_id": account_id, "passkey_id": passkey_id, "name": normalize(name)}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        return bool(await session.run(Statement(queries.passkeys.rename_passkey, parameters)))


async def delete_passkey(pool: Pool, settings: Settings, account_id: int, passkey_id: str) -> bool:
    """Delete a passkey of an account; return False if the account does not have it.

    The account can still sign in with a link. Its sessions go on.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the passkey may be deleted. A repeat is safe.
    """
    parameters = {"account_id": account_id, "passkey_id": passkey_id}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        if not await session.run(Statement(queries.passkeys.delete_passkey, parameters)):
            return False
        await session.run(notify(account_id, "passkey_deleted", settings))
    return True


async def _find_passkey(pool: Pool, challenge: bytes, credential_id: bytes) -> _FoundPasskey:
    """Use up the challenge of a sign-in; return the passkey of a credential.

    Raises:
        InvalidResponseError: the challenge is not valid, or no account has the credential.
    """
    await _take_challenge(pool, challenge, None)
    async with open_session(pool) as session:
        statement = Statement(queries.passkeys.find_passkey, {"credential_id": credential_id}, _FoundPasskey)
        rows = await session.run(statement)
    if not rows:
        raise InvalidResponseError
    return rows[0]


async def _take_challenge(pool: Pool, challenge: bytes, account_id: int | None) -> None:
    """Use up a challenge in a transaction of its own, so that a failed attempt uses it up as well.

    Raises:
        InvalidResponseError: the challenge was used, has expired, or belongs to another ceremony.
    """
    parameters = {"challenge": challenge, "account_id": account_id}
    async with open_session(pool) as session:
        if not await session.run(Statement(queries.passkeys.take_challenge, parameters)):
            raise InvalidResponseError


async def _require_recent(session: Session, identity: Identity) -> None:
    await require_recent(session, identity, "add a passkey")


def _require_room(settings: Settings, known: Sequence[PasskeyRow]) -> None:
    """Refuse a further passkey of an account that has the most.

    Raises:
        Forbidden: the account has to delete a passkey first.
    """
    if len(known) >= settings.passkeys_per_account:
        raise Forbidden(f"An account can have {settings.passkeys_per_account} passkeys. Delete one of them first.")


def _unrecognised() -> InvalidRequest:
    return InvalidRequest("was not recognised, or it took too long. Try again", field="passkey")


def _insert_challenge(settings: Settings, challenge: bytes, account_id: int | None) -> Statement[tuple[object, ...]]:
    parameters = {
        "challenge": challenge,
        "account_id": account_id,
        "seconds": settings.passkey_challenge_seconds,
    }
    return Statement(queries.passkeys.insert_challenge, parameters, affects=1)


def _select_passkeys(account_id: int) -> Statement[PasskeyRow]:
    return Statement(queries.passkeys.list_passkeys, {"account_id": account_id}, PasskeyRow)
