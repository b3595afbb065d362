"""How many requests a second each endpoint of one process takes: overload is refused before it costs anything."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.errors import RateLimited

LIMITED = "/api/"
"""Where limited endpoints are; health, metrics and the API's description are not."""

_ROUNDING = 0.001
"""The part of a request that the sum of a second's requests may be off by."""


class Throttle:
    """A limit of `rps` requests a second to each endpoint, with bursts of one second's requests; 0: no limit.

    It is the generic cell rate algorithm: what an endpoint has taken is one moment, the one at which all of it will
    be made up for. `clock` is in seconds and never goes back.
    """

    def __init__(self, rps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rps = rps
        self._clock = clock
        self._tat: defaultdict[tuple[str, str], float] = defaultdict(float)

    def admit(self, method: str, route: str) -> None:
        """Take one request to an endpoint.

        Raises:
            RateLimited: the endpoint has taken as many as it can in a second.
        """
        if not self._rps:
            return
        now = self._clock()
        interval_s = 1 / self._rps
        tat = max(self._tat[method, route], now) + interval_s
        if tat - now > 1 + _ROUNDING * interval_s:
            raise RateLimited("endpoint", quota=self._rps, window_s=1, retry_after_s=1)
        self._tat[method, route] = tat

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        """Admit a request that the framework has found the route of; not blocking, so not in a thread of its own."""
        route, method = connection.scope["path_template"], str(connection.scope.get("method"))
        if route.startswith(LIMITED) and method != "OPTIONS":
            self.admit(method, route)
