"""The API over HTTP, as the caller of a browser's session.

The cookie of a connection proves its session. The API exchanges the cookie for an access token, and the cookie stays
valid. The token stays in the memory of this process.
"""

from collections import OrderedDict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx

_COOKIES = ("__Host-session", "session")
"""The names of the API's cookie, the safer one first."""
_TOKENS_MAX = 1000
"""Access tokens in memory. The API gives another one for a dropped token."""


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
    """

    def __init__(self, client: httpx.AsyncClient, origin: str) -> None:
        self._client = client
        self._origin = origin
        self._tokens: OrderedDict[str, str] = OrderedDict()

    async def request(self, cookie: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the body of the response to a request of a session's caller; None if it has none.

        Raises:
            SessionEndedError: the cookie gives no access.
            RefusedError: the API refuses the request.
            AwayError: the API does not respond.
        """
        for _ in range(2):  # A token may have expired.
            token = self._tokens.get(cookie) or await self._open(cookie)
            response = await self._send(method, path, {"Authorization": f"Bearer {token}"}, body)
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                return _body_of(response)
            self._tokens.pop(cookie, None)
        raise SessionEndedError

    def forget(self, cookie: str) -> None:
        """Forget the access token of a session that has ended. The API may accept it for another second."""
        self._tokens.pop(cookie, None)

    async def _open(self, cookie: str) -> str:
        """Return a new access token for a cookie."""
        if not cookie:
            raise SessionEndedError
        response = await self._send("POST", "/api/sessions/access", {"Cookie": cookie})
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise SessionEndedError
        token: str = _body_of(response)["accessToken"]
        self._tokens[cookie] = token
        while len(self._tokens) > _TOKENS_MAX:
            self._tokens.popitem(last=False)
        return token

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
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
