"""The kinds of requests that the benchmark sends."""

import itertools

from api.commands.bench.plan import Kind
from api.commands.bench.wire import NUMBER

BOOKINGS = "bookings"
"""Name of the kind of request that books."""

_sources = itertools.count(1)
"""Numbers that distinguish the buyers of all kinds."""


def booking(event: str, tier: str, quantity: int) -> Kind:
    """Return bookings of new buyers."""
    user = f"bench-{next(_sources)}-{NUMBER}"
    body = f'{{"tier":"{tier}","quantity":{quantity},"userId":"{user}"}}'
    return Kind(name=BOOKINGS, method="POST", path=f"/api/bookings?event={event}", body=body)


def read(event: str) -> Kind:
    """Return reads of an event's availability."""
    return Kind(name="reads", path=f"/api/tickets/availability?event={event}")
