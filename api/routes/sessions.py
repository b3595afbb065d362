"""Sessions: the sign-in, the exchange of refresh tokens, and the sign-out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from litestar import Request, Response, delete, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.account_schemas import Account, AccountRole, AccountSession, SignInRequest
from api.database.session import with_timeout, write_with_timeout
from api.errors import ApiError, Forbidden, InvalidRequest, RateLimited, Unauthorized
from api.http.client_address import client_network
from api.http.identity import REQUIRED, AccountCaller, require_account
from api.http.openapi import refusals
from api.http.problems import problem
from api.http.rate_limit import Limit, address_of
from api.http.request_body import StrictBody
from api.http.responses import RawResponse
from api.http.session_cookie import HostSessionCookie, SessionCookie, clear_cookie, set_cookie
from api.http.state import ApiState
from api.routes.bookings import BODY_REFUSALS
from api.routes.messages import queue_evenly, take_message
from api.schemas import EmailRequest, MessageQueued
from api.services.accounts.grants import list_grants
from api.services.accounts.passkeys import sign_in_with_passkey
from api.services.accounts.sessions import (
    find_session,
    refresh_session,
    sign_out,
    sign_out_everywhere,
)
from api.services.accounts.sign_in import (
    AccountRow,
    find_account,
    send_link,
    sign_in_with_link,
    sign_in_with_password,
)
from api.services.accounts.tokens import Identity, RefreshToken

SESSIONS = "/api/sessions"
_MINUTE_S = 60
_SIGN_IN_REFUSALS: Final[frozenset[type[ApiError]]] = frozenset((*BODY_REFUSALS, Unauthorized, RateLimited))
_OPENED = ResponseSpec(AccountSession, description="Signed in; a cookie has the refresh token", generate_examples=False)


@post(
    f"{SESSIONS}/links",
    status_code=202,
    dto=StrictBody[EmailRequest],
    return_dto=None,
    responses={
        202: ResponseSpec(MessageQueued, description="An e-mail follows", generate_examples=False),
        **refusals((*BODY_REFUSALS, RateLimited)),
    },
)
async def send_sign_in_link(
    request: Request[None, None, ApiState], state: ApiState, data: JSONBody[EmailRequest]
) -> Response[MessageQueued]:
    """Send a link to an address, with which its owner signs in once.

    The first sign-in makes the account, so that the response and the e-mail are the same for every address.
    """
    take_message(request, state)
    await queue_evenly(state, send_link(state.pool, state.settings, data.email, data.locale))
    return Response(MessageQueued(), status_code=202, headers={"Cache-Control": "no-store"})


@post(
    SESSIONS,
    status_code=200,
    dto=StrictBody[SignInRequest],
    return_dto=None,
    responses={200: _OPENED, **refusals(_SIGN_IN_REFUSALS)},
)
async def sign_in(
    request: Request[None, None, ApiState], state: ApiState, data: JSONBody[SignInRequest]
) -> Response[bytes]:
    """Sign in with the token of a link, a password or a passkey. The account gets the guest orders of its address.

    Every failed sign-in has the same response.
    """
    take_attempt(request, state)
    if data.passkey is not None and data.method == "passkey":
        signed_in = await write_with_timeout(sign_in_with_passkey(state.pool, state.settings, data.passkey))
    elif data.token is not None and data.method == "link":
        signed_in = await write_with_timeout(
            sign_in_with_link(state.pool, state.settings, state.access_secret, data.token)
        )
    else:
        email, password = data.email or "", data.password or ""
        # The wait for the hash has a limit of its own, so that only the statements have a timeout.
        signed_in = await sign_in_with_password(state.pool, state.settings, state.passwords, email, password)
    cookie = set_cookie(signed_in.opened, has_tls=state.settings.has_tls)
    return await _with_token(state, signed_in.account, signed_in.opened.identity, cookie)


@post(
    f"{SESSIONS}/refresh",
    status_code=200,
    responses={200: _OPENED, **refusals((InvalidRequest, Unauthorized, Forbidden, RateLimited))},
)
async def refresh(
    state: ApiState, session: SessionCookie = None, host_session: HostSessionCookie = None
) -> Response[bytes]:
    """Exchange the refresh token in the cookie for the next one, and return a new access token.

    A repeat within `REFRESH_GRACE_S` gets the same refresh token. Any later repeat ends the session.
    """
    text = _presented(state, session, host_session)
    try:
        opened = await write_with_timeout(refresh_session(state.pool, state.settings, state.session_keys, text))
    except Unauthorized as error:
        return problem(error, clear_cookie(has_tls=state.settings.has_tls)).to_litestar()
    account = await with_timeout(find_account(state.pool, opened.identity.account_id))
    return await _with_token(state, account, opened.identity, set_cookie(opened, has_tls=state.settings.has_tls))


@post(
    f"{SESSIONS}/access",
    status_code=200,
    responses={
        200: ResponseSpec(AccountSession, description="An access token", generate_examples=False),
        **refusals((InvalidRequest, Unauthorized, Forbidden, RateLimited)),
    },
)
async def open_access(
    state: ApiState, session: SessionCookie = None, host_session: HostSessionCookie = None
) -> Response[bytes]:
    """Return an access token for the session in the cookie, whose refresh token stays valid.

    A server that acts for a browser needs it, because it cannot give the browser another cookie.
    """
    text = _presented(state, session, host_session)
    identity = await with_timeout(find_session(state.pool, state.settings, text))
    account = await with_timeout(find_account(state.pool, identity.account_id))
    return await _with_token(state, account, identity, {})


@delete(
    f"{SESSIONS}/current",
    status_code=204,
    guards=[require_account],
    security=REQUIRED,
    responses=refusals((Unauthorized, Forbidden)),
)
async def end_session(state: ApiState, caller: AccountCaller) -> Response[None]:
    """Sign out: end the session of the access token. Its access tokens are refused within a second."""
    await write_with_timeout(sign_out(state.pool, caller.session_id))
    return Response(None, status_code=204, headers=clear_cookie(has_tls=state.settings.has_tls))


@delete(
    SESSIONS,
    status_code=204,
    guards=[require_account],
    security=REQUIRED,
    responses=refusals((Unauthorized, Forbidden)),
)
async def end_sessions(state: ApiState, caller: AccountCaller) -> Response[None]:
    """Sign out everywhere: end all sessions of the account. Their access tokens are refused within a second."""
    await write_with_timeout(sign_out_everywhere(state.pool, caller.account_id))
    return Response(None, status_code=204, headers=clear_cookie(has_tls=state.settings.has_tls))


async def describe(state: ApiState, account: AccountRow) -> Account:
    """Return an account with its roles."""
    grants = await with_timeout(list_grants(state.pool, account.id))
    roles = [AccountRole(grant.role, grant.event) for grant in grants]
    return Account(account.public_id, account.email, account.password_hash is not None, roles)


def _presented(state: ApiState, session: str | None, host_session: str | None) -> str:
    """Return the refresh token in the cookie, and take a unit of its session.

    Raises:
        RateLimited: the session has no unit left.
    """
    # The other name is ignored, because a neighbouring host or the network may have set that cookie.
    text = (host_session if state.settings.has_tls else session) or ""
    if presented := RefreshToken.parse(text):
        # Many buyers may share a network address, and only the browser of a session has its id.
        _take(state.refreshes, presented.session_id, "refreshes")
    return text


async def _with_token(
    state: ApiState, account: AccountRow, identity: Identity, headers: Mapping[str, str]
) -> Response[bytes]:
    """Return a response with a new access token of a session."""
    token = state.session_keys.issue(identity, datetime.now(UTC), valid_s=state.settings.access_token_seconds)
    body = AccountSession(token.text, token.expires_at, await describe(state, account))
    return RawResponse(msgspec.json.encode(body), headers={"Cache-Control": "no-store", **headers}).to_litestar()


def take_attempt(request: Request[None, None, ApiState], state: ApiState) -> None:
    """Take a unit of the client's limit for attempts to sign in, which also applies to changes of a password.

    Raises:
        RateLimited: the client's network has tried too often.
    """
    _take(state.sign_ins_from_address, client_network(address_of(request.scope)), "sign_ins_from_address")


def take_challenge(request: Request[None, None, ApiState], state: ApiState) -> None:
    """Take a unit of the client's limit for challenges of passkeys, which the database stores.

    Raises:
        RateLimited: the client's network has requested too many.
    """
    _take(state.passkey_challenges, client_network(address_of(request.scope)), "passkey_challenges")


def _take(limit: Limit, key: str, name: Literal["sign_ins_from_address", "refreshes", "passkey_challenges"]) -> None:
    """Take a unit of a key.

    Raises:
        RateLimited: the key has no unit left.
    """
    if wait_s := limit.take(key):
        raise RateLimited(name, quota=limit.quota, window_s=_MINUTE_S, retry_after_s=wait_s)
