"""The rules for the orders of an event or tier: the hold time and the numbers of tickets.

An event's numbers count all tickets of an order or buyer. A tier's numbers count the tickets of that tier. Therefore
both apply, and a tier cannot extend the numbers of its event.
"""

from typing import Any

import msgspec

TICKETS_MAX = 1000
"""The most tickets of an order, in whichever event; `orders_quantity_check` enforces it."""


class OwnRules(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of `events` or `tiers`; None stands for the rule of the next level."""

    hold_seconds: int | None = None
    tickets_per_buyer: int | None = None
    tickets_min: int | None = None
    tickets_max: int | None = None

    def allow_no_order(self) -> bool:
        """Return whether the minimum excludes every number of tickets; `table_tickets_range_check` refuses that."""
        most = _least(self.tickets_max, self.tickets_per_buyer, TICKETS_MAX)
        return most is not None and (self.tickets_min or 1) > most


NO_RULES = OwnRules()


def take_own_rules(columns: dict[str, Any]) -> tuple[OwnRules, OwnRules]:
    """Remove the rules of an event and of its tier from the columns of a row; return both.

    The names of the event's columns have the prefix `event_`.
    """
    names = OwnRules.__struct_fields__
    event = OwnRules(**{name: columns.pop(f"event_{name}") for name in names})
    return event, OwnRules(**{name: columns.pop(name) for name in names})


class OrderRules(msgspec.Struct, frozen=True, kw_only=True):
    """The effective rules of an event or tier. A `tickets_per_buyer` of None sets no limit.

    The defaults apply to an event without rules of its own. Settings contain its other rules.
    """

    hold_seconds: int
    tickets_per_buyer: int | None = None
    tickets_min: int = 1
    tickets_max: int

    @classmethod
    def of_event(cls, own: OwnRules, defaults: "OrderRules") -> "OrderRules":
        """Return the rules of an event. A minimum above the default maximum raises that maximum."""
        tickets_min = own.tickets_min or defaults.tickets_min
        return cls(
            hold_seconds=own.hold_seconds or defaults.hold_seconds,
            tickets_per_buyer=own.tickets_per_buyer or defaults.tickets_per_buyer,
            tickets_min=tickets_min,
            tickets_max=own.tickets_max or max(defaults.tickets_max, tickets_min),
        )

    @classmethod
    def of_tier(cls, own: OwnRules, event: "OrderRules") -> "OrderRules":
        """Return the rules of a tier of an event."""
        return cls(
            hold_seconds=own.hold_seconds or event.hold_seconds,
            tickets_per_buyer=_least(own.tickets_per_buyer, event.tickets_per_buyer),
            tickets_min=own.tickets_min or 1,
            tickets_max=min(own.tickets_max or event.tickets_max, event.tickets_max),
        )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
