"""Values that the booking modules exchange: policy, requests, rows and outcomes."""

import functools
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

import msgspec

from api import text
from api.errors import ApiError, PaymentDeclined
from api.money import without_rounding_error
from api.schemas import Locale
from api.services.event_rules import EventTimes
from api.services.order_rows import BookingRow, OrderRow
from api.services.order_rules import OrderRules, take_own_rules


class BookingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide a booking; `api.config.Settings` documents them."""

    booking_path: Literal["direct", "careful"] = "direct"
    payment_mode: Literal["inline", "async"]
    payment_success_rate: float
    payment_check_after_ms: int
    hold_seconds: int
    max_tickets_per_booking: int
    bookings_per_minute: int
    held_tickets_max: int
    """Tickets that one client address may hold; 0 for no limit."""
    payment_minimums_minor: dict[str, int] = {}
    """The smallest total that the provider charges, by currency, in minor units."""
    provider_available: bool = True
    """False while the circuit breaker of the payment provider is open. Only free orders are possible then."""

    @classmethod
    def of(cls, settings: object) -> Self:
        """Return the policy that the settings contain.

        Args:
            settings: `api.config.Settings`. This module does not import it, because it reads the environment.
        """
        return msgspec.convert(settings, cls, from_attributes=True)

    @property
    def default_rules(self) -> OrderRules:
        """The rules of events without their own."""
        return OrderRules(hold_seconds=self.hold_seconds, tickets_max=self.max_tickets_per_booking)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a basket: any tickets of a tier, or exactly the tickets in `ticket_ids`."""

    quantity: int
    tier: str | None = None
    """The name of the tier; None if `ticket_ids` may belong to several tiers."""
    ticket_ids: tuple[int, ...] = ()


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A validated booking request with its reference: items of one event, all or none of them."""

    reference: str
    event: str
    items: tuple[Item, ...]
    user_id: str
    expected_total: float | None = None
    """The total that the buyer agreed to, in the currency's major unit; None if the request states none."""
    client_hash: bytes | None = None
    """The hash of the client's address for the limit of held tickets; None if that does not apply."""
    access_digest: bytes | None = None
    """SHA-256 of the order's secret; None if everybody may access the order."""
    account_id: int | None = None
    """The buyer's account; None if the buyer is not signed in."""
    email: str | None = None
    """The address for messages about the order; None for none."""
    locale: Locale | None = None
    """The language of these messages; None if the request names none."""
    itemized: bool = False
    """True if the request's body lists items; a refusal then names the item."""

    @functools.cached_property
    def quantity(self) -> int:
        """The number of tickets of all items."""
        return sum(item.quantity for item in self.items)

    @functools.cached_property
    def ticket_ids(self) -> tuple[int, ...]:
        """The tickets that the items name, in their order."""
        return tuple(ticket_id for item in self.items for ticket_id in item.ticket_ids)

    @functools.cached_property
    def limit_key(self) -> str:
        """The key under which the limits of the buyer count; look-alike names share it."""
        return text.limit_key(self.user_id)

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of all that the client wants; equal digests mean equal requests.

        A repeat with another secret is therefore another request. So a stranger who knows the reference and the items
        gets no response about the order.

        The order of items and of their tickets makes no difference. A list with a single item of a tier is equal to a
        request without a list. A field that is None adds nothing. So the digests of older orders stay valid.
        """
        items = sorted(
            ((item.tier, item.quantity, sorted(item.ticket_ids)) for item in self.items),
            key=lambda item: (item[0] or "", *item[1:]),
        )
        tier, quantity, ticket_ids = items[0]
        content: list[object] = (
            [self.event, items, self.user_id]
            if len(items) > 1 or tier is None
            else [self.event, tier, quantity, self.user_id, ticket_ids]
        )
        if self.expected_total is not None:
            content.append(without_rounding_error(self.expected_total))
        if self.access_digest is not None:
            content.append(self.access_digest.hex())
        contact = {"account": self.account_id, "email": self.email, "locale": self.locale}
        if given := {name: value for name, value in contact.items() if value is not None}:
            content.append(given)
        return hashlib.sha256(msgspec.json.encode(content)).digest()


class Tier(EventTimes, frozen=True, kw_only=True):
    """A row of `tiers.find_tiers`; the columns of the tier are None if the event has no such tier."""

    event: str
    event_id: int
    currency: str
    revision: int
    """The revision of the event, which counts the changes of the event and its tiers."""
    updated_at: datetime
    """Time of the last change of the event or its tiers."""
    tier_id: int
    tier: str | None
    price_minor: int
    seated: bool
    last_position: int
    event_rules: OrderRules
    """The rules for the tickets of all tiers of the event."""
    rules: OrderRules
    """The rules for the tickets of this tier."""

    @classmethod
    def of_columns(cls, defaults: OrderRules, **columns: Any) -> Self:
        """Return the tier in a row of `tiers.find_tiers`. `defaults` are the rules of events without their own."""
        own_of_event, own = take_own_rules(columns)
        event_rules = OrderRules.of_event(own_of_event, defaults)
        return cls(event_rules=event_rules, rules=OrderRules.of_tier(own, event_rules), **columns)


class Ticket(msgspec.Struct, frozen=True):
    """A ticket as a statement read it; `ctid` is the location of its row in the table."""

    id: int
    position: int
    ctid: str
    row_label: str | None = None
    seat_number: int | None = None
    tier_id: int = 0
    status: str = "available"


class Part(msgspec.Struct, frozen=True):
    """The tickets of one tier that an item requests."""

    item: int
    """The number of the item, from 0."""
    tier: Tier
    quantity: int
    ticket_ids: tuple[int, ...] = ()
    """The tickets that the item names; empty if any tickets of the tier satisfy it."""

    @property
    def takes_any_ticket(self) -> bool:
        """Return whether any tickets of a standing tier satisfy the part."""
        return not self.tier.seated and not self.ticket_ids

    @property
    def takes_chosen_seats(self) -> bool:
        """Return whether the batch chooses the seats of the part."""
        return self.tier.seated and not self.ticket_ids


Parts = tuple[Part, ...]
"""A request with its tiers: a part for each item, or several if the item names tickets of several tiers."""


class Booked(msgspec.Struct, frozen=True):
    """An order that exists, sold or held; `replayed` if an earlier request made it."""

    order: OrderRow
    bookings: Sequence[BookingRow]
    replayed: bool = False


class Declined(msgspec.Struct, frozen=True):
    """A declined payment, which an order records for repeats; `replayed` if an earlier request made that order."""

    error: PaymentDeclined
    replayed: bool = False


class Refused(msgspec.Struct, frozen=True):
    """A refusal that recorded nothing; the same reference may book later."""

    error: ApiError


class Retry(msgspec.Struct, frozen=True):
    """A request without an outcome, which must run again.

    The causes:

    - `in_flight`: another transaction books under the same reference.
    - `locked_tickets`: other transactions have locked or moved the tickets.
    - `changed_tier`: the tier or its event has changed since the prefetch.
    - `batch_limit`: only requests of the same batch exhaust a limit.
    """

    cause: Literal["in_flight", "locked_tickets", "changed_tier", "batch_limit"]


Decision = Booked | Declined | Refused
"""The committed response to a request."""
Outcome = Decision | Retry
"""The result of one run of a request."""


def hold_seconds(parts: Parts) -> int:
    """Return the length of an order's hold, which is the shortest of its tiers."""
    return min(part.tier.rules.hold_seconds for part in parts)


def is_limited(parts: Parts) -> bool:
    """Return whether a limit of tickets per buyer applies to an order."""
    return any(part.tier.rules.tickets_per_buyer is not None for part in parts)


def total_minor(parts: Parts) -> int:
    """Return the price of an order in the currency's minor units; 0 if its tickets are free."""
    return sum(part.quantity * part.tier.price_minor for part in parts)
