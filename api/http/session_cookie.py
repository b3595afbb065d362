"""The cookie with the refresh token of a session. Scripts cannot read it, and foreign sites cannot send it."""

from typing import Annotated, Final

from litestar.params import CookieParameter

from api.services.accounts.sessions import OpenedSession

COOKIE: Final = "session"
_ATTRIBUTES = "Path=/; HttpOnly; Secure; SameSite=Lax"

SessionCookie = Annotated[
    str | None, CookieParameter(name=COOKIE, description="The refresh token, which only this API reads")
]


def set_cookie(opened: OpenedSession) -> dict[str, str]:
    """Return the header that stores a session's refresh token in the browser until the session expires."""
    return {"Set-Cookie": f"{COOKIE}={opened.token.text}; Max-Age={opened.seconds_left}; {_ATTRIBUTES}"}


def clear_cookie() -> dict[str, str]:
    """Return the header that removes the refresh token from the browser."""
    return {"Set-Cookie": f"{COOKIE}=; Max-Age=0; {_ATTRIBUTES}"}
