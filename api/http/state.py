"""The objects that the routes of one process share."""

from typing import Any

from litestar.datastructures import State

from api.config import Settings
from api.database.pool import Pool
from api.health_schemas import SystemHealth
from api.http.rate_limit import Limit, Throttle
from api.http.shared_result import SharedResult
from api.payments.signatures import WebhookReader
from api.services.accounts.passwords import Passwords
from api.services.accounts.tokens import SessionKeys
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.seat_search import SeatSearch
from api.services.mail.printer import TicketPrinter
from api.services.order_rules import OrderRules
from api.services.snapshots import SnapshotCache
from api.services.webhooks import Inbox


class ApiState(State):
    """The application state. The lifespan fills it before the first request."""

    settings: Settings
    throttle: Throttle
    message_requests: Limit
    """The limit of each client network for requests for e-mails."""
    sign_ins_from_address: Limit
    """The limit of each client network for attempts to sign in."""
    refreshes: Limit
    """The limit of each session for exchanges of its refresh token."""
    passkey_challenges: Limit
    """The limit of each client network for challenges of passkeys."""
    pool: Pool
    printer: TicketPrinter
    batcher: BookingBatcher
    rules: OrderRules
    """The rules of events without their own."""
    seats: SeatSearch
    availability: SnapshotCache[Any]
    states: SnapshotCache[Any]
    events: SnapshotCache[Any]
    event: SnapshotCache[Any]
    inbox: Inbox
    obstacle: SharedResult[str | None]
    system: SharedResult[SystemHealth]
    metrics: SharedResult[bytes]
    read_webhook: WebhookReader
    """Verifies and reads a webhook of the payment provider."""
    ticket_secret: str
    access_secret: str
    session_keys: SessionKeys
    passwords: Passwords
    revoked_sessions: SharedResult[frozenset[str]]
    """The sessions that have ended while their access tokens are still valid."""
    has_open_orders: bool
    """True if everybody may access the orders that were made without a secret."""
