"""Roles of accounts: for one event, or for all events."""

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

import msgspec
from psycopg import IsolationLevel

from api.account_schemas import Role
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.errors import UnknownEvent

ROLES: tuple[Role, ...] = get_args(Role)
LISTED_MAX = 1000
"""The most grants in a response."""


class Grant(msgspec.Struct, frozen=True):
    """A row of `grants.list_grants`."""

    id: int
    email: str
    role: Role
    event: str | None
    """The event's slug; None for all events."""
    granted_at: datetime

    def includes(self, role: Role, event: str | None) -> bool:
        """Return whether the grant gives a role for an event, or for all events if `event` is None."""
        return self.role in (role, "admin") and self.event in (None, event)


async def list_grants(pool: Pool, account_id: int | None = None, *, limit: int | None = LISTED_MAX) -> Sequence[Grant]:
    """Return the grants of an account, or of all accounts, by address; at most `limit` of them, or all for None."""
    parameters = {"account_id": account_id, "limit": limit}
    async with open_session(pool) as session:
        return await session.run(Statement(queries.grants.list_grants, parameters, Grant))


async def grant(pool: Pool, email: str, role: Role, event: str | None, *, author: str) -> None:
    """Grant a role to the account of an address, which is made if it is missing. A repeat changes nothing.

    Raises:
        UnknownEvent: no event has this slug.
        psycopg.Error: nothing changed.
        CommitUnknownError: the role may be granted. A repeat is safe.
    """
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        event_id = None
        if event is not None:
            events = await session.run(Statement(queries.grants.find_event, {"event": event}))
            if not events:
                raise UnknownEvent(event)
            ((event_id,),) = events
        await session.run(Statement(queries.accounts.insert_unverified, {"email": email}))
        parameters = {"email": email, "role": role, "event_id": event_id, "author": author}
        await session.run(Statement(queries.grants.insert_grant, parameters))


async def revoke_role(pool: Pool, email: str, role: Role, event: str | None, *, author: str) -> bool:
    """Revoke a role of the account of an address; return False if the account does not have it.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the role may be revoked. A repeat is safe.
    """
    parameters = {"email": email, "role": role, "event": event, "author": author}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        return bool(await session.run(Statement(queries.grants.revoke_role, parameters)))


async def revoke(pool: Pool, grant_id: int, *, author: str) -> bool:
    """Revoke a role; return False if there is no such grant, or no longer.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the role may be revoked. A repeat is safe.
    """
    parameters = {"grant_id": grant_id, "author": author}
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        return bool(await session.run(Statement(queries.grants.revoke_grant, parameters)))
