"""The API over HTTP, as the caller of a browser's session.

The cookie of a connection proves its session. The API exchanges the cookie for an access token, and the cookie stays
valid. The token stays in the memory of this process.
"""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from webapp.settings import StaffLimits
from webapp.staff.clients import Quota

_COOKIES = ("__Host-session", "session")
"""The names of the API's cookie, the safer one first."""
_TOKENS_MAX = 1000
"""Access tokens in memory. The API gives another one for a dropped token."""
_REFUSED_MAX = 10_000
"""Digests of refused cookies in memory."""
_COOKIE = re.compile(r"(?:__Host-)?session=[0-9a-f-]{36}\.[A-Za-z0-9_-]{43}")
"""A cookie that the API may have made."""
_MINUTE_S = 60.0


class SessionEndedError(Exception):
    """The session has ended, its cookie is older than the browser's, or there is none."""


class RefusedError(Exception):
    """The API has refused a request. `status` and `title` are those of its response."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title


class AwayError(Exception):
    """The API does not respond, or responds with an error of its own."""


class LimitedError(AwayError):
    """The client has caused too many requests to the API, which got none for it."""


def session_cookie(header: str) -> str:
    """Return the cookie of the session in a header `Cookie`, as `NAME=VALUE`; "" if there is none."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    cookies = {name: value for name, _, value in pairs}
    return next((f"{name}={cookies[name]}" for name in _COOKIES if cookies.get(name)), "")


def session_id(cookie: str) -> str:
    """Return the id of a cookie's session. Only the API knows whether the cookie is valid."""
    return cookie.partition("=")[2].partition(".")[0]


class Api:
    """A client of the API for all sessions of this process.

    Args:
        client: sends the requests, to addresses below that of the API.
        origin: the origin of the staff pages, from which the API accepts cookies.
        limits: the limits of each client of the staff pages.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        origin: str,
        limits: StaffLimits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._origin = origin
        self._tokens: OrderedDict[str, str] = OrderedDict()
        self._refused: OrderedDict[bytes, None] = OrderedDict()
        """The digests of cookies that the API has refused. It never accepts a refused cookie later."""
        self._refusals = Quota(limits.refusals_per_minute, _MINUTE_S, clock)
        self._requests = Quota(limits.requests_per_minute, _MINUTE_S, clock)

    async def request(
        self, cookie: str, address: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the body of the response to a request of a session's caller; None if it has none.

        Args:
            cookie: the cookie of the connection, as `NAME=VALUE`.
            address: the key of the client whose quotas apply.
            method: the method.
            path: the path, with its query.
            body: the body, which is sent as JSON.

        Raises:
            SessionEndedError: the cookie gives no access.
            LimitedError: the client has caused too many requests.
            RefusedError: the API refuses the request.
            AwayError: the API does not respond.
        """
        for _ in range(2):  # A token may have expired.
            token = self._tokens.get(cookie) or await self._open(cookie, address)
            response = await self._send(address, method, path, {"Authorization": f"Bearer {token}"}, body)
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                return _body_of(response)
            self._tokens.pop(cookie, None)
        raise SessionEndedError

    def forget(self, cookie: str) -> None:
        """Forget the access token of a session that has ended. The API may accept it for another second."""
        self._tokens.pop(cookie, None)

    async def _open(self, cookie: str, address: str) -> str:
        """Return a new access token for a cookie.

        A client can invent any number of cookies. So a text that is no cookie and a refused one cause no request.
        """
        digest = hashlib.sha256(cookie.encode()).digest()
        if not _COOKIE.fullmatch(cookie) or digest in self._refused:
            raise SessionEndedError
        if not self._refusals.take(address):
            raise LimitedError
        is_refused = False
        try:
            response = await self._send(address, "POST", "/api/sessions/access", {"Cookie": cookie})
            is_refused = response.status_code == HTTPStatus.UNAUTHORIZED
        finally:
            # The unit is taken first, so that concurrent connections share the quota.
            if not is_refused:
                self._refusals.give_back(address)
        if is_refused:
            self._refused[digest] = None
            while len(self._refused) > _REFUSED_MAX:
                self._refused.popitem(last=False)
            raise SessionEndedError
        token: str = _body_of(response)["accessToken"]
        self._tokens[cookie] = token
        while len(self._tokens) > _TOKENS_MAX:
            self._tokens.popitem(last=False)
        return token

    async def _send(
        self, address: str, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        if not self._requests.take(address):
            raise LimitedError
        try:
            return await self._client.request(method, path, headers={"Origin": self._origin, **headers}, json=body)
        except httpx.HTTPError as error:
            raise AwayError(str(error)) from error


def _body_of(response: httpx.Response) -> Any:
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AwayError(f"status {response.status_code}")
    if not response.is_success:
        raise RefusedError(response.status_code, str(response.json().get("title", "")))
    return response.json() if response.content else None
