"""Events with all orders of their times, for the comparison of the rules in Python, SQL and JavaScript."""

import itertools
from datetime import UTC, datetime, timedelta

from api.services.event_rules import EventTimes

NOON = datetime(2027, 6, 18, 12, 0, tzinfo=UTC)
ADMISSION_HOURS = 5
"""Time from the end of an event to the end of its admission, in the comparisons."""


def cases(tick: timedelta) -> list[EventTimes]:
    """Return events with times before, at and after each other, read a tick before, at and after each boundary."""
    hour = timedelta(hours=1)
    events = itertools.product(
        (NOON - hour, NOON + hour),  # start of the sale
        (None, NOON - hour, NOON, NOON + 2 * hour),  # end of the sale
        (NOON,),  # start of the event
        (None, NOON + 3 * hour),  # end of the event
        (None, NOON - hour),  # cancellation
    )
    return [
        EventTimes(
            sales_start_at=sales_start_at,
            sales_end_at=sales_end_at,
            starts_at=starts_at,
            ends_at=ends_at,
            cancelled_at=cancelled_at,
            read_at=boundary + offset,
        )
        for sales_start_at, sales_end_at, starts_at, ends_at, cancelled_at in events
        for boundary in (
            sales_start_at,
            sales_end_at or starts_at,
            starts_at,
            ends_at or starts_at,
            (ends_at or starts_at) + timedelta(hours=ADMISSION_HOURS),
        )
        for offset in (-tick, timedelta(0), tick)
    ]
