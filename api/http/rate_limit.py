"""The rate limit of each endpoint of one process. It refuses overload before the overload costs anything."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from api.errors import RateLimited

LIMITED = "/api/"
"""The path prefix of limited endpoints. Health, metrics and the OpenAPI document have no limit."""

_ROUNDING = 0.001
"""The tolerance for rounding errors, as a share of one request's interval."""


class Throttle:
    """Limit each endpoint to `rps` requests per second with bursts of one second's requests; 0 means no limit.

    This is the generic cell rate algorithm (GCRA). Its only state is the theoretical arrival time (TAT) of each
    endpoint's next request at a steady rate. `clock` returns monotonic seconds.
    """

    def __init__(self, rps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rps = rps
        self._clock = clock
        self._tat: defaultdict[tuple[str, str], float] = defaultdict(float)

    def admit(self, method: str, route: str) -> None:
        """Admit one request to an endpoint.

        Raises:
            RateLimited: the limit of the endpoint is exhausted.
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
        """Admit a request as a guard of the framework. The coroutine never blocks, so it needs no thread."""
        route, method = connection.scope["path_template"], str(connection.scope.get("method"))
        if route.startswith(LIMITED) and method != "OPTIONS":
            self.admit(method, route)
