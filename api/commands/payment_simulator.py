"""The payment simulator: a process that accepts charges, decides them later and sends webhooks.

It also speaks a part of Stripe's API, under `/v1`. Settings make its webhooks late, duplicated, reordered or lost. By
default it sends each once. The charges are in memory and end with the process.
"""

import asyncio
import contextlib
import logging
import random
import re
import signal
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath

from api.commands.stripe_simulator import PAY_PATH, StripeAccount, stripe_routers
from api.config import Settings
from api.health_schemas import Health
from api.payments.provider import Charge, ChargeRequest, Refund, RefundBody
from api.payments.simulator import ChargeRefused, ChargeStore
from api.payments.webhook_sender import DECISION_JITTER, WebhookSender, open_sender
from api.secret import load_or_create_secret
from api.server.sockets import open_listener, possible_connections
from api.server.uvicorn_patch import Port, Server
from api.settings.secrets import WEBHOOK_SECRET

_log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
"""The simulator listens on loopback only, because it accepts charges without authentication."""

FINISH_WITHIN_S = 5
"""Time that requests have to end after a stop signal."""
_OTHER_FILES_MAX = 100
"""Open files of the process that are no connections."""

Body = TypeVar("Body", ChargeRequest, RefundBody)

_FIELD = re.compile(r"field `(?P<key>\w+)`|at `\$\.(?P<path>\w+)`")
"""The field that a message of msgspec names."""


class SimulatorState(State):
    """The objects that the routes share."""

    settings: Settings
    store: ChargeStore
    sender: WebhookSender


@post("/charges", status_code=202)
async def create_charge(request: Request[Any, Any, Any], state: SimulatorState) -> Charge:
    """Create a charge and decide it later. A repeated request returns the present charge."""
    charge, is_new = state.store.create(_decode(await request.body(), ChargeRequest))
    if is_new:
        state.sender.send(charge)
        delay_s = state.settings.psp_delay_ms / 1000 * random.uniform(1 - DECISION_JITTER, 1 + DECISION_JITTER)
        asyncio.get_running_loop().call_later(delay_s, _decide, state, charge.reference)
    return charge


@get("/charges")
async def get_charges(state: SimulatorState) -> list[Charge]:
    """Return every charge."""
    return state.store.charges()


@get("/charges/{reference:str}")
async def get_charge(state: SimulatorState, reference: FromPath[str]) -> Charge:
    """Return a charge with its present status."""
    return state.store.get(reference)


@post("/charges/{reference:str}/refunds", status_code=200)
async def create_refund(request: Request[Any, Any, Any], state: SimulatorState, reference: FromPath[str]) -> Refund:
    """Refund a part of a captured charge. A repeated request returns the present refund."""
    refund, refunded = state.store.refund(reference, _decode(await request.body(), RefundBody))
    if refunded:
        state.sender.send(refunded)
    return refund


@get("/charges/{reference:str}/refunds/{key:str}")
async def get_refund(state: SimulatorState, reference: FromPath[str], key: FromPath[str]) -> Refund:
    """Return a refund with its present status."""
    return state.store.get_refund(reference, key)


@get("/refunds")
async def get_refunds(state: SimulatorState) -> list[Refund]:
    """Return every refund."""
    return state.store.refunds()


@get("/health")
async def get_health() -> Response[Health]:
    """Respond with 200 while the process runs."""
    return Response(Health(status="live"), headers={"Cache-Control": "no-store"})


async def _refuse_browsers(request: Request[Any, Any, Any]) -> None:
    """Refuse requests of web pages: every page may send requests to the loopback interface.

    A browser adds `Origin` to a POST. A page that rebinds its domain to this address has its own name in `Host`. The
    hosted pages are for browsers, and only they may post to themselves.

    Raises:
        ChargeRefused: a browser sent the request, or it is for another host.
    """
    host = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
    origin = request.headers.get("Origin")
    own = request.url.path.startswith(PAY_PATH) and origin == f"http://{request.headers.get('Host')}"
    if (origin is not None and not own) or host not in (HOST, "localhost"):
        raise ChargeRefused(403, "forbidden", "Only programs on this machine may use the payment simulator.")


def create_app(settings: Settings | None = None) -> Litestar:
    """Return the simulator's application."""
    settings = settings or Settings.from_env()

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        secret = load_or_create_secret(settings, WEBHOOK_SECRET)
        async with open_sender(settings, secret) as sender:
            app.state.settings = settings
            app.state.store = ChargeStore()
            app.state.sender = sender
            app.state.stripe = StripeAccount(settings, sender, next(iter(settings.stripe_secrets), secret))
            yield

    return Litestar(
        route_handlers=[
            *(create_charge, get_charges, get_charge, create_refund, get_refund, get_refunds),
            get_health,
            *stripe_routers(),
        ],
        lifespan=[lifespan],
        before_request=_refuse_browsers,
        exception_handlers={ChargeRefused: _respond_to_refusal, 500: _respond_to_fault},
        request_max_body_size=settings.body_bytes_max,
        openapi_config=None,
        logging_config=None,  # The framework would replace the format of api/logs.py.
    )


def serve(settings: Settings) -> int:
    """Serve on `PSP_PORT` until SIGTERM or SIGINT; return 0.

    Raises:
        SetupError: the webhook secret cannot be read or created.
    """
    load_or_create_secret(settings, WEBHOOK_SECRET)  # before the server listens
    listener = open_listener(HOST, settings.psp_port, write_timeout_ms=settings.write_timeout_ms)
    port = Port(
        listener,
        create_app(settings),
        connections_max=possible_connections(settings.connections_max, other_files=_OTHER_FILES_MAX),
        header_timeout_s=settings.header_timeout_ms / 1000,
        silence_min_s=settings.header_timeout_ms / 1000,
    )
    server = Server([port], finish_within_s=FINISH_WITHIN_S)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    server.run()
    return 0


def _decide(state: SimulatorState, reference: str) -> None:
    state.sender.send(state.store.decide(reference, state.settings.payment_success_rate))


def _decode(body: bytes, type_: type[Body]) -> Body:
    """Decode a request strictly: the framework's decoder accepts the text "2" as a number."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        named = _FIELD.search(str(error))
        field = (named["key"] or named["path"]) if named else "body"
        raise ChargeRefused(400, "invalid_request", str(error), field=field) from None


def _respond_to_refusal(_: Request[Any, Any, Any], refused: ChargeRefused) -> Response[dict[str, Any]]:
    """Return a problem document (RFC 9457)."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(refused.status).phrase,
        "status": refused.status,
        "detail": refused.message,
        "code": refused.code,
    }
    if refused.field is not None:
        body["errors"] = [{"field": refused.field, "message": refused.message}]
    return Response(body, status_code=refused.status, media_type="application/problem+json")


def _respond_to_fault(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    _log.error("%r %r failed", request.method, request.url.path, exc_info=error)
    return _respond_to_refusal(request, ChargeRefused(500, "internal_error", "The payment simulator failed."))
