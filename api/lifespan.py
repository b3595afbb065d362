"""The objects of one API process, from its start to its end."""

import contextlib
import functools
import gc
from collections.abc import AsyncIterator, Callable, Sequence

from litestar import Litestar
from litestar.datastructures import State

from api import metrics
from api.config import Settings
from api.database.pool import Pool, open_pool
from api.database.pooler import PoolerCheck
from api.database.session import with_timeout
from api.http.rate_limit import Limit
from api.http.shared_result import SharedResult
from api.payments import signatures
from api.payments.signatures import WebhookReader
from api.routes import health
from api.routes.metrics import render_metrics
from api.secret import load_or_create_secret
from api.services.accounts.passwords import Passwords
from api.services.accounts.sessions import list_revoked
from api.services.accounts.tokens import SessionKeys
from api.services.availability import availability_cache
from api.services.bookings.batcher import BookingBatcher
from api.services.bookings.seat_search import SeatSearch
from api.services.events import event_cache, event_list_cache
from api.services.health import read_system
from api.services.mail.printer import TicketPrinter
from api.services.order_rows import OrderRow
from api.services.order_rules import OrderRules
from api.services.payments import Charges
from api.services.providers import open_payments
from api.services.states import states_cache
from api.services.webhooks import Inbox
from api.settings.secrets import ACCESS_SECRET, SESSION_SECRETS, TICKET_SECRET, WEBHOOK_SECRET

_METRICS_CACHED_S = 1 - metrics.FLUSH_INTERVAL_S
"""Time for which metrics are cached. Those of other processes are then at most one second old."""
_REFRESHES_PER_SIGN_IN = 10
"""Exchanges of the refresh token of one session, as a multiple of the attempts to sign in from one client address."""


def lifespan_of(settings: Settings) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    """Return the context that opens and closes the objects of a process."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        state = app.state
        url = settings.database_url or ""
        admit = PoolerCheck(url, settings).admit
        async with open_pool(url, settings, admit) as pool, open_payments(settings, pool) as provider:
            _fill(state, settings, pool)
            charges = Charges(pool, provider)
            on_commit = functools.partial(_on_commit, state, charges)
            state.batcher = BookingBatcher(pool, settings, on_commit, can_charge=lambda: not provider.is_open())
            with contextlib.closing(state.passwords):
                async with metrics.flushing(), _running_tasks(state, charges):
                    # Exclude the loaded modules from every later garbage collection.
                    gc.freeze()
                    yield

    return lifespan


def _fill(state: State, settings: Settings, pool: Pool) -> None:
    """Make the objects that routes share (`ApiState`), except the batcher."""
    state.settings = settings
    state.pool = pool
    state.read_webhook = _webhook_reader(settings)
    state.ticket_secret = load_or_create_secret(settings, TICKET_SECRET)
    state.access_secret = load_or_create_secret(settings, ACCESS_SECRET)
    state.has_open_orders = settings.has_open_orders
    state.message_requests = Limit(settings.message_requests_per_minute, window_s=60)
    state.printer = TicketPrinter(settings, state.ticket_secret)
    _fill_accounts(state, settings, pool)
    state.seats = SeatSearch()
    state.availability = availability_cache(pool)
    state.states = states_cache(pool, seats_max=settings.seat_map_seats_max)
    state.events = event_list_cache(pool)
    state.rules = OrderRules(hold_seconds=settings.hold_seconds, tickets_max=settings.max_tickets_per_booking)
    state.event = event_cache(pool, state.rules)
    state.inbox = Inbox(pool, settings)
    # Uncached, so that load balancers notice each change at once.
    find_obstacle = functools.partial(health.find_any_obstacle, pool, settings, state.events)
    state.obstacle = SharedResult(find_obstacle, cached_max_s=0)
    state.system = SharedResult(functools.partial(read_system, pool, settings))
    state.metrics = SharedResult(functools.partial(render_metrics, state.system), cached_max_s=_METRICS_CACHED_S)


def _webhook_reader(settings: Settings) -> WebhookReader:
    """Return the function that verifies and reads the webhooks of the provider."""
    if settings.payment_provider == "simulator":
        return functools.partial(signatures.verify, load_or_create_secret(settings, WEBHOOK_SECRET))
    from api.payments import stripe_webhooks  # noqa: PLC0415 - its import takes a second and 31 MB

    return functools.partial(stripe_webhooks.verify, settings.stripe_secrets)


def _fill_accounts(state: State, settings: Settings, pool: Pool) -> None:
    """Make the objects of accounts and their sessions."""
    state.session_keys = SessionKeys(load_or_create_secret(settings, SESSION_SECRETS))
    state.passwords = Passwords(settings.sign_in_wait_ms / 1000)
    state.sign_ins_from_address = Limit(settings.sign_ins_per_address_per_minute, window_s=60)
    state.refreshes = Limit(_REFRESHES_PER_SIGN_IN * settings.sign_ins_per_address_per_minute, window_s=60)
    state.passkey_challenges = Limit(settings.passkey_challenges_per_minute, window_s=60)
    # All signed-in requests share one read, so a database that freezes during it must not stop them.
    state.revoked_sessions = SharedResult(lambda: with_timeout(list_revoked(pool, settings)))


def _on_commit(state: State, charges: Charges, committed: Sequence[OrderRow]) -> None:
    """Refresh the snapshots of the booked events, and request the charges of pending orders."""
    events = {order.event for order in committed}
    state.availability.invalidate(events)
    state.states.invalidate(events)
    charges.request([order for order in committed if order.status == "pending"])


@contextlib.asynccontextmanager
async def _running_tasks(state: State, charges: Charges) -> AsyncIterator[None]:
    """Run the background tasks of a process. The batcher stops first, because its commits need the others."""
    async with (
        state.printer.running(),
        state.availability.running(),
        state.states.running(),
        state.events.running(),
        state.event.running(),
        charges.running(),
        state.inbox.running(),
        state.batcher.running(),
    ):
        yield
