"""Delivery of the payment simulator's webhooks: repeated until the receiver accepts them.

The settings make it deliver webhooks twice, late or never, as a real provider's may arrive.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import msgspec
import stamina

from api.config import Settings
from api.logs import order_label
from api.payments.provider import Charge
from api.payments.signatures import EVENT_TYPES, ChargeData, ChargeEvent, sign
from api.tls import tls_for

_log = logging.getLogger(__name__)

DELIVERIES_MAX = 20_000
"""Webhooks that wait or are being delivered; the sender drops further ones."""
CONCURRENT_ATTEMPTS_MAX = 20
"""Delivery attempts at the same time."""
ATTEMPT_TIMEOUT_S = 5.0
DELIVERY_TIMEOUT_S = 300.0
"""Time after which the sender abandons a webhook that no attempt delivered."""
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 5.0
RETRY_JITTER_S = 0.1
"""Pause before another attempt: exponential backoff up to a limit, plus random jitter."""
DECISION_JITTER = 0.2
"""The share of `PSP_DELAY_MS` by which a decision is earlier or later, so that charges overtake each other."""
HELD_BACK_S = 1.0
"""Time beyond the longest decision for which a webhook is held back, so that the next one overtakes it."""


Sign = Callable[[datetime], dict[str, str]]
"""Returns the headers that sign a webhook for a delivery attempt at a time, in UTC."""


class _NotAccepted(Exception):
    """An attempt got no 2xx response."""


class Delivery(msgspec.Struct, eq=False):
    """A webhook to deliver, and its place in the order of its charge's webhooks."""

    id: str
    body: bytes
    sign: Sign
    held_back: bool
    attempted: asyncio.Event
    """Set when the first attempt is over."""
    followed: asyncio.Event
    """Set when `next` is set."""
    next: "Delivery | None" = None


class WebhookSender:
    """Delivers the webhooks of a charge in order, unless one is held back or needs another attempt."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings, secret: str) -> None:
        self._client = client
        self._settings = settings
        self._secret = secret
        self._held_back_s = settings.psp_delay_ms / 1000 * (1 + DECISION_JITTER) + HELD_BACK_S
        self._attempts = asyncio.Semaphore(CONCURRENT_ATTEMPTS_MAX)
        self._last: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._retrying = stamina.AsyncRetryingCaller(
            attempts=None,
            timeout=DELIVERY_TIMEOUT_S,
            wait_initial=RETRY_FIRST_S,
            wait_max=RETRY_MAX_S,
            wait_jitter=RETRY_JITTER_S,
        ).on(_NotAccepted)

    def send(self, charge: Charge) -> None:
        """Deliver a webhook with the status of a charge in the background, or lose it as the settings demand."""
        webhook_id, body = f"msg_{secrets.token_hex(12)}", _body(charge)
        self.deliver(charge.reference, webhook_id, body, lambda at: sign(self._secret, webhook_id, body, at))

    def deliver(self, reference: str, webhook_id: str, body: bytes, sign: Sign) -> None:
        """Deliver a webhook in the background, or lose it; the webhooks of a reference keep their order."""
        if self._stopping or _happens(self._settings.psp_loss_rate):
            return
        if len(self._tasks) >= DELIVERIES_MAX:
            _log.warning("Webhook of %s dropped: %d others wait", order_label(reference), len(self._tasks))
            return
        held_back = _happens(self._settings.psp_reorder_rate)
        delivery = Delivery(webhook_id, body, sign, held_back, asyncio.Event(), asyncio.Event())
        previous = self._last.get(reference)
        self._last[reference] = delivery
        if previous:
            previous.next = delivery
            previous.followed.set()
        task = asyncio.create_task(self._deliver(reference, delivery, previous))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Abandon every webhook that is not delivered, and ignore later ones."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, reference: str, delivery: Delivery, previous: Delivery | None) -> None:
        try:
            if previous and not previous.held_back:
                await previous.attempted.wait()
            if delivery.held_back:
                await self._wait_for_next(delivery)
            copies = 2 if _happens(self._settings.psp_duplicate_rate) else 1
            await asyncio.gather(*(self._send_until_accepted(reference, delivery) for _ in range(copies)))
        finally:
            if self._last.get(reference) is delivery:
                del self._last[reference]

    async def _wait_for_next(self, delivery: Delivery) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._held_back_s):
                await delivery.followed.wait()
        if delivery.next:
            await delivery.next.attempted.wait()

    async def _send_until_accepted(self, reference: str, delivery: Delivery) -> None:
        try:
            await self._retrying(self._attempt, delivery)
        except _NotAccepted as error:
            _log.warning("Webhook %s of %s abandoned: %s", delivery.id, order_label(reference), error)

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            async with self._attempts, asyncio.timeout(ATTEMPT_TIMEOUT_S):
                headers = delivery.sign(datetime.now(UTC))
                headers["Content-Type"] = "application/json"
                response = await self._client.post(self._settings.webhook_url, content=delivery.body, headers=headers)
        except TimeoutError:
            raise _NotAccepted(f"no response within {ATTEMPT_TIMEOUT_S:g} s") from None
        except httpx.RequestError as error:
            raise _NotAccepted(f"{type(error).__name__}: {error}") from error
        finally:
            delivery.attempted.set()
        if not response.is_success:
            raise _NotAccepted(f"response {response.status_code}")


@contextlib.asynccontextmanager
async def open_sender(settings: Settings, secret: str) -> AsyncIterator[WebhookSender]:
    """Open connections to the receiver of the webhooks, until the context ends."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # INFO logs one line for each request.
    limits = httpx.Limits(max_connections=CONCURRENT_ATTEMPTS_MAX, max_keepalive_connections=CONCURRENT_ATTEMPTS_MAX)
    # A proxy from the environment does not reach ports of this machine.
    async with httpx.AsyncClient(
        trust_env=False, timeout=ATTEMPT_TIMEOUT_S, limits=limits, verify=tls_for(settings.webhook_url)
    ) as client:
        sender = WebhookSender(client, settings, secret)
        try:
            yield sender
        finally:
            await sender.stop()


def _happens(rate: float) -> bool:
    return random.random() < rate  # exact for 0 and 1


def _body(charge: Charge) -> bytes:
    data = ChargeData(charge.reference, charge.amount, charge.currency)
    return msgspec.json.encode(ChargeEvent(EVENT_TYPES[charge.status], datetime.now(UTC), data))
