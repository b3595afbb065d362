"""Example values for the booking modules' unit tests."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from api.errors import ApiError
from api.services.bookings.model import BookingPolicy, Item, NewOrder, Part, Ticket, Tier
from api.services.bookings.parts import Tiers, resolve
from api.services.order_rules import OrderRules

RULES = OrderRules(hold_seconds=300, tickets_max=10)
NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)

SEATED, STANDING = 1, 2
"""Ids of the two tiers."""


def request(tier: str | None = "VIP", quantity: int = 2, ticket_ids: tuple[int, ...] = (), **changes: Any) -> NewOrder:
    item = Item(tier=tier, quantity=quantity, ticket_ids=ticket_ids)
    values: dict[str, Any] = {"reference": "r", "event": "show", "items": (item,), "user_id": "ada"}
    return NewOrder(**values | changes)


def tier(*, seated: bool = True, **changes: Any) -> Tier:
    values: dict[str, Any] = {
        "event": "show",
        "event_id": 7,
        "currency": "USD",
        "revision": 3,
        "updated_at": NOW - timedelta(days=2),
        "sales_start_at": NOW - timedelta(days=1),
        "sales_end_at": None,
        "starts_at": NOW + timedelta(days=1),
        "ends_at": None,
        "cancelled_at": None,
        "read_at": NOW,
        "tier_id": SEATED if seated else STANDING,
        "tier": "VIP" if seated else "GA",
        "price_minor": 1250,
        "seated": seated,
        "last_position": 100,
        "event_rules": RULES,
        "rules": RULES,
    }
    return Tier(**values | changes)


def part(of: Tier | None = None, quantity: int = 2, ticket_ids: tuple[int, ...] = (), *, item: int = 0) -> Part:
    return Part(item, of or tier(), quantity, ticket_ids)


def refusal(new: NewOrder, *tiers: Tier, named: Mapping[int, Ticket] | None = None) -> ApiError | None:
    """Return the error of a request; None if it has parts. The only event is "show"."""
    found = resolve(new, {"show"}, Tiers(tiers), named or {})
    return found if isinstance(found, ApiError) else None


def ticket(number: int, **changes: Any) -> Ticket:
    values: dict[str, Any] = {"id": number, "position": number, "ctid": f"(0,{number})", "tier_id": SEATED}
    return Ticket(**values | changes)


def seat(number: int, **changes: Any) -> Ticket:
    return ticket(number, row_label="A", seat_number=number, **changes)


def policy(**changes: Any) -> BookingPolicy:
    values: dict[str, Any] = {
        "payment_mode": "inline",
        "payment_success_rate": 1.0,
        "payment_check_after_ms": 5000,
        "hold_seconds": 300,
        "max_tickets_per_booking": 10,
        "bookings_per_minute": 0,
        "held_tickets_max": 0,
    }
    return BookingPolicy(**values | changes)
