"""The account of a request: its access token in the header `Authorization`, and the guards of routes that need one."""

from datetime import UTC, datetime
from typing import Any, Final, cast

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from api.account_schemas import Role
from api.database.session import with_timeout
from api.errors import Forbidden, Unauthorized
from api.http.state import ApiState
from api.services.accounts.grants import list_grants
from api.services.accounts.tokens import Identity

SCHEME: Final = "account"
"""The name of the security scheme in the OpenAPI document."""
OPTIONAL: Final[list[dict[str, list[str]]]] = [{}, {SCHEME: []}]
"""The security of a route that also serves guests."""
REQUIRED: Final[list[dict[str, list[str]]]] = [{SCHEME: []}]
"""The security of a route that needs an account."""

Connection = ASGIConnection[Any, Any, Any, Any]

Caller = NamedDependency[Identity | None]
"""The account of a request; None for a guest. The parameter's name is `caller`."""
AccountCaller = NamedDependency[Identity]
"""The account of a request to a route with a guard of this module. The parameter's name is `caller`."""


async def identify(request: Connection) -> Identity | None:
    """Return the account of a request; None for a guest. A dependency of the framework.

    Raises:
        Unauthorized: the access token is not valid, or its session has ended.
        psycopg.OperationalError: the ended sessions are unknown, because the database is away.
    """
    values = request.headers.getall("authorization", [])
    if not values:
        return None
    state = cast("ApiState", request.app.state)
    scheme, _, token = values[0].partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer":
        raise Unauthorized.sign_in()
    identity = state.session_keys.read(token.strip(), datetime.now(UTC))
    if identity is None or identity.session_id in await state.revoked_sessions.get():
        raise Unauthorized.sign_in()
    return identity


async def require_account(connection: Connection, _: BaseRouteHandler) -> None:
    """Admit requests of signed-in accounts. A guard of the framework, which runs before the body is read.

    Raises:
        Unauthorized: the request has no valid access token.
    """
    await _identified(connection)


def require_role(role: Role) -> Guard:
    """Return the guard that admits accounts with a role for all events.

    The guard raises Unauthorized without a valid access token, and Forbidden without the role. It reads the roles from
    the database, so that a revocation applies at once.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        identity = await _identified(connection)
        grants = await with_timeout(list_grants(connection.app.state.pool, identity.account_id))
        if not any(grant.includes(role, None) for grant in grants):
            raise Forbidden("This account lacks the role for this request.")

    return guard


def require_event_role(*roles: Role) -> Guard:
    """Return the guard that admits accounts with one of some roles for the event in the path, or for all events.

    The path names the event with `{slug:str}`. An account without a role cannot learn whether the event exists. The
    guard raises Unauthorized without a valid access token, and Forbidden without the role.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        identity = await _identified(connection)
        event: str = connection.path_params["slug"]
        grants = await with_timeout(list_grants(connection.app.state.pool, identity.account_id))
        if not any(grant.includes(role, event) for grant in grants for role in roles):
            raise Forbidden("This account lacks the role for this event.")

    return guard


async def _identified(connection: Connection) -> Identity:
    identity = await identify(connection)
    if identity is None:
        raise Unauthorized.sign_in()
    return identity
