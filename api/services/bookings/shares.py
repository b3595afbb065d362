"""The shares of standing tiers, which are ranges of positions: batches in flight claim from different shares.

Two transactions that read each other's tickets conflict under SERIALIZABLE. A batch therefore claims from shares that
no other batch of its process has. Each process takes the shares of a tier in a random order of its own. Processes may
choose the same share, so the transaction also locks each share. A share decides nothing: a claim that finds too few
tickets in its shares searches the whole tier.
"""

import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from api.services.bookings.model import Tier

SHARES_MAX = 256
"""The most shares of a tier. When the last ones end, batches meet. Smaller shares make this end shorter."""
WIDTH_MIN = 16
"""The fewest positions of a share."""
TAKEN_MAX = 32
"""The most shares that a batch takes, unless its quantity needs more. Other processes may have sold the first ones."""
RENEWAL_S = 1.0
"""Time without shares after which a process tries all shares of a tier again. Tickets may have come back."""
_TIERS_MAX = 1000
"""A process that remembers the shares of more tiers than this forgets all of them."""


def share_width(tier: Tier) -> int:
    """Return the number of positions of a tier's shares."""
    return max(WIDTH_MIN, -(-tier.last_position // SHARES_MAX))


class _TierShares:
    """The shares of a tier that a process may still claim from, without those of its batches in flight."""

    def __init__(self, tier: Tier) -> None:
        self.last_position = tier.last_position
        firsts = range(1, tier.last_position + 1, share_width(tier))
        self.free = deque(random.sample(firsts, len(firsts)))
        """Shares by their first positions."""
        self.missed_at: float | None = None
        """The first time at which a batch found no share, by the clock of the process."""


class BatchShares:
    """The shares of a batch. Until its end no other batch of the process claims from them."""

    def __init__(self, shares: "Shares") -> None:
        self._shares = shares
        self._taken: dict[int, tuple[_TierShares, list[int]]] = {}

    def take(self, tier: Tier, quantity: int) -> list[int]:
        """Take shares for a number of tickets; return their first positions. There may be too few shares."""
        if not quantity:
            return []
        of_tier = self._shares.find(tier)
        free = of_tier.free
        # A batch leaves half of the shares to the next one. The first share may be partly sold.
        wanted = max(-(-quantity // share_width(tier)) + 1, min(TAKEN_MAX, len(free) // 2))
        taken = [free.popleft() for _ in range(min(wanted, len(free)))]
        self._taken[tier.tier_id] = of_tier, taken
        return taken

    def note_spent(self, tier_ids: Sequence[int], spent: Sequence[int]) -> None:
        """Give up the first shares of each tier, whose tickets other orders have."""
        for tier_id, number in zip(tier_ids, spent, strict=True):
            if number:
                of_tier, taken = self._taken[tier_id]
                self._taken[tier_id] = of_tier, taken[number:]

    def end(self) -> None:
        """Return the other shares to the process, so that its next batch continues with them."""
        for of_tier, taken in self._taken.values():
            of_tier.free.extendleft(reversed(taken))


class Shares:
    """The shares of the standing tiers that a process sells."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tiers: dict[int, _TierShares] = {}

    def find(self, tier: Tier) -> _TierShares:
        """Return the shares of a tier, which are all of its positions at first."""
        known = self._tiers.get(tier.tier_id)
        if known and not known.free:
            now = self._clock()
            if known.missed_at is None:
                known.missed_at = now
            if now - known.missed_at > RENEWAL_S:
                known = None
        if known is None or known.last_position != tier.last_position:
            if len(self._tiers) >= _TIERS_MAX:
                self._tiers.clear()
            known = self._tiers[tier.tier_id] = _TierShares(tier)
        return known

    @contextlib.contextmanager
    def batch(self) -> Iterator[BatchShares]:
        """Return the shares of a batch, which lasts as long as the context."""
        batch = BatchShares(self)
        try:
            yield batch
        finally:
            batch.end()
