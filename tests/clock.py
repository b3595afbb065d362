"""A clock for the tests of what depends on time."""


class Clock:
    """A clock that stands still until a test sets it, in seconds."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
