"""A watch of a process whose clock and observations the test sets."""

from collections.abc import Callable

from api.commands.process_watch import ProcessWatch


class FakeProcess:
    """A process that runs, or has ended."""

    def __init__(self, name: str, pid: int = 0) -> None:
        self.name = name
        self.pid = pid
        self.ended: str | None = None
        self.restarts = 0

    def failure(self) -> str | None:
        return self.ended

    def restart(self) -> None:
        self.restarts += 1


class Watched:
    """A process with its watch, which `make_watch` makes from the process and the clock."""

    def __init__(
        self,
        process: FakeProcess,
        interval_s: float,
        make_watch: Callable[[FakeProcess, Callable[[], float]], ProcessWatch],
    ) -> None:
        self.now = 0.0
        self.process = process
        self._interval_s = interval_s
        self.watch = make_watch(process, lambda: self.now)

    def failure_after(self, seconds: float) -> str | None:
        """Check at each interval; return the failure of the last check."""
        failure = None
        for _ in range(int(seconds / self._interval_s)):
            self.now += self._interval_s
            failure = self.watch.failure()
        return failure
