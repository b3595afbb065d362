"""Access of operators to the port of buyers: only from this machine."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.errors import Forbidden
from api.http.client_address import parse_address
from api.http.rate_limit import address_of

PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that reverse proxies add. A proxy on this machine passes on the requests of any client."""


async def guard_local(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Admit a client on this machine as a guard of the framework. The coroutine never blocks, so it needs no thread.

    Raises:
        Forbidden: the client is on another machine, or the request has passed a reverse proxy.
    """
    own = connection.scope["server"]
    client = parse_address(address_of(connection.scope))
    is_here = client is not None and (client.is_loopback or (own is not None and client == parse_address(own[0])))
    if not is_here or any(name in connection.headers for name in PROXY_HEADERS):
        raise Forbidden("Only clients on this machine may read this address. OPERATIONS_PORT serves it to others.")
