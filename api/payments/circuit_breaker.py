"""A circuit breaker: it stops requests to a provider that failed several times in a row."""

import contextlib
import time
from collections.abc import AsyncIterator

from purgatory import AsyncCircuitBreakerFactory, ContextChanged, Event

from api.payments.purgatory_patch import OPENED, OpenedState

_CIRCUIT = "payment provider"


class CircuitOpen(Exception):
    """The circuit breaker is open, so the request was not sent."""


class CircuitBreaker:
    """Opens after `failures_max` failures in a row; after `reset_s` seconds the next request decides again.

    Purgatory counts the failures. It publishes its state only as events, which this class stores.
    """

    def __init__(self, *, failures_max: int, reset_s: float) -> None:
        self._reset_s = reset_s
        self._opened_at: float | None = None
        self._factory = AsyncCircuitBreakerFactory(failures_max, reset_s)
        self._factory.add_listener(self._on_event)

    def is_open(self) -> bool:
        """Return whether requests are stopped at the moment."""
        return self._opened_at is not None and time.time() <= self._opened_at + self._reset_s

    @contextlib.asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Count an exception of the enclosed request as a failure, and its end as a success.

        Raises:
            CircuitOpen: requests are stopped at the moment.
        """
        if self.is_open():
            raise CircuitOpen
        try:
            async with await self._factory.get_breaker(_CIRCUIT):
                yield
        except OpenedState:  # The system clock was set back.
            raise CircuitOpen from None

    def _on_event(self, _circuit: str, _kind: str, event: Event) -> None:
        if isinstance(event, ContextChanged):
            self._opened_at = event.opened_at if event.state == OPENED else None
