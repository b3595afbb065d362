"""`python -m api accounts`: grants roles, lists them and revokes them. The first admin comes from here."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from api.account_schemas import Role
from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import Pool, open_pool
from api.errors import ConfigError, SetupError, UnknownEvent
from api.services.accounts import grants
from api.services.accounts.grants import Grant
from api.text import EMAIL_MAX, EMAIL_PATTERN

AUTHOR = "command line"
"""The author of the grants in the database."""

T = TypeVar("T")


async def grant(conninfo: str, settings: Settings, email: str, role: Role, event: str | None) -> None:
    """Grant a role to the account of an address; a repeat changes nothing.

    Raises:
        psycopg.Error: nothing changed.
        ConfigError: the text is no address, or there is no such event.
        SetupError: the outcome is unknown.
    """
    if len(email) > EMAIL_MAX or not re.fullmatch(EMAIL_PATTERN, email):
        raise ConfigError(f"{email!r} is not an e-mail address, such as ann@example.org.")
    try:
        await _run(conninfo, settings, lambda pool: grants.grant(pool, email, role, event, author=AUTHOR))
    except UnknownEvent as error:
        raise ConfigError(error.message) from None


async def revoke(conninfo: str, settings: Settings, email: str, role: Role, event: str | None) -> bool:
    """Revoke a role of the account of an address; return False if the account does not have it.

    Raises:
        psycopg.Error: nothing changed.
        SetupError: the outcome is unknown.
    """
    return await _run(conninfo, settings, lambda pool: grants.revoke_role(pool, email, role, event, author=AUTHOR))


async def list_all(conninfo: str, settings: Settings) -> Sequence[Grant]:
    """Return the roles of all accounts, by address."""
    return await _run(conninfo, settings, lambda pool: grants.list_grants(pool, limit=None))


def report(found: Sequence[Grant]) -> str:
    """Return a line for each role."""
    lines = [f"{each.email}  {each.role}  {each.event or 'all events'}" for each in found]
    return "\n".join(lines) or "No account has a role."


async def _run(conninfo: str, settings: Settings, work: Callable[[Pool], Awaitable[T]]) -> T:
    async with open_pool(conninfo, settings) as pool:
        try:
            return await work(pool)
        except CommitUnknownError as error:
            raise SetupError(f"The outcome is unknown, and the command can be repeated: {error}") from error
