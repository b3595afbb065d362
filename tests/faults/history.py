"""What clients saw: each request with its beginning, its answer or that there was none, and its end; and the faults.

Times are seconds of the wall clock, which the database on the same machine shares.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

ENTRIES_MAX = 500_000
"""Requests that a history keeps; a load ends there."""

Kind = Literal["book", "order", "cancel", "availability"]
Fate = Literal["answered", "cut", "silent"]
"""How a request ended: with an answer, with its connection, or with the client's patience."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A booking request without its key: two are the same when these are."""

    tier: str
    quantity: int
    user_id: str
    ticket_ids: tuple[int, ...] = ()


class Entry(msgspec.Struct, kw_only=True):
    """One request. `status` 0: its answer is unknown, so it may have been done or not."""

    kind: Kind
    start: float
    end: float
    key: str = ""
    wanted: Wanted | None = None
    """What a booking asks for."""
    user_id: str = ""
    """Who cancels."""
    fate: Fate = "answered"
    status: int = 0
    body: bytes = b""
    replayed: bool = False
    retry_after: bool = False
    as_of: float = 0.0
    """When an availability was true, as it says itself."""

    @property
    def content(self) -> Any:
        """The answer's body; None: there was no answer."""
        return msgspec.json.decode(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The answer's error code; empty: it is none."""
        return str(self.content.get("code", "")) if self.status >= 400 else ""

    @property
    def told(self) -> str:
        """The answer in short."""
        return f"{self.status} {self.code}".strip() if self.status else self.fate

    def __str__(self) -> str:
        return f"{self.kind} {self.key or ''} {self.told} [{self.start:.3f} to {self.end:.3f}]"


class Fault(msgspec.Struct, kw_only=True):
    """A fault that was done to the system, from its beginning until its cause was gone."""

    name: str
    start: float
    end: float = float("inf")
    unanswered: bool = False
    """Whether requests may go without an answer meanwhile: their connection or the process itself is hit."""
    recovered: float | None = None
    """When the first booking that began after its end was acknowledged."""

    def in_words(self) -> str:
        """Say how long it lasted, and how long after its end the first booking went through."""
        after = "never" if self.recovered is None else f"{self.recovered - self.end:.2f} s"
        return f"{self.name:<28} lasted {self.end - self.start:5.2f} s, first booking after {after}"


class History:
    """The log of a run."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []

    @property
    def full(self) -> bool:
        return len(self.entries) >= ENTRIES_MAX

    def answers(self) -> str:
        """Say how often which answer was given."""
        counts = Counter(
            f"{entry.status} {entry.code}".strip() if entry.status else entry.fate for entry in self.entries
        )
        return ", ".join(f"{counts[answer]} x {answer}" for answer in sorted(counts))

    def add(self, entry: Entry) -> Entry:
        """Note a request that has ended."""
        self.entries.append(entry)
        if entry.kind == "book" and entry.status in {201, 202}:
            for fault in self.faults:
                if fault.recovered is None and entry.start >= fault.end:
                    fault.recovered = entry.end
        return entry

    @contextlib.contextmanager
    def fault(self, name: str, *, unanswered: bool = False) -> Iterator[Fault]:
        """Note a fault for as long as the context lasts."""
        fault = Fault(name=name, start=time.time(), unanswered=unanswered)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            fault.end = time.time()
