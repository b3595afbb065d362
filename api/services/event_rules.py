"""Decisions that depend on an event's times and on its cancellation.

The functions `event_rules` and `event_admits` in the database contain the same rules for statements. A test compares
them.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

SaleState = Literal["on_sale", "upcoming", "ended", "cancelled"]


class EventTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of an event that its rules need, with the database's time at which they were read."""

    sales_start_at: datetime
    sales_end_at: datetime | None
    starts_at: datetime
    ends_at: datetime | None
    cancelled_at: datetime | None
    read_at: datetime


def sale_state(event: EventTimes) -> SaleState:
    """Return the state of an event's sale, regardless of its stock."""
    if event.cancelled_at is not None:
        return "cancelled"
    if event.read_at >= sale_ends_at(event):
        return "ended"
    return "upcoming" if event.read_at < event.sales_start_at else "on_sale"


def sale_ends_at(event: EventTimes) -> datetime:
    """Return the end of an event's sale, which is at the latest its start."""
    return min(event.starts_at, event.sales_end_at or event.starts_at)


def has_begun(event: EventTimes) -> bool:
    """Return whether the start of an event has passed."""
    return event.read_at >= event.starts_at


def takes_place(event: EventTimes) -> bool:
    """Return whether an event is not cancelled. Only then are its orders charged and its payments kept."""
    return event.cancelled_at is None


def is_refundable(event: EventTimes) -> bool:
    """Return whether buyers may cancel their orders: before the event begins, and always if it is cancelled."""
    return not takes_place(event) or not has_begun(event)


def admits(event: EventTimes, admission_hours: int) -> bool:
    """Return whether tickets of an event are valid at the entrance.

    They expire `admission_hours` after the end of the event, or after its start if no end is announced.
    """
    expires_at = (event.ends_at or event.starts_at) + timedelta(hours=admission_hours)
    return takes_place(event) and event.read_at < expires_at
