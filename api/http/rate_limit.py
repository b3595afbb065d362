"""The rate limits of one process: of each client address, then of each endpoint.

They refuse overload before it costs anything. The first limit keeps one client from using up the second one, which all
clients share.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.errors import RateLimited
from api.http.client_address import client_network

ENDPOINT_LIMITED = "/api/"
"""The path prefix of endpoints with a limit of their own."""
UNLIMITED = ("/health/", "/metrics")
"""The path prefixes without any limit, because an overload must not hide the state of the system."""

KEYS_MAX = 100_000
"""Number of keys that a limit remembers. They need about 20 MB."""
SCHEMA, SCHEMA_UNITS = "/schema", 9
"""The OpenAPI document, and the units that it costs in addition to its request, because each response compresses it."""
_ROUNDING = 0.001
"""The tolerance for rounding errors, as a share of one request's interval."""


class Limit:
    """Limit each key to `quota` units per `window_s` seconds with bursts of one window's units; 0 means no limit.

    This is the generic cell rate algorithm (GCRA). The only state of a key is its theoretical arrival time (TAT), the
    time of the next unit at a steady rate. A key whose TAT has passed has the state of an unknown key, so
    the limit drops it. If more than `keys_max` keys are in use, the limit drops the least recently used ones.
    """

    def __init__(
        self,
        quota: int,
        clock: Callable[[], float] = time.monotonic,
        keys_max: int = KEYS_MAX,
        *,
        window_s: float = 1,
    ) -> None:
        self.quota = quota
        self._window_s = window_s
        self._clock = clock
        self._keys_max = keys_max
        self._tat: OrderedDict[Hashable, float] = OrderedDict()
        """The TAT by key, least recently used key first."""

    def __len__(self) -> int:
        """Return the number of keys in memory."""
        return len(self._tat)

    def take(self, key: Hashable) -> int:
        """Take one unit of a key; return 0, or the seconds until a unit is available if there is none now."""
        if not self.quota:
            return 0
        now = self._clock()
        interval_s = self._window_s / self.quota
        tat = max(self._tat.get(key, 0.0), now) + interval_s
        excess_s = tat - now - self._window_s
        if excess_s > _ROUNDING * interval_s:
            return max(1, math.ceil(excess_s))
        self._set(key, tat, now)
        return 0

    def charge(self, key: Hashable, units: int) -> None:
        """Take units that a request has already used; the key waits for those that it does not have."""
        if self.quota and units:
            now = self._clock()
            self._set(key, max(self._tat.get(key, 0.0), now) + units * self._window_s / self.quota, now)

    def _set(self, key: Hashable, tat: float, now: float) -> None:
        tats = self._tat
        tats[key] = tat
        tats.move_to_end(key)
        # Two for each request: the memory shrinks while requests arrive, and no request pays for all.
        for _ in range(2):
            oldest = next(iter(tats))
            if oldest == key or (tats[oldest] > now and len(tats) <= self._keys_max):
                break
            del tats[oldest]


class Throttle:
    """Limits the requests of each client address, then those to each endpoint.

    `address_rps` is in units, and `endpoint_rps` in requests per second. A request is one unit, and one with an
    expensive response is charged for more. `clock` returns monotonic seconds.
    """

    def __init__(self, *, address_rps: int, endpoint_rps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._addresses = Limit(address_rps, clock)
        self._endpoints = Limit(endpoint_rps, clock)

    def admit(self, address: str, method: str, route: str) -> None:
        """Admit one request to an endpoint.

        Raises:
            RateLimited: the limit of the address or of the endpoint is exhausted.
        """
        if wait_s := self._addresses.take(client_network(address)):
            raise RateLimited("address", quota=self._addresses.quota, window_s=1, retry_after_s=wait_s)
        if route.startswith(ENDPOINT_LIMITED) and (wait_s := self._endpoints.take((method, route))):
            raise RateLimited("endpoint", quota=self._endpoints.quota, window_s=1, retry_after_s=wait_s)

    def charge(self, address: str, units: int) -> None:
        """Charge a client address for the further units of an expensive response."""
        self._addresses.charge(client_network(address), units)

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """Admit a request as a guard of the framework. The coroutine never blocks, so it needs no thread."""
        route, method = connection.scope["path_template"], str(connection.scope.get("method"))
        if not route.startswith(UNLIMITED) and method != "OPTIONS":
            address = address_of(connection.scope)
            self.admit(address, method, route)
            if route == SCHEMA or route.startswith(f"{SCHEMA}/"):
                self.charge(address, SCHEMA_UNITS)


def address_of(scope: Any) -> str:
    """Return the address of a request's client; empty if the server does not provide it."""
    client = scope["client"]
    return str(client[0]) if client else ""
