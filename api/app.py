"""The API application: its routes, the objects of a process, and the configuration of the framework."""

import contextlib
import functools
import gc
from collections.abc import AsyncIterator, Callable, Sequence

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.types import Message, Scope

from api.config import TICKET_SECRET, WEBHOOK_SECRET, Settings
from api.database.pool import open_pool
from api.fast_path import FastPath
from api.http.listeners import limiting_unread_responses
from api.http.openapi import complete
from api.http.operations import serving_operations
from api.http.problems import EXCEPTION_HANDLERS
from api.http.rate_limit import Throttle
from api.http.request_metrics import RequestMetrics, count_unmatched
from api.http.semantics import HttpSemantics, OwnOrigins
from api.http.shared_result import SharedResult
from api.payments.http_provider import open_provider
from api.routes import bookings, docs, events, health, metrics, payments, tickets
from api.secret import load_or_create_secret
from api.services.availability import availability_cache
from api.services.bookings.batcher import BookingBatcher
from api.services.events import event_cache, event_list_cache
from api.services.health import read_system
from api.services.order_rows import OrderRow
from api.services.payments import Charges
from api.services.states import states_cache
from api.services.webhooks import Inbox

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # Replaces the framework's value: a cache must distinguish responses by origin and by encoding.
    (b"vary", b"Origin, Accept-Encoding"),
)
"""The headers of every response, errors included."""

_ROUTES = (
    events.get_events,
    events.get_event,
    tickets.get_availability,
    tickets.get_states,
    tickets.get_tickets,
    bookings.get_methods,  # before the framework adds its own OPTIONS handler
    bookings.create_booking,
    bookings.get_booking,
    bookings.get_bookings,
    bookings.cancel_booking,
    bookings.get_ticket_code,
    bookings.get_calendar,
    payments.receive_webhook,
    docs.get_asset,
)
_HEALTH_ROUTES = (health.get_live, health.get_ready)
_OPERATIONS_ROUTES = (health.get_system, metrics.get_metrics)
"""Routes for operators, on the port of operations if there is one."""


def create_app(settings: Settings | None = None) -> FastPath:
    """Return the application: the framework's routes behind the fast path."""
    settings = settings or Settings.from_env()
    throttle = Throttle(address_rps=settings.limited_address_rps, endpoint_rps=settings.endpoint_rps)
    cors = CORSConfig(
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type", "Idempotency-Key", "If-None-Match"],
        expose_headers=[
            *("ETag", "X-As-Of", "X-Event-Revision", "Idempotent-Replayed", "Location", "Content-Disposition"),
            *("Retry-After", "RateLimit", "RateLimit-Policy"),
        ],
        max_age=3600,
    )
    app = Litestar(
        route_handlers=[
            *_ROUTES,
            *_HEALTH_ROUTES,
            *(() if settings.operations_port else _OPERATIONS_ROUTES),
        ],
        lifespan=[_lifespan(settings)],
        middleware=[RequestMetrics()],
        guards=[throttle.guard, OwnOrigins(cors, settings.own_hosts).guard],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=settings.body_bytes_max,
        cors_config=cors,
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=6, minimum_size=1000, exclude_opt_key="uncompressed"
        ),
        before_send=[_complete_headers, count_unmatched],
        openapi_config=OpenAPIConfig(
            title="Concert tickets",
            version="1.0.0",
            description="Availability and bookings. Every error is a problem document (RFC 9457).",
            path="/schema",
            use_handler_docstrings=True,
            render_plugins=[_docs_page()],
        ),
    )
    complete(app.openapi_schema, tickets_max=settings.max_tickets_per_booking)
    app.state.throttle = throttle
    return FastPath(
        app,
        throttle=throttle,
        headers=_HEADERS,
        trusted=settings.trusted_networks,
        body_timeout_s=settings.body_timeout_ms / 1000,
    )


def _operations_app(state: State) -> Litestar:
    """Return the application of the listener for operators; it shares the state of the main application."""
    app = Litestar(
        route_handlers=[*_HEALTH_ROUTES, *_OPERATIONS_ROUTES],
        exception_handlers=EXCEPTION_HANDLERS,
        before_send=[_complete_headers],
        openapi_config=None,
    )
    app.state = state
    return app


def _lifespan(settings: Settings) -> Callable[[Litestar], contextlib.AbstractAsyncContextManager[None]]:
    """Return the context that opens and closes the objects of a process."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        state = app.state
        state.settings = settings
        async with (
            open_pool(settings.database_url or "", settings) as pool,
            open_provider(settings) as provider,
        ):
            state.pool = pool
            state.webhook_secret = load_or_create_secret(settings, WEBHOOK_SECRET)
            state.ticket_secret = load_or_create_secret(settings, TICKET_SECRET)
            state.availability = availability_cache(pool)
            state.states = states_cache(pool, seats_max=settings.seat_map_seats_max)
            state.events = event_list_cache(pool)
            state.event = event_cache(pool)
            state.inbox = Inbox(pool, settings)
            # Uncached, so that load balancers notice each change at once.
            state.obstacle = SharedResult(
                functools.partial(health.find_any_obstacle, pool, settings, state.events), cached_max_s=0
            )
            state.system = SharedResult(functools.partial(read_system, pool, settings))
            state.metrics = SharedResult(functools.partial(metrics.render_metrics, state.system))
            charges = Charges(pool, provider)

            def on_commit(committed: Sequence[OrderRow]) -> None:
                changed = {order.event for order in committed}
                state.availability.invalidate(changed)
                state.states.invalidate(changed)
                charges.request([order for order in committed if order.status == "pending"])

            state.batcher = BookingBatcher(pool, settings, on_commit, can_charge=lambda: not provider.is_open())
            async with (
                state.availability.running(),
                state.states.running(),
                state.events.running(),
                state.event.running(),
                charges.running(),
                state.inbox.running(),
                state.batcher.running(),
                limiting_unread_responses(
                    {settings.api_port, settings.operations_port} - {0}, settings.write_timeout_ms
                ),
                serving_operations(HttpSemantics(_operations_app(state)), settings),
            ):
                # Exclude the loaded modules from every later garbage collection.
                gc.freeze()
                yield

    return lifespan


async def _complete_headers(message: Message, _: Scope) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [*(h for h in message["headers"] if h[0].lower() != b"vary"), *_HEADERS]


def _docs_page() -> SwaggerRenderPlugin:
    """Return the readable page of the OpenAPI document. It loads nothing from another host."""
    return SwaggerRenderPlugin(
        js_url=f"{docs.ASSETS}/{docs.SCRIPT}",
        css_url=f"{docs.ASSETS}/{docs.STYLE}",
        standalone_preset_js_url=f"{docs.ASSETS}/{docs.PRESET}",
        favicon=f'<link rel="icon" href="{docs.ASSETS}/{docs.ICON}">',
        path="/swagger",
    )
