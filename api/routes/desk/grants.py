"""The roles of accounts, which only an admin for all events sees and changes."""

from typing import Annotated, Final

from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter

from api.account_schemas import GrantedRole, GrantList, GrantRequest
from api.database.session import with_timeout, write_with_timeout
from api.errors import ApiError, Forbidden, InvalidRequest, NotFound, Unauthorized, UnknownEvent
from api.http.identity import REQUIRED, AccountCaller, require_role
from api.http.openapi import refusals
from api.http.request_body import StrictBody
from api.http.state import ApiState
from api.routes.bookings import BODY_REFUSALS
from api.services.accounts.grants import grant, list_grants, revoke

GRANTS = "/api/desk/grants"
_ADMIN = require_role("admin")
_CHANGE_REFUSALS: Final[frozenset[type[ApiError]]] = frozenset((*BODY_REFUSALS, Unauthorized, UnknownEvent))


@get(GRANTS, guards=[_ADMIN], security=REQUIRED, responses=refusals([Unauthorized, Forbidden]))
async def get_grants(state: ApiState) -> Response[GrantList]:
    """Return the roles of all accounts by address, at most 1,000 of them."""
    grants = await with_timeout(list_grants(state.pool))
    body = GrantList([GrantedRole(each.id, each.email, each.role, each.event, each.granted_at) for each in grants])
    return Response(body, headers={"Cache-Control": "no-store"})


@post(
    GRANTS,
    status_code=204,
    dto=StrictBody[GrantRequest],
    return_dto=None,
    guards=[_ADMIN],
    security=REQUIRED,
    responses={
        204: ResponseSpec(None, description="Granted by this or an earlier request"),
        **refusals(_CHANGE_REFUSALS),
    },
)
async def grant_role(state: ApiState, caller: AccountCaller, data: JSONBody[GrantRequest]) -> Response[None]:
    """Grant a role to the account of an address, which is made if it is missing."""
    await write_with_timeout(grant(state.pool, data.email, data.role, data.event, author=caller.buyer))
    return Response(None, status_code=204)


@delete(
    GRANTS + "/{grant_id:int}",
    status_code=204,
    guards=[_ADMIN],
    security=REQUIRED,
    responses=refusals((InvalidRequest, Unauthorized, Forbidden, NotFound)),
)
async def revoke_role(
    state: ApiState,
    caller: AccountCaller,
    grant_id: Annotated[int, PathParameter(description="`id` of the grant", ge=1, le=2**63 - 1)],
) -> Response[None]:
    """Revoke a role. The list of grants no longer contains it, and the database keeps it with its end."""
    if not await write_with_timeout(revoke(state.pool, grant_id, author=caller.buyer)):
        raise NotFound("grant with this id")
    return Response(None, status_code=204)
