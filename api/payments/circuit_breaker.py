"""A circuit breaker: it stops requests to a provider that failed several times in a row."""

import contextlib
import math
from collections.abc import Iterator
from time import monotonic


class CircuitOpen(Exception):
    """The circuit breaker is open, so the request was not sent."""


class CircuitBreaker:
    """Opens after `failures_max` failures in a row. After `reset_s` seconds the result of the next request decides."""

    def __init__(self, *, failures_max: int, reset_s: float) -> None:
        self._failures_max = failures_max
        self._reset_s = reset_s
        self._failures = 0
        self._open_until = -math.inf
        """A time of the monotonic clock."""

    def is_open(self) -> bool:
        """Return whether requests are stopped at the moment."""
        return monotonic() <= self._open_until

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Count an exception of the enclosed request as a failure, and its end as a success.

        A cancelled request is neither, because its cause is not the provider.

        Raises:
            CircuitOpen: requests are stopped at the moment.
        """
        if self.is_open():
            raise CircuitOpen
        try:
            yield
        except Exception:
            self._failures += 1
            if self._failures >= self._failures_max:
                self._open_until = monotonic() + self._reset_s
            raise
        self._failures = 0
