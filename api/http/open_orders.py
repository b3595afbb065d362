"""Access of a request to the orders that were made without a secret.

Such orders exist if the system seems to serve this machine only, or if an operator has set `GUEST_ORDERS=open`. Without
the setting, a proxy or a tunnel on this machine may serve strangers, and any name can lead to this machine (DNS
rebinding). So only requests that name this machine as their host, and have no sign of a proxy, then have access.
"""

from collections.abc import Set as AbstractSet
from typing import Any, cast

from litestar.connection import ASGIConnection
from litestar.di import NamedDependency

from api.http.local_clients import is_direct, names_this_machine
from api.http.state import ApiState

Connection = ASGIConnection[Any, Any, Any, Any]

OpenOrders = NamedDependency[bool]
"""True if a request may access the orders that were made without a secret. The parameter's name is `open_orders`."""


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
    return is_direct(names, version) and names_this_machine(host)
