"""The routes of the payment simulator that speak the part of Stripe's API which the system uses.

The paths, forms, errors and signatures are those of https://docs.stripe.com/api. A buyer pays on the hosted page.
"""

import asyncio
import random
from typing import Any, Final, Literal, get_args

import msgspec
from litestar import MediaType, Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from litestar.types import ExceptionHandlersMap

from api.payments.stripe_simulator.errors import StripeRefused
from api.payments.stripe_simulator.form import parse_form
from api.payments.stripe_simulator.idempotency import Idempotency
from api.payments.stripe_simulator.pages import pay_page
from api.payments.stripe_simulator.signatures import sign
from api.payments.stripe_simulator.store import Kind, Object, RefundPlan, StripeStore
from api.payments.webhook_sender import WebhookSender
from api.settings.payments import PaymentSettings

PAY_PATH: Final = "/pay/"
"""The path of the hosted pages."""
Outcome = Literal["captured", "declined", "disputed"]

_KINDS: Final[dict[str, Kind]] = {
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "events": "event",
}
"""The kinds of objects that have a path of their own name."""


class StripeAccount:
    """The simulated account: its objects and keys, and the faults that the settings demand."""

    def __init__(self, settings: PaymentSettings, sender: WebhookSender, secret: str) -> None:
        self._settings = settings
        self._sender = sender
        self._secret = secret
        self.idempotency = Idempotency()
        self.store = StripeStore(f"http://127.0.0.1:{settings.psp_port}{PAY_PATH}", self._send)

    def limits(self) -> bool:
        """Return True if the next request is one too many, as the settings demand."""
        return random.random() < self._settings.psp_limit_rate

    def refund(self, fields: Object) -> Object:
        """Create a refund. The settings decide its fate; a pending refund ends after `PSP_DELAY_MS`."""
        plan: RefundPlan = "succeed"
        if random.random() < self._settings.psp_short_funds_rate:
            plan = "wait"
        if random.random() < self._settings.psp_refund_failure_rate:
            plan = "fail"
        refund = self.store.refund(fields, plan)
        if plan != "succeed":
            delay_s = self._settings.psp_delay_ms / 1000
            asyncio.get_running_loop().call_later(delay_s, self.store.settle_refund, refund["id"], plan)
        return refund

    def _send(self, event: Object, key: str) -> None:
        body = msgspec.json.encode(event)
        self._sender.deliver(key, event["id"], body, lambda sent_at: sign(self._secret, body, sent_at))


@post("/checkout/sessions", status_code=200)
async def create_session(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Create a Checkout Session."""
    return await _create(request, _account(request).store.create_session)


@post("/checkout/sessions/{session_id:str}/expire", status_code=200)
async def expire_session(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Close an open Checkout Session."""
    return await _create(request, lambda _: _account(request).store.expire_session(session_id))


@get("/checkout/sessions")
async def list_sessions(request: Request[Any, Any, Any]) -> Object:
    """Return a page of Checkout Sessions."""
    return _page(request, "checkout.session")


@get("/checkout/sessions/{session_id:str}")
async def get_session(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Object:
    """Return a Checkout Session."""
    return _get(request, "checkout.session", session_id)


@post("/refunds", status_code=200)
async def create_refund(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Refund all or a part of a payment."""
    return await _create(request, _account(request).refund)


@get([f"/{name}" for name in _KINDS])
async def list_objects(request: Request[Any, Any, Any]) -> Object:
    """Return a page of objects of one kind."""
    return _page(request, _KINDS[request.url.path.split("/")[2]])


@get([f"/{name}/{{object_id:str}}" for name in _KINDS])
async def get_object(request: Request[Any, Any, Any], object_id: FromPath[str]) -> Object:
    """Return an object."""
    return _get(request, _KINDS[request.url.path.split("/")[2]], object_id)


@get(PAY_PATH + "{session_id:str}", media_type=MediaType.HTML)
async def show_pay_page(request: Request[Any, Any, Any], session_id: FromPath[str]) -> str:
    """Show the hosted page of a Checkout Session."""
    return pay_page(_account(request).store.get("checkout.session", session_id))


@post(PAY_PATH + "{session_id:str}", status_code=200)
async def pay(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[str]:
    """Pay with the outcome that the buyer has chosen. A captured payment leads back to the shop."""
    store = _account(request).store
    outcome = parse_form((await request.body()).decode()).get("outcome", "")
    if outcome not in get_args(Outcome):
        raise StripeRefused("Invalid outcome.", param="outcome")
    session = store.get("checkout.session", session_id)
    if session["status"] != "open":
        return Response(pay_page(session), media_type=MediaType.HTML)
    store.pay(session_id, "declined" if outcome == "declined" else "captured")
    if outcome == "declined":
        return Response(pay_page(session, "The card was declined."), media_type=MediaType.HTML)
    if outcome == "disputed":
        store.dispute(session_id)
    return Response("", status_code=303, headers={"Location": session["success_url"]})


def _authenticate(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse requests without an API key, and those that the settings count as too many.

    Raises:
        StripeRefused: the key is missing, or the request is one too many.
    """
    if not connection.headers.get("Authorization", "").startswith(("Bearer sk_", "Bearer rk_")):
        raise StripeRefused("You did not provide an API key.", status=401)
    if _account(connection).limits():
        raise StripeRefused("Request rate limit exceeded.", status=429, code="rate_limit")


def stripe_routers() -> list[Router]:
    """Return the routers of the API and of the hosted pages."""
    api = [create_session, expire_session, list_sessions, get_session, create_refund, list_objects, get_object]
    handlers: ExceptionHandlersMap = {StripeRefused: _respond_to_refusal}
    return [
        Router("/v1", route_handlers=api, guards=[_authenticate], exception_handlers=handlers),
        Router("/", route_handlers=[show_pay_page, pay], exception_handlers=handlers),
    ]


def _account(connection: ASGIConnection[Any, Any, Any, Any]) -> StripeAccount:
    account: StripeAccount = connection.app.state.stripe
    return account


def _query(request: Request[Any, Any, Any]) -> tuple[Object, list[str]]:
    """Return the fields of a query, and the members to expand."""
    query = parse_form(request.scope["query_string"].decode())
    expand = query.pop("expand", {})
    if not isinstance(expand, dict):
        raise StripeRefused("Invalid array: expand", param="expand")
    return query, list(expand.values())


def _get(request: Request[Any, Any, Any], kind: Kind, object_id: str) -> Object:
    _, expand = _query(request)
    return _account(request).store.get(kind, object_id, expand)


def _page(request: Request[Any, Any, Any], kind: Kind) -> Object:
    query, _ = _query(request)
    return _account(request).store.page(kind, query, request.url.path)


async def _create(request: Request[Any, Any, Any], make: Any) -> Response[bytes]:
    fields = parse_form((await request.body()).decode())
    key = request.headers.get("Idempotency-Key")
    body, is_repeat = _account(request).idempotency.run(key, request.url.path, fields, lambda: make(fields))
    headers = {"Idempotent-Replayed": "true"} if is_repeat else None
    return Response(body, media_type=MediaType.JSON, status_code=200, headers=headers)


def _respond_to_refusal(_: Request[Any, Any, Any], refused: StripeRefused) -> Response[Object]:
    return Response({"error": refused.error}, status_code=refused.status)
