"""The search for the best free seats of a tier, for bookings and for the pages that show them."""

from collections.abc import Container, Mapping

from api.database import queries
from api.database.session import Session, Statement
from api.services.bookings.model import Ticket, Tier
from api.services.bookings.seating import EDGE_ROWS, K, Row, SeatRows, choose_seats

_SEATS_MIN = 64
_SEATS_MAX = 5000
"""The free seats that the first search reads at least, and that the last one reads at most."""
_GROWTH = 4
"""A search that is too short is followed by one that reads this many times as many seats."""
_TIERS_MAX = 1000
"""A process that remembers the rows of more tiers than this forgets all of them."""


class SeatSearch:
    """Searches the best free seats of tiers. It remembers the rows of each tier at each revision of its event."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], SeatRows] = {}

    async def rows_of(self, session: Session, tier: Tier) -> SeatRows:
        """Return the rows of a seated tier."""
        key = tier.tier_id, tier.revision
        if key not in self._rows:
            if len(self._rows) >= _TIERS_MAX:
                self._rows.clear()
            found = Statement(queries.tickets.find_rows, {"tier_id": tier.tier_id}, Row)
            self._rows[key] = SeatRows(await session.run(found))
        return self._rows[key]

    async def choose(
        self, session: Session, tier: Tier, quantities: Mapping[K, int], taken: Container[int] = ()
    ) -> dict[K, list[Ticket]]:
        """Choose the best free seats of a seated tier for each quantity, in their order.

        Other transactions may take the seats at any time. Beyond `_SEATS_MAX` free seats the search ends, so it may
        choose separate seats although adjacent ones are free far behind.

        Args:
            session: a session outside of a transaction.
            tier: the tier.
            quantities: the numbers of seats by key.
            taken: ids of tickets that must not be chosen.

        Returns:
            The seats by key. A key is missing if too few seats are free.
        """
        rows = await self.rows_of(session, tier)
        limit = max(_SEATS_MIN, sum(quantities.values()) + (EDGE_ROWS + 1) * rows.width)
        while True:
            limit = min(limit, _SEATS_MAX)
            parameters = {"tier_id": tier.tier_id, "limit": limit}
            found = await session.run(Statement(queries.tickets.find_front_seats, parameters, Ticket))
            free = (seat for seat in found if seat.id not in taken)
            choice = choose_seats(free, quantities, rows, complete=len(found) < limit or limit == _SEATS_MAX)
            if choice.certain:
                return choice.seats
            limit *= _GROWTH
