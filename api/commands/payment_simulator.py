"""The simulated payment provider: a process of its own that takes charges, decides them later and tells by webhook.

It stands for what a real one does to its customers: it decides while they wait for nothing, its webhooks come
late, twice, in another order or never, and go to a customer that may be down. It keeps its charges in memory: when
it ends, they are forgotten.
"""

import asyncio
import contextlib
import logging
import random
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec
import stamina
from granian.constants import Interfaces, Loops
from granian.server.mp import MPServer
from litestar import Litestar, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from api.config import WEBHOOK_SECRET, Settings
from api.errors import (
    Busy,
    KeyReused,
    NotCancellable,
    NotFound,
)
from api.http.problems import EXCEPTION_HANDLERS
from api.http.request_body import StrictBody
from api.payments.http_provider import Charge, ChargeRequest
from api.payments.signatures import (
    EVENT_OF,
    ChargeData,
    ChargeEvent,
    sign,
)
from api.payments.simulator import decide
from api.schemas import Health
from api.secret import load_or_create_secret

_log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
"""It is for this machine alone: whoever reaches it could pay with nothing."""

CHARGES_MAX = 100_000
"""Charges that are kept; beyond it the one that was decided first goes."""
DELAY_JITTER = 0.2
"""The share of `PSP_DELAY_MS` by which a decision comes sooner or later: charges overtake each other."""

WEBHOOKS_PENDING_MAX = 20_000
"""Webhooks that wait or are tried again; further ones are lost."""
DELIVERIES_MAX = 20
"""Webhooks that are on their way at once."""
WEBHOOK_TIMEOUT_S = 5.0
"""How long one attempt may take."""
WEBHOOK_GIVE_UP_S = 300.0
"""How long a webhook is tried until it is answered with a 2xx."""
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 5.0
RETRY_JITTER_S = 0.1
"""Before it is tried again: a pause that doubles each time up to a limit, and a random part on top."""
HELD_BACK_S = 1.0
"""How long beyond `PSP_DELAY_MS` a webhook is held back for the next one of its charge to overtake it."""
KILL_AFTER_S = 5


class ChargeStore:
    """The charges, as many as fit."""

    def __init__(self, charges_max: int = CHARGES_MAX) -> None:
        self._charges_max = charges_max
        self._charges: dict[str, Charge] = {}
        self._decided: deque[str] = deque()

    def charges(self) -> list[Charge]:
        """Return every charge, in the order of their first requests."""
        return list(self._charges.values())

    def get(self, reference: str) -> Charge:
        """Return a charge as it stands.

        Raises:
            NotFound: there is none of this reference.
        """
        if charge := self._charges.get(reference):
            return charge
        raise NotFound(f"charge {reference}")

    def open(self, wanted: ChargeRequest) -> tuple[Charge, bool]:
        """Return the charge of a request, and whether this request made it.

        Raises:
            KeyReused: there is one of another amount or currency.
            Busy: as many as fit are processing.
        """
        if known := self._charges.get(wanted.reference):
            if (known.amount, known.currency) != (wanted.amount, wanted.currency):
                raise KeyReused(f"{known.reference} of a charge of {known.amount} {known.currency}")
            return known, False
        if len(self._charges) >= self._charges_max:
            if not self._decided:
                raise Busy("overload")
            del self._charges[self._decided.popleft()]
        charge = Charge(reference=wanted.reference, amount=wanted.amount, currency=wanted.currency, status="processing")
        self._charges[charge.reference] = charge
        return charge, True

    def decide(self, reference: str, success_rate: float) -> Charge:
        """Capture or decline a charge that is processing."""
        charge = msgspec.structs.replace(self._charges[reference], status=decide(reference, success_rate))
        self._charges[reference] = charge
        self._decided.append(reference)
        return charge

    def refund(self, reference: str) -> tuple[Charge, bool]:
        """Give a charge back; return it, and whether this request did that.

        Raises:
            NotFound: there is none of this reference.
            NotCancellable: it was not captured.
        """
        charge = self.get(reference)
        if charge.status == "refunded":
            return charge, False
        if charge.status != "captured":
            raise NotCancellable(f"the charge {reference} is {charge.status}")
        refunded = msgspec.structs.replace(charge, status="refunded")
        self._charges[reference] = refunded
        return refunded, True


class _NotTakenError(Exception):
    """A webhook was not answered with a 2xx."""


class Delivery(msgspec.Struct, eq=False):
    """A webhook on its way, and what the next one of its charge waits for."""

    id: str
    body: bytes
    held_back: bool
    tried: asyncio.Event
    """Set when its first attempt is over."""
    followed: asyncio.Event
    """Set when there is a `next`."""
    next: "Delivery | None" = None


class WebhookSender:
    """Delivers webhooks: those of one charge in their order, unless one is held back or has to be tried again."""

    def __init__(self, settings: Settings, secret: str) -> None:
        self._settings = settings
        self._secret = secret
        self._held_back_s = settings.psp_delay_ms / 1000 * (1 + DELAY_JITTER) + HELD_BACK_S
        self._slots = asyncio.Semaphore(DELIVERIES_MAX)
        self._last: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._until_taken = stamina.AsyncRetryingCaller(
            attempts=None,
            timeout=WEBHOOK_GIVE_UP_S,
            wait_initial=RETRY_FIRST_S,
            wait_max=RETRY_MAX_S,
            wait_jitter=RETRY_JITTER_S,
        ).on(_NotTakenError)

    def tell(self, charge: Charge) -> None:
        """Send a webhook about how a charge stands, in the background; or lose it, as the settings want."""
        if self._stopping or _happens(self._settings.psp_loss_rate):
            return
        if len(self._tasks) >= WEBHOOKS_PENDING_MAX:
            _log.warning("a webhook is lost: %d others are under way", len(self._tasks))
            return
        notice = Delivery(
            f"msg_{secrets.token_hex(12)}",
            _body(charge),
            _happens(self._settings.psp_reorder_rate),
            asyncio.Event(),
            asyncio.Event(),
        )
        before = self._last.get(charge.reference)
        self._last[charge.reference] = notice
        if before:
            before.next = notice
            before.followed.set()
        task = asyncio.create_task(self._deliver(charge.reference, notice, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is under way, and what would come."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, reference: str, notice: Delivery, before: Delivery | None) -> None:
        try:
            if before and not before.held_back:
                await before.tried.wait()
            if notice.held_back:
                await self._wait_to_be_overtaken(notice)
            copies = 2 if _happens(self._settings.psp_duplicate_rate) else 1
            await asyncio.gather(*(self._send(notice) for _ in range(copies)))
        finally:
            if self._last.get(reference) is notice:
                del self._last[reference]

    async def _wait_to_be_overtaken(self, notice: Delivery) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._held_back_s):
                await notice.followed.wait()
        if notice.next:
            await notice.next.tried.wait()

    async def _send(self, notice: Delivery) -> None:
        try:
            await self._until_taken(self._attempt, notice)
        except _NotTakenError as error:
            _log.warning("webhook %s is given up: %s", notice.id, error)

    async def _attempt(self, notice: Delivery) -> None:
        try:
            async with self._slots, asyncio.timeout(WEBHOOK_TIMEOUT_S):
                headers = sign(self._secret, notice.id, notice.body, datetime.now(UTC))
                await _post(self._settings.webhook_url, headers, notice.body)
        except TimeoutError:
            raise _NotTakenError(f"no answer in {WEBHOOK_TIMEOUT_S:g} s") from None
        finally:
            notice.tried.set()


async def _post(url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Send a body, over a connection of its own: a tenth of the processor time that the HTTP client takes.

    Raises:
        _NotTakenError: it was not answered with a 2xx.
    """
    parts = urlsplit(url)
    host, is_https = parts.hostname or "", parts.scheme == "https"
    sent = {
        "Host": parts.netloc.rpartition("@")[2],
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = f"POST {parts.path or '/'}{parts.query and '?'}{parts.query} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    try:
        reader, writer = await asyncio.open_connection(
            host, parts.port or (443 if is_https else 80), ssl=is_https or None
        )
        try:
            writer.write(f"{head}\r\n".encode() + body)
            answer = await reader.readline()
        finally:
            writer.close()
    except (OSError, ValueError) as error:  # a ValueError: a line without an end
        raise _NotTakenError(str(error)) from error
    if not re.match(rb"HTTP/1\.[01] 2\d\d\b", answer):
        raise _NotTakenError(f"answered with {answer[:100].decode(errors='replace').strip()!r}")


class _PspState(State):
    """What the routes share."""

    settings: Settings
    ledger: ChargeStore
    courier: WebhookSender


@post("/charges", status_code=202, dto=StrictBody[ChargeRequest], return_dto=None)
async def create_charge(state: _PspState, data: JSONBody[ChargeRequest]) -> Charge:
    """Take a charge; its repeats are answered how it stands."""
    charge, is_new = state.ledger.open(data)
    if is_new:
        state.courier.tell(charge)
        delay_s = state.settings.psp_delay_ms / 1000 * random.uniform(1 - DELAY_JITTER, 1 + DELAY_JITTER)
        asyncio.get_running_loop().call_later(delay_s, _decide, state, charge.reference)
    return charge


@get("/charges")
async def get_charges(state: _PspState) -> list[Charge]:
    """Every charge."""
    return state.ledger.charges()


@get("/charges/{reference:str}")
async def get_charge(state: _PspState, reference: FromPath[str]) -> Charge:
    """A charge as it stands."""
    return state.ledger.get(reference)


@post("/charges/{reference:str}/refund", status_code=200)
async def refund_charge(state: _PspState, reference: FromPath[str]) -> Charge:
    """Give a captured charge back; repeats do nothing more."""
    charge, is_new = state.ledger.refund(reference)
    if is_new:
        state.courier.tell(charge)
    return charge


@get("/health")
async def get_health() -> Response[Health]:
    """200 while the process runs."""
    return Response(Health(status="live"), headers={"Cache-Control": "no-store"})


def create_app(settings: Settings | None = None) -> Litestar:
    """Return the whole provider."""
    settings = settings or Settings.from_env()

    @contextlib.asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.settings = settings
        app.state.ledger = ChargeStore()
        app.state.courier = WebhookSender(settings, load_or_create_secret(settings, WEBHOOK_SECRET))
        yield
        await app.state.courier.stop()

    return Litestar(
        route_handlers=[create_charge, get_charges, get_charge, refund_charge, get_health],
        lifespan=[lifespan],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=settings.body_bytes_max,
        openapi_config=None,
    )


def serve(settings: Settings) -> int:
    """Serve on `PSP_PORT` until SIGTERM or SIGINT; return 0.

    Raises:
        SetupError: there is no secret that its webhooks could be signed with.
    """
    load_or_create_secret(settings, WEBHOOK_SECRET)  # before anything listens
    # One process, since the charges are in its memory; when it dies they are gone, so nothing takes its place.
    MPServer(
        "api.commands.payment_simulator:create_app",
        factory=True,
        address=HOST,
        port=settings.psp_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=1,
        backlog=1024,
        workers_kill_timeout=KILL_AFTER_S,
        log_access=False,
    ).serve()
    return 0


def _decide(state: _PspState, reference: str) -> None:
    state.courier.tell(state.ledger.decide(reference, state.settings.payment_success_rate))


def _happens(rate: float) -> bool:
    return random.random() < rate  # exact for 0 and 1


def _body(charge: Charge) -> bytes:
    data = ChargeData(charge.reference, charge.amount, charge.currency)
    return msgspec.json.encode(ChargeEvent(EVENT_OF[charge.status], datetime.now(UTC), data))
