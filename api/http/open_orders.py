"""Access of a request to the orders that were made without a secret.

Such orders exist if the system seems to serve this machine only, or if an operator has set `GUEST_ORDERS=open`. Without
the setting, a proxy or a tunnel on this machine may serve strangers, and any name can lead to this machine (DNS
rebinding). So only requests that name this machine as their host, and have passed no proxy, then have access. Those of
HTTP/1.0 count as a proxy's, because nginx uses this version by default, adds no header and replaces the host.
"""

import functools
from collections.abc import Set as AbstractSet
from typing import Any, cast
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency

from api.addresses import is_local_host
from api.http.local_clients import PROXY_HEADERS
from api.http.state import ApiState

Connection = ASGIConnection[Any, Any, Any, Any]

OpenOrders = NamedDependency[bool]
"""True if a request may access the orders that were made without a secret. The parameter's name is `open_orders`."""

_VERSION_OF_PROXIES = "1.0"
_PROXY_HEADERS = frozenset(name.encode() for name in PROXY_HEADERS)


async def find_open_orders(request: Connection) -> bool:
    """Return whether a request may access the orders that were made without a secret. A dependency of the framework."""
    return has_open_orders(request)


def has_open_orders(request: Connection) -> bool:
    """Return whether a request may access the orders that were made without a secret."""
    names = {name for name, _ in request.scope["headers"]}
    state, host = cast("ApiState", request.app.state), request.headers.get("host", "")
    return may_access(state, names, host, version=request.scope["http_version"])


def may_access(state: ApiState, names: AbstractSet[bytes], host: str, *, version: str) -> bool:
    """Return whether a request may access the orders that were made without a secret.

    Args:
        state: the objects of the process.
        names: the names of the request's headers, in lower case.
        host: the header `Host`.
        version: the version of HTTP.
    """
    if not state.has_open_orders or state.settings.guest_orders == "open":
        return state.has_open_orders
    return version != _VERSION_OF_PROXIES and names.isdisjoint(_PROXY_HEADERS) and _names_this_machine(host)


@functools.lru_cache(maxsize=256)
def _names_this_machine(host: str) -> bool:
    try:
        return is_local_host(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
