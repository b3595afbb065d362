"""Stop signals for a command that starts other processes and has to clean up after them."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

FORCE_AFTER_S = 1.0
"""A second signal within this time is the first one, which both the terminal and `make` delivered."""


class StopRequested(KeyboardInterrupt):
    """A stop signal arrived.

    The base class makes psycopg cancel the statement that is running.
    """


class StopSignals:
    """The stop signals received so far.

    `force` is True after a second signal, which requests a stop without a grace period.
    """

    def __init__(self) -> None:
        self._first_at: float | None = None
        self._interrupting = False
        self.force = False

    @property
    def stop_requested(self) -> bool:
        """Return True after the first signal."""
        return self._first_at is not None

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Raise `StopRequested` in this context at the first signal, also if the signal arrived earlier.

        Python swallows an exception that is raised in a destructor or in a weak reference's callback. The end of the
        context then raises `StopRequested`.
        """
        hook = sys.unraisablehook
        sys.unraisablehook = lambda kept: None if isinstance(kept.exc_value, StopRequested) else hook(kept)
        self._interrupting = True
        try:
            if self.stop_requested:
                raise StopRequested
            yield
            if self.stop_requested:
                raise StopRequested
        finally:
            self._interrupting = False
            sys.unraisablehook = hook

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Record a signal; this is the handler of each stop signal."""
        now = time.monotonic()
        if self._first_at is None:
            self._first_at = now
            # Only the first signal raises: a second exception would interrupt the clean-up.
            if self._interrupting:
                raise StopRequested
        elif now > self._first_at + FORCE_AFTER_S:
            self.force = True


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Record SIGINT, SIGTERM and SIGHUP while the context lasts."""
    signals = StopSignals()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]  # nohup started this process, so it outlives its terminal.
    for number in before:
        signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
