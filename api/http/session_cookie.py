"""The cookie with the refresh token of a session. Scripts cannot read it, and foreign sites cannot send it.

Over TLS its name begins with `__Host-`. Browsers accept that prefix only from the API's own host, over TLS, with
`Path=/` and without `Domain`. So neither a page of a neighbouring host nor an attacker in the network can replace the
cookie. The price is that the browser also sends it to the other paths of the host, because a narrower path excludes the
prefix.
"""

from collections.abc import Container
from typing import Annotated, Final

from litestar.params import CookieParameter

from api.services.accounts.sessions import OpenedSession

COOKIE: Final = "session"
"""The name without TLS, such as on this machine. Browsers refuse the prefix there."""
HOST_COOKIE: Final = "__Host-session"
"""The name over TLS."""
_ATTRIBUTES = "Path=/; HttpOnly; Secure; SameSite=Lax"

SessionCookie = Annotated[
    str | None, CookieParameter(name=COOKIE, description="The refresh token without TLS, which only this API reads")
]
HostSessionCookie = Annotated[
    str | None,
    CookieParameter(name=HOST_COOKIE, description="The refresh token over TLS, which only this API reads"),
]


def has_session(cookies: Container[str]) -> bool:
    """Return whether a request has the cookie of a session, under any of its names."""
    return COOKIE in cookies or HOST_COOKIE in cookies


def set_cookie(opened: OpenedSession, *, has_tls: bool) -> dict[str, str]:
    """Return the header that stores a session's refresh token in the browser until the session expires."""
    return _header(f"{opened.token.text}; Max-Age={opened.seconds_left}", has_tls=has_tls)


def clear_cookie(*, has_tls: bool) -> dict[str, str]:
    """Return the header that removes the refresh token from the browser."""
    return _header("; Max-Age=0", has_tls=has_tls)


def _header(value: str, *, has_tls: bool) -> dict[str, str]:
    return {"Set-Cookie": f"{HOST_COOKIE if has_tls else COOKIE}={value}; {_ATTRIBUTES}"}
