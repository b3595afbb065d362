"""The history of a fault test: every request with its response, and every fault.

Times are seconds of the wall clock. PostgreSQL on the same machine uses the same clock.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

ENTRIES_MAX = 500_000
"""Limit of recorded requests; the load stops when the history is full."""

Kind = Literal["book", "order", "cancel", "availability"]
Fate = Literal["responded", "cut", "timeout"]
"""End of a request: a response arrived, the connection broke, or the client's timeout passed."""


class RequestedItem(msgspec.Struct, frozen=True, order=True):
    """An item of a booking request: a quantity of one tier, or chosen seats."""

    tiers: tuple[str, ...]
    """The tier of each ticket. Chosen seats may belong to several tiers."""
    ticket_ids: tuple[int, ...] = ()
    """The chosen seats, in the order of `tiers`; empty for a quantity."""

    def body(self) -> dict[str, object]:
        """Return the item as an entry of the body's list."""
        if self.ticket_ids:
            return {"ticketIds": self.ticket_ids}
        return {"tier": self.tiers[0], "quantity": len(self.tiers)}


class BookingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A booking request without its reference: one item, or a basket of several."""

    user_id: str
    items: tuple[RequestedItem, ...]
    """The items in the order of the body."""

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tier of each ticket."""
        return tuple(tier for item in self.items for tier in item.tiers)

    @property
    def ticket_ids(self) -> tuple[int, ...]:
        """The chosen seats of all items."""
        return tuple(ticket_id for item in self.items for ticket_id in item.ticket_ids)

    @property
    def quantity(self) -> int:
        """The number of tickets of all items."""
        return len(self.tiers)

    @property
    def content(self) -> tuple[str, tuple[RequestedItem, ...]]:
        """The part that decides about equality: the API ignores the order of items."""
        return self.user_id, tuple(sorted(self.items))

    def body(self, reference: str) -> dict[str, object]:
        """Return the body of the request. A basket lists its items, and other requests use the short form."""
        body: dict[str, object] = {"userId": self.user_id, "bookingReference": reference}
        if len(self.items) > 1 or len(set(self.tiers)) > 1:
            return body | {"items": [item.body() for item in self.items]}
        return body | {"tier": self.tiers[0], "quantity": self.quantity} | self.items[0].body()


class Entry(msgspec.Struct, kw_only=True):
    """One request. `status` is 0 if no response arrived; the API may have processed the request or not."""

    kind: Kind
    start: float
    end: float
    reference: str = ""
    request: BookingRequest | None = None
    """The request of a booking."""
    user_id: str = ""
    """The buyer who cancels."""
    fate: Fate = "responded"
    status: int = 0
    body: bytes = b""
    replayed: bool = False
    retry_after: bool = False
    as_of: float = 0.0
    """The X-As-Of time of an availability response."""

    @property
    def content(self) -> Any:
        """The decoded body; None without a response."""
        return msgspec.json.decode(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The error code; empty without an error."""
        return str(self.content.get("code", "")) if self.status >= 400 else ""

    @property
    def outcome(self) -> str:
        """A short description of the response."""
        return f"{self.status} {self.code}".strip() if self.status else self.fate

    def __str__(self) -> str:
        return f"{self.kind} {self.reference or ''} {self.outcome} [{self.start:.3f} to {self.end:.3f}]"


class Fault(msgspec.Struct, kw_only=True):
    """An injected fault, from its start until its cause is removed."""

    name: str
    start: float
    end: float = float("inf")
    loses_responses: bool = False
    """True if requests may stay without a response, because the fault hits their connection or process."""
    recovered: float | None = None
    """Time of the first acknowledgement of a booking that started after the fault's end."""

    def summary(self) -> str:
        """Describe the fault's duration and the time to the first booking after its end."""
        after = "never" if self.recovered is None else f"{self.recovered - self.end:.2f} s"
        return f"{self.name:<28} lasted {self.end - self.start:5.2f} s, first booking after {after}"


class History:
    """The log of one run."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.faults: list[Fault] = []

    @property
    def full(self) -> bool:
        return len(self.entries) >= ENTRIES_MAX

    def outcome_counts(self) -> str:
        """Describe the number of requests per outcome."""
        counts = Counter(entry.outcome for entry in self.entries)
        return ", ".join(f"{counts[outcome]} x {outcome}" for outcome in sorted(counts))

    def add(self, entry: Entry) -> Entry:
        """Record a finished request."""
        self.entries.append(entry)
        if entry.kind == "book" and entry.status in {201, 202}:
            for fault in self.faults:
                if fault.recovered is None and entry.start >= fault.end:
                    fault.recovered = entry.end
        return entry

    @contextlib.contextmanager
    def fault(self, name: str, *, loses_responses: bool = False) -> Iterator[Fault]:
        """Record a fault for the duration of the context."""
        fault = Fault(name=name, start=time.time(), loses_responses=loses_responses)
        self.faults.append(fault)
        try:
            yield fault
        finally:
            fault.end = time.time()
