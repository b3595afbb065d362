"""The API application: its routes, and the configuration of the framework."""

import functools
from collections.abc import Callable

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Message, Scope

from api.config import Settings
from api.errors import InvalidRequest
from api.fast_path import FastPath
from api.fast_protocol import FastProtocol
from api.http.allowed_methods import allow
from api.http.identity import SCHEME, identify
from api.http.local_clients import guard_local
from api.http.open_orders import find_open_orders
from api.http.openapi import complete, refuse_unknown_page
from api.http.problems import EXCEPTION_HANDLERS, problem
from api.http.rate_limit import Throttle
from api.http.request_metrics import RequestMetrics, count_unmatched
from api.http.semantics import HttpSemantics, OwnOrigins, check_host
from api.lifespan import lifespan_of
from api.routes import (
    bookings,
    docs,
    events,
    health,
    link_revocations,
    me,
    messages,
    metrics,
    order_changes,
    passkeys,
    payments,
    printed_tickets,
    sessions,
    tickets,
)
from api.routes.desk import grants
from api.routes.desk import orders as desk_orders
from api.server.refusals import Refusals, refusal
from api.server.uvicorn_patch import HEADERS_BYTES_MAX, LimitedProtocol
from api.services.order_rules import TICKETS_MAX

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    # Replaces the framework's value: a cache must distinguish responses by origin and by encoding.
    (b"vary", b"Origin, Accept-Encoding"),
)
"""The headers of every response, errors included."""

_ACCOUNT_ROUTES = (
    allow(sessions.SESSIONS, "POST", "DELETE"),
    allow(grants.GRANTS, "GET", "HEAD", "POST"),
    sessions.send_sign_in_link,
    sessions.sign_in,
    sessions.refresh,
    sessions.end_session,
    sessions.end_sessions,
    sessions.open_access,
    me.get_me,
    me.set_password,
    me.get_account_orders,
    allow(passkeys.PASSKEYS, "GET", "HEAD", "POST"),
    allow(passkeys.PASSKEY, "PUT", "DELETE"),
    passkeys.begin_sign_in_with_passkey,
    passkeys.begin_new_passkey,
    passkeys.add_new_passkey,
    passkeys.get_passkeys,
    passkeys.change_passkey_name,
    passkeys.remove_passkey,
    grants.get_grants,
    grants.grant_role,
    grants.revoke_role,
    desk_orders.find_event_orders,
)
_ROUTES = (
    events.get_events,
    events.get_event,
    tickets.get_availability,
    tickets.get_states,
    tickets.get_tickets,
    tickets.get_best,
    allow(bookings.BOOKINGS, "GET", "HEAD", "POST"),  # before the framework adds its own OPTIONS handler
    bookings.create_booking,
    bookings.get_booking,
    bookings.get_bookings,
    order_changes.cancel_booking,
    order_changes.return_booked_tickets,
    bookings.get_ticket_code,
    bookings.get_calendar,
    printed_tickets.get_printed_tickets,
    messages.send_booking,
    messages.send_booking_links,
    link_revocations.revoke_booking_links,
    *_ACCOUNT_ROUTES,
    payments.receive_webhook,
    docs.get_asset,
)
_HEALTH_ROUTES = (health.get_live, health.get_ready)
_OPERATIONS_ROUTES = (health.get_system, metrics.get_metrics)
"""Routes for operators, on the port of operations if there is one; otherwise for clients on this machine."""


def create_app(settings: Settings | None = None) -> FastPath:
    """Return the application: the framework's routes behind the fast path."""
    settings = settings or Settings.from_env()
    throttle = Throttle(address_rps=settings.limited_address_rps, endpoint_rps=settings.endpoint_rps)
    return FastPath(
        _main_app(settings, throttle),
        throttle=throttle,
        headers=_HEADERS,
        trusted=settings.trusted_networks,
        body_timeout_s=settings.body_timeout_ms / 1000,
        has_open_orders_by_default=settings.guest_orders is None and settings.has_open_orders,
    )


def _main_app(settings: Settings, throttle: Throttle) -> Litestar:
    """Return the application for clients, and for operators unless they have a port of their own."""
    cors = _cors(settings)
    app = Litestar(
        route_handlers=[*_ROUTES, *_HEALTH_ROUTES, *(() if settings.operations_port else (_local_operations(),))],
        lifespan=[lifespan_of(settings)],
        dependencies={"caller": Provide(identify), "open_orders": Provide(find_open_orders)},
        middleware=[RequestMetrics()],
        guards=[throttle.guard, check_host, OwnOrigins(cors, settings.own_hosts).guard],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=settings.body_bytes_max,
        cors_config=cors,
        compression_config=CompressionConfig(
            backend="gzip", gzip_compress_level=6, minimum_size=1000, exclude_opt_key="uncompressed"
        ),
        before_send=[_complete_headers, count_unmatched],
        openapi_config=_openapi(),
        logging_config=None,  # The framework would replace the format of api/logs.py.
    )
    complete(app.openapi_schema, tickets_max=TICKETS_MAX)
    app.state.throttle = throttle
    return app


def _local_operations() -> Router:
    """Return the routes for operators with the guard that they need on the port of buyers."""
    return Router("/", route_handlers=_OPERATIONS_ROUTES, guards=[guard_local])


def create_operations_app(state: State) -> HttpSemantics:
    """Return the application of the port of operations; it shares the state of the main application."""
    app = Litestar(
        route_handlers=[*_HEALTH_ROUTES, *_OPERATIONS_ROUTES],
        exception_handlers=EXCEPTION_HANDLERS,
        before_send=[_complete_headers],
        openapi_config=None,
        logging_config=None,
    )
    app.state = state
    return HttpSemantics(app)


def protocol_of(app: FastPath) -> Callable[..., LimitedProtocol]:
    """Return the protocol with which a server serves the application."""
    return functools.partial(FastProtocol, fast_path=app)


def connection_refusals() -> Refusals:
    """Return the responses to requests that reach no application."""
    return Refusals(
        malformed=_refusal(InvalidRequest("is not HTTP/1.1", field="request")),
        oversized=_refusal(InvalidRequest(f"must have at most {HEADERS_BYTES_MAX} bytes", field="headers")),
    )


def _refusal(error: InvalidRequest) -> bytes:
    response = problem(error)
    own = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    return refusal([(b"content-type", response.media_type.encode()), *own, *_HEADERS], response.body)


def _cors(settings: Settings) -> CORSConfig:
    return CORSConfig(
        allow_origins=settings.allowed_origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Booking-Secret", "Content-Type", "Idempotency-Key", "If-None-Match"],
        allow_credentials=True,  # the cookie with the refresh token
        expose_headers=[
            *("ETag", "X-As-Of", "X-Event-Revision", "Idempotent-Replayed", "Location", "Content-Disposition"),
            *("Retry-After", "RateLimit", "RateLimit-Policy"),
        ],
        max_age=3600,
    )


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Concert tickets",
        version="1.0.0",
        description="Availability and bookings. Every error is a problem document (RFC 9457).",
        path="/schema",
        components=Components(security_schemes={SCHEME: SecurityScheme(type="http", scheme="bearer")}),
        use_handler_docstrings=True,
        render_plugins=[_docs_page()],
        openapi_router=Router("/schema", route_handlers=[], guards=[refuse_unknown_page], include_in_schema=False),
    )


def _docs_page() -> SwaggerRenderPlugin:
    """Return the readable page of the OpenAPI document. It loads nothing from another host."""
    return SwaggerRenderPlugin(
        js_url=f"{docs.ASSETS}/{docs.SCRIPT}",
        css_url=f"{docs.ASSETS}/{docs.STYLE}",
        standalone_preset_js_url=f"{docs.ASSETS}/{docs.PRESET}",
        favicon=f'<link rel="icon" href="{docs.ASSETS}/{docs.ICON}">',
        path="/swagger",
    )


async def _complete_headers(message: Message, _: Scope) -> None:
    if message["type"] == "http.response.start":
        message["headers"] = [*(h for h in message["headers"] if h[0].lower() != b"vary"), *_HEADERS]
