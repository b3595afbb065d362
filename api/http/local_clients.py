"""Requests from this machine: the access of operators to the port of buyers, and the signs of a proxy.

A proxy or a tunnel on this machine may pass on the requests of strangers. Any name can lead to this machine, also that
of a foreign page in a browser on it (DNS rebinding). So such a request must have no sign of a proxy, and name this
machine as its host.
"""

import functools
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.addresses import is_local_host
from api.errors import Forbidden
from api.http.client_address import parse_address
from api.http.rate_limit import address_of

_PROXY_HEADERS = frozenset(
    (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
)
"""Headers that reverse proxies add."""
_VERSION_OF_PROXIES = "1.0"
"""nginx uses this version of HTTP by default. It then adds no header and replaces the host."""


def is_direct(names: AbstractSet[bytes], version: str) -> bool:
    """Return whether a request has no sign of a proxy.

    Args:
        names: the names of the request's headers, in lower case.
        version: the version of HTTP.
    """
    return version != _VERSION_OF_PROXIES and names.isdisjoint(_PROXY_HEADERS)


@functools.lru_cache(maxsize=256)
def names_this_machine(host: str) -> bool:
    """Return whether a header `Host` is a loopback address or localhost."""
    return is_local_host(_hostname(host))


async def guard_local(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Admit a client on this machine as a guard of the framework. The coroutine never blocks, so it needs no thread.

    Raises:
        Forbidden: the client is on another machine, or may be, or the request is for another host.
    """
    server, host = connection.scope["server"], connection.headers.get("host", "")
    own = None if server is None else parse_address(server[0])
    client = parse_address(address_of(connection.scope))
    is_here = client is not None and (client.is_loopback or client == own)
    is_for_here = names_this_machine(host) or (own is not None and parse_address(_hostname(host)) == own)
    names = {name for name, _ in connection.scope["headers"]}
    if not (is_here and is_for_here and is_direct(names, connection.scope["http_version"])):
        raise Forbidden(
            "Only clients on this machine may read this address, at localhost or at an IP address. OPERATIONS_PORT "
            "serves it to others."
        )


def _hostname(host: str) -> str:
    """Return the name or the address in a header `Host`, without its port; "" if the header is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
