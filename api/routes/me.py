"""The account of the caller: its data, its password and its orders."""

from typing import Annotated

from litestar import Request, Response, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from api.account_schemas import Account, PasswordRequest
from api.database.session import with_timeout
from api.errors import InvalidRequest, Unauthorized
from api.http.identity import REQUIRED, AccountCaller, require_account
from api.http.openapi import refusals
from api.http.rate_limit import address_of
from api.http.request_body import StrictBody
from api.http.state import ApiState
from api.routes.bookings import BODY_REFUSALS, ORDERS_PER_UNIT, SHOW, Cursor, PageLimit
from api.routes.sessions import describe, take_attempt
from api.schemas import OrderPage
from api.services.accounts.sign_in import change_password, find_account
from api.services.order_views import Show, list_account_orders

ME = "/api/me"
_NO_STORE = {"Cache-Control": "no-store"}


@get(ME, guards=[require_account], security=REQUIRED, responses=refusals([Unauthorized]))
async def get_me(state: ApiState, caller: AccountCaller) -> Response[Account]:
    """Return the account of the access token, with its roles."""
    account = await with_timeout(find_account(state.pool, caller.account_id))
    return Response(await describe(state, account), headers=_NO_STORE)


@put(
    f"{ME}/password",
    status_code=204,
    dto=StrictBody[PasswordRequest],
    return_dto=None,
    guards=[require_account],
    security=REQUIRED,
    responses={
        204: ResponseSpec(None, description="Changed; all other sessions have ended"),
        **refusals((*BODY_REFUSALS, Unauthorized)),
    },
)
async def set_password(
    request: Request[None, None, ApiState], state: ApiState, caller: AccountCaller, data: JSONBody[PasswordRequest]
) -> Response[None]:
    """Set the password of the account. The session must have begun within the last ten minutes."""
    take_attempt(request, state)
    await change_password(state.pool, state.settings, state.passwords, caller, data.password)
    return Response(None, status_code=204)


@get(f"{ME}/orders", guards=[require_account], security=REQUIRED, responses=refusals([InvalidRequest, Unauthorized]))
async def get_account_orders(
    request: Request[None, None, ApiState],
    state: ApiState,
    caller: AccountCaller,
    show: Annotated[Show | None, SHOW] = None,
    limit: PageLimit = 20,
    cursor: Cursor = None,
) -> Response[OrderPage]:
    """Return the bookings of the account, newest first. A sign-in has added the guest bookings of its address."""
    page = await with_timeout(list_account_orders(state.pool, caller.account_id, show=show, limit=limit, cursor=cursor))
    state.throttle.charge(address_of(request.scope), len(page.orders) // ORDERS_PER_UNIT)
    return Response(page, headers=_NO_STORE)
