"""The plan of a load test, and its observations."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """The size and the rates of a load test."""

    browsers: int
    seconds: int
    """Duration of the bookings."""
    rate: float
    """Bookings per second; each browser books at most once."""
    arrivals: float
    """Browsers that arrive per second."""
    processes: int
    """Processes that simulate the browsers."""

    def share(self, number: int) -> "Plan":
        """Return the part of one process."""
        browsers = self.browsers // self.processes + (number < self.browsers % self.processes)
        return Plan(browsers, self.seconds, self.rate / self.processes, self.arrivals / self.processes, 1)


@dataclass
class Measured:
    """All observations; times in milliseconds."""

    load_ms: list[float] = field(default_factory=list)
    book_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """Delay of a booking in the generator itself."""
    poll_ms: list[float] = field(default_factory=list)
    """Polls while bookings run."""
    files: Counter[str] = field(default_factory=Counter)
    polls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    acknowledged: set[str] = field(default_factory=set)
    sent: int = 0
    repeats: int = 0
    """Bookings that were repeated because the API was busy."""

    def add(self, other: "Measured") -> None:
        """Add another process's observations."""
        for name in ("load_ms", "book_ms", "late_ms", "poll_ms"):
            getattr(self, name).extend(getattr(other, name))
        for name in ("files", "polls", "errors"):
            getattr(self, name).update(getattr(other, name))
        self.acknowledged |= other.acknowledged
        self.sent += other.sent
        self.repeats += other.repeats
