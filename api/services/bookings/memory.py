"""The memory of a process: tiers that it has read, and requests that a direct sale would leave out.

A memory decides nothing. The transaction checks it, and the careful path reads everything again.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from api.errors import KeyReused, RateLimited
from api.services.bookings.allowance import HoldsInFlight
from api.services.bookings.model import Booked, Declined, NewOrder, Outcome, Parts, Refused, Tier
from api.services.bookings.parts import Tiers
from api.services.bookings.seat_search import LEFT_MAX, SeatSearch
from api.services.bookings.shares import Shares

TIERS_MAX = 10_000
"""A process that remembers more tiers than this forgets all of them."""
ENTRIES_MAX = 20_000
"""The most references, and the most buyers, that a process remembers; the oldest entry goes first."""
SHORTAGE_S = 0.1
"""Time for which a tier that fell short takes the careful path."""

Server = tuple[int, int]
"""System identifier and timeline of a server."""


class _Entries:
    """Keys that are valid until a time, by the monotonic clock in seconds."""

    def __init__(self) -> None:
        # A plain dictionary searches for its first entry behind the places of all that it has lost.
        self._until: OrderedDict[str | int, float] = OrderedDict()

    def add(self, key: str | int, until: float = math.inf) -> None:
        self._until[key] = until
        self._until.move_to_end(key)
        if len(self._until) > ENTRIES_MAX:
            self._until.popitem(last=False)

    def has(self, key: str | int, now: float) -> bool:
        return self._until.get(key, -math.inf) > now


class Memory:
    """The memory of one process, with its search for seats, and the holds and the shares of its batches.

    Known tiers may have changed since. Therefore the transaction compares the revision and the last change of each
    event. After a failover the new server may lack changes that this process has read. The process then forgets all
    tiers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, left_max: int = LEFT_MAX) -> None:
        self.seats = SeatSearch(clock, left_max)
        self.holds = HoldsInFlight()
        self.shares = Shares(clock)
        self._clock = clock
        self._tiers = Tiers()
        self._server: Server | None = None
        self._decided = _Entries()
        """References of orders."""
        self._refused = _Entries()
        """Keys of buyers whose limit is exhausted."""
        self._short = _Entries()
        """Ids of standing tiers."""

    def tiers(self, server: Server | None) -> Tiers:
        """Return the tiers that this process has read from a server."""
        if server != self._server:
            self._tiers.clear()
            self._server = server
        return self._tiers

    def update_tiers(self, batch: Sequence[NewOrder], tiers: Iterable[Tier], server: Server | None) -> None:
        """Replace the tiers of a batch by those that a prefetch has found."""
        known = self.tiers(server)
        if len(known) > TIERS_MAX:
            known.clear()
        for request in batch:
            for item in request.items:
                if item.tier is not None:
                    known.discard(request.event, item.tier)
        for tier in tiers:
            known.add(tier)

    def note(self, request: NewOrder, outcome: Outcome) -> None:
        """Remember the outcome of a request."""
        match outcome:
            case Booked() | Declined() | Refused(KeyReused()):
                self._decided.add(request.reference)
            case Refused(RateLimited() as error):
                self._refused.add(request.limit_key, self._clock() + (error.retry_after_s or 0))

    def note_shortage(self, parts: Parts) -> None:
        """Remember that standing tickets for the parts of a request were missing."""
        for part in parts:
            if part.takes_any_ticket:
                self._short.add(part.tier.tier_id, self._clock() + SHORTAGE_S)

    def forbids(self, request: NewOrder) -> bool:
        """Return whether a direct sale would leave out a request or fail."""
        return self._decided.has(request.reference, now := self._clock()) or self._refused.has(request.limit_key, now)

    def is_short(self, parts: Parts) -> bool:
        """Return whether a tier of a request fell short a moment ago."""
        now = self._clock()
        return any(part.takes_any_ticket and self._short.has(part.tier.tier_id, now) for part in parts)
