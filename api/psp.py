"""The simulated payment provider: a process of its own that takes charges over HTTP and tells of them by webhooks.

It decides like the simulator within the booking request, after a while, and signs what it tells. Webhooks can be
duplicated, held back behind later ones, or lost, as with a real one; one that is not acknowledged is sent again. Its
charges are in memory: a provider that was started anew knows of none.
"""

import asyncio
import contextlib
import itertools
import logging
import random
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Literal

import httpx
import msgspec
from granian.constants import Interfaces, Loops
from granian.server.mp import MPServer
from litestar import Litestar, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from api import simulator
from api.body import StrictBody
from api.config import Settings
from api.contract import Reference
from api.errors import KeyReused, NotCancellable, NotFound
from api.problems import EXCEPTION_HANDLERS
from api.secret import webhook_secret
from api.webhook import ChargeData, WebhookBody, sign

_log = logging.getLogger(__name__)

CHARGES_MAX = 1_000_000
"""Charges that are kept; of more, the oldest are forgotten."""
HELD_BACK_S = 1.0
"""How long a webhook is held back that is to come behind those that follow it."""
DELIVERY_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a webhook that was not acknowledged is sent again; after the last it is given up."""
DELIVERY_TIMEOUT_S = 5.0
_DELIVERIES_AT_ONCE = 50
_JITTER = 0.5
"""A decision takes this share of the delay more or less."""

Status = Literal["processing", "captured", "declined", "refunded"]


class ChargeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /charges`; `amount` in the currency's minor units."""

    reference: Reference
    amount: int
    currency: str


class Charge(msgspec.Struct):
    """A charge as it stands."""

    reference: str
    amount: int
    currency: str
    status: Status = "processing"


class Provider:
    """The charges, and what becomes of them."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self.charges: dict[str, Charge] = {}
        self._settings = settings
        self._secret = webhook_secret(settings)
        self._http = http
        self._sending = asyncio.Semaphore(_DELIVERIES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def charge(self, wanted: ChargeRequest) -> Charge:
        """Take a charge, once for each reference.

        Raises:
            KeyReused: there is one of another amount.
        """
        charge = self.charges.get(wanted.reference)
        if charge is None:
            charge = Charge(wanted.reference, wanted.amount, wanted.currency)
            self.charges[wanted.reference] = charge
            for reference in list(itertools.islice(self.charges, max(0, len(self.charges) - CHARGES_MAX))):
                del self.charges[reference]
            self._start(self._decide(charge))
        elif (charge.amount, charge.currency) != (wanted.amount, wanted.currency):
            raise KeyReused(f"The charge {wanted.reference} is of {charge.amount} {charge.currency}.")
        return charge

    def find(self, reference: str) -> Charge:
        """Return a charge.

        Raises:
            NotFound: there is none.
        """
        try:
            return self.charges[reference]
        except KeyError:
            raise NotFound(f"There is no charge {reference}.") from None

    def refund(self, reference: str) -> Charge:
        """Give a captured charge back, once.

        Raises:
            NotFound: there is none.
            NotCancellable: it was not captured.
        """
        charge = self.find(reference)
        if charge.status not in {"captured", "refunded"}:
            raise NotCancellable(f"The charge {reference} is {charge.status}: there is nothing to refund.")
        if charge.status == "captured":
            charge.status = "refunded"
            self._tell(charge)
        return charge

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Decide and tell while the context lasts; what is under way at its end is left."""
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _decide(self, charge: Charge) -> None:
        self._tell(charge)
        await asyncio.sleep(self._settings.psp_delay_ms / 1000 * random.uniform(1 - _JITTER, 1 + _JITTER))
        charge.status = simulator.decide(charge.reference, self._settings.payment_success_rate)
        self._tell(charge)

    def _tell(self, charge: Charge) -> None:
        """Send a webhook of a charge's present state, as often and as late as the settings make it."""
        if random.random() < self._settings.psp_loss_rate:
            return
        data = ChargeData(charge.reference, charge.amount, charge.currency)
        body = msgspec.json.encode(WebhookBody(f"charge.{charge.status}", datetime.now(UTC), data))
        webhook_id = f"msg_{secrets.token_hex(12)}"
        late = random.random() < self._settings.psp_reorder_rate
        for _ in range(2 if random.random() < self._settings.psp_duplicate_rate else 1):
            self._start(self._deliver(webhook_id, body, HELD_BACK_S * random.uniform(0.5, 1) if late else 0))

    async def _deliver(self, webhook_id: str, body: bytes, after_s: float) -> None:
        await asyncio.sleep(after_s)
        for pause_s in (*DELIVERY_PAUSES_S, None):
            if await self._is_taken(webhook_id, body):
                return
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        _log.warning("the webhook %s was never acknowledged", webhook_id)

    async def _is_taken(self, webhook_id: str, body: bytes) -> bool:
        headers = sign(self._secret, webhook_id, body)
        try:
            async with self._sending:
                response = await self._http.post(self._settings.webhook_address, content=body, headers=headers)
        except httpx.TransportError:
            return False
        return response.is_success

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _ProviderState(State):
    provider: Provider


@post("/charges", status_code=202, dto=StrictBody[ChargeRequest], return_dto=None)
async def create_charge(state: _ProviderState, data: JSONBody[ChargeRequest]) -> Response[Charge]:
    """Take a charge; a repeat answers its present state."""
    return Response(state.provider.charge(data), status_code=202)


@get("/charges")
async def get_charges(state: _ProviderState) -> list[Charge]:
    """The ledger: every charge."""
    return list(state.provider.charges.values())


@get("/charges/{reference:str}")
async def get_charge(state: _ProviderState, reference: FromPath[str]) -> Charge:
    """A charge with its present state."""
    return state.provider.find(reference)


@post("/charges/{reference:str}/refund", status_code=200)
async def refund_charge(state: _ProviderState, reference: FromPath[str]) -> Response[Charge]:
    """Give a captured charge back; a repeat changes nothing."""
    return Response(state.provider.refund(reference), status_code=200)


@get("/health")
async def get_health() -> dict[str, str]:
    """200 while the process runs."""
    return {"status": "live"}


def create_app() -> Litestar:
    """Return the simulated provider."""
    settings = Settings.from_env()

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_S, trust_env=False) as http:
            provider = Provider(settings, http)
            app.state.provider = provider
            async with provider.running():
                yield

    return Litestar(
        [create_charge, get_charges, get_charge, refund_charge, get_health],
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
    )


def serve(settings: Settings) -> int:
    """Serve on this machine until SIGTERM or SIGINT; return 0. One process, for the charges are in its memory."""
    MPServer(
        "api.psp:create_app",
        factory=True,
        address="127.0.0.1",
        port=settings.psp_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        workers_kill_timeout=1,
        log_access=False,
    ).serve()
    return 0
