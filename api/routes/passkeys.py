"""Passkeys: the challenges of their ceremonies, and the passkeys of the caller's account."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Request, Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, PathParameter

from api.account_schemas import (
    Passkey,
    PasskeyChallenge,
    PasskeyCreation,
    PasskeyList,
    PasskeyNameRequest,
    PasskeyRequest,
)
from api.database.session import with_timeout, write_with_timeout
from api.errors import ApiError, Forbidden, InvalidRequest, NotFound, Unauthorized
from api.http.identity import REQUIRED, AccountCaller, require_account
from api.http.openapi import refusals
from api.http.request_body import StrictBody
from api.http.state import ApiState
from api.routes.bookings import BODY_REFUSALS
from api.routes.me import ME
from api.routes.sessions import SESSIONS, take_attempt, take_challenge
from api.services.accounts.passkeys import (
    PasskeyRow,
    add_passkey,
    begin_adding,
    begin_sign_in,
    delete_passkey,
    list_passkeys,
    rename_passkey,
)

PASSKEYS = f"{ME}/passkeys"
PASSKEY: Final = PASSKEYS + "/{passkey_id:uuid}"
_NO_STORE = {"Cache-Control": "no-store"}
_CHANGE_REFUSALS: Final[frozenset[type[ApiError]]] = frozenset((*BODY_REFUSALS, Unauthorized, NotFound))

PasskeyId = Annotated[UUID, PathParameter(description="`id` of the passkey")]


@post(
    f"{SESSIONS}/passkeys",
    status_code=200,
    responses={
        200: ResponseSpec(PasskeyChallenge, description="The options for the browser", generate_examples=False),
        **refusals([Forbidden]),
    },
)
async def begin_sign_in_with_passkey(
    request: Request[None, None, ApiState], state: ApiState
) -> Response[PasskeyChallenge]:
    """Begin a sign-in with a passkey. Send the response of the authenticator to `POST /api/sessions`.

    The browser offers all passkeys of this web app, so that the request names no account.
    """
    take_challenge(request, state)
    options = await write_with_timeout(begin_sign_in(state.pool, state.settings))
    return Response(options, headers=_NO_STORE)


@post(
    f"{PASSKEYS}/challenges",
    status_code=200,
    guards=[require_account],
    security=REQUIRED,
    responses={
        200: ResponseSpec(PasskeyCreation, description="The options for the browser", generate_examples=False),
        **refusals((Unauthorized, Forbidden)),
    },
)
async def begin_new_passkey(
    request: Request[None, None, ApiState], state: ApiState, caller: AccountCaller
) -> Response[PasskeyCreation]:
    """Begin to add a passkey to the account. The session must have begun within the last ten minutes."""
    take_challenge(request, state)
    options = await write_with_timeout(begin_adding(state.pool, state.settings, caller))
    return Response(options, headers=_NO_STORE)


@post(
    PASSKEYS,
    status_code=201,
    dto=StrictBody[PasskeyRequest],
    return_dto=None,
    guards=[require_account],
    security=REQUIRED,
    responses={
        201: ResponseSpec(Passkey, description="Added", generate_examples=False),
        **refusals((*BODY_REFUSALS, Unauthorized)),
    },
)
async def add_new_passkey(
    request: Request[None, None, ApiState], state: ApiState, caller: AccountCaller, data: JSONBody[PasskeyRequest]
) -> Response[Passkey]:
    """Add a passkey to the account with the response of its authenticator to a challenge, which works once."""
    take_attempt(request, state)
    added = await write_with_timeout(add_passkey(state.pool, state.settings, caller, data))
    return Response(_passkey(added), status_code=201, headers=_NO_STORE)


@get(PASSKEYS, guards=[require_account], security=REQUIRED, responses=refusals([Unauthorized]))
async def get_passkeys(state: ApiState, caller: AccountCaller) -> Response[PasskeyList]:
    """Return the passkeys of the account, the oldest first."""
    rows = await with_timeout(list_passkeys(state.pool, caller.account_id))
    body = PasskeyList([_passkey(row) for row in rows], state.settings.passkeys_per_account)
    return Response(body, headers=_NO_STORE)


@put(
    PASSKEY,
    status_code=204,
    dto=StrictBody[PasskeyNameRequest],
    return_dto=None,
    guards=[require_account],
    security=REQUIRED,
    responses={204: ResponseSpec(None, description="Renamed"), **refusals(_CHANGE_REFUSALS)},
)
async def change_passkey_name(
    state: ApiState, caller: AccountCaller, passkey_id: PasskeyId, data: JSONBody[PasskeyNameRequest]
) -> Response[None]:
    """Rename a passkey of the account."""
    renaming = rename_passkey(state.pool, caller.account_id, str(passkey_id), data.name)
    return _changed(is_found=await write_with_timeout(renaming))


@delete(
    PASSKEY,
    status_code=204,
    guards=[require_account],
    security=REQUIRED,
    responses={
        204: ResponseSpec(None, description="Deleted"),
        **refusals((InvalidRequest, Unauthorized, Forbidden, NotFound)),
    },
)
async def remove_passkey(state: ApiState, caller: AccountCaller, passkey_id: PasskeyId) -> Response[None]:
    """Delete a passkey of the account. Nobody can sign in with it again; sessions that it has opened go on."""
    deleting = delete_passkey(state.pool, state.settings, caller.account_id, str(passkey_id))
    return _changed(is_found=await write_with_timeout(deleting))


def _passkey(row: PasskeyRow) -> Passkey:
    return Passkey(row.id, row.name, row.created_at, row.last_used_at)


def _changed(*, is_found: bool) -> Response[None]:
    """Return the response to a change of a passkey.

    Raises:
        NotFound: the account does not have the passkey.
    """
    if not is_found:
        raise NotFound("passkey with this id")
    return Response(None, status_code=204)
