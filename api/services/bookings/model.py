"""Values that the booking modules exchange: policy, requests, rows and outcomes."""

import functools
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

import msgspec

from api import text
from api.errors import ApiError, PaymentDeclined
from api.money import without_rounding_error
from api.services.event_rules import EventTimes
from api.services.order_rows import BookingRow, OrderRow


class BookingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that decide a booking; `api.config.Settings` documents them."""

    payment_mode: Literal["inline", "async"]
    payment_success_rate: float
    payment_check_after_ms: int
    hold_seconds: int
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


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A validated booking request with its reference; `ticket_ids` is empty if the buyer accepts any tickets."""

    reference: str
    event: str
    tier: str
    quantity: int
    user_id: str
    ticket_ids: tuple[int, ...] = ()
    expected_total: float | None = None
    """The total that the buyer agreed to, in the currency's major unit; None if the request states none."""
    client_hash: bytes | None = None
    """The hash of the client's address for the limit of held tickets; None if that does not apply."""

    @functools.cached_property
    def limit_key(self) -> str:
        """The key under which the limits of the buyer count; look-alike names share it."""
        return text.limit_key(self.user_id)

    @functools.cached_property
    def digest(self) -> bytes:
        """SHA-256 of all fields but the reference and the client; equal digests mean equal requests."""
        content = [self.event, self.tier, self.quantity, self.user_id, sorted(self.ticket_ids)]
        if self.expected_total is not None:  # The digests of orders without it stay valid.
            content.append(without_rounding_error(self.expected_total))
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


class Ticket(msgspec.Struct, frozen=True):
    """A ticket as a statement read it; `ctid` is the location of its row in the table."""

    id: int
    position: int
    ctid: str
    row_label: str | None = None
    seat_number: int | None = None
    tier_id: int = 0
    status: str = "available"


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


def total_minor(request: NewOrder, tier: Tier) -> int:
    """Return the price of an order in the currency's minor units; 0 if its tickets are free."""
    return request.quantity * tier.price_minor


def takes_any_ticket(request: NewOrder, tier: Tier) -> bool:
    """Return whether any tickets of a standing tier satisfy a request."""
    return not tier.seated and not request.ticket_ids
