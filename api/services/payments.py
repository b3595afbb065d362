"""Payments: begun with a booking, settled by what the provider tells or is asked, given back where need be.

`inline`: the simulator decides within the booking transaction, since it makes no network call. `async`: the booking
holds its tickets, and after its commit the provider is asked to charge, outside of any transaction. Its webhooks
settle the order; the worker asks about whatever they leave open. Money never stays without a ticket, nor a ticket
without money: a payment that comes too late takes the same tickets again, or goes back.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import UTC, datetime
from typing import Literal, Protocol

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Session, Statement, open_session
from api.errors import ProviderError
from api.payments import simulator
from api.payments.http_provider import CONNECTIONS_MAX, ChargeStatus
from api.services import orders
from api.services.orders import Change, LockedOrder, OrderRow

_log = logging.getLogger(__name__)

CHARGES_WAITING_MAX = 10_000
"""Charges that wait in one process; further ones are left to the worker."""

ChargeUpdate = ChargeStatus | Literal["unknown"]
"""What the provider says of a charge; `unknown`: it has none, and is not to be asked for one any more."""


class PaymentProvider(Protocol):
    """Who takes the money: one charge for each order's reference; each call may be repeated.

    Each call raises `ProviderError` if the provider could not be asked or answered with a fault.
    """

    def is_open(self) -> bool:
        """Whether its circuit breaker is open: it counts as away, and no booking should be begun."""
        ...

    async def charge(self, reference: str, amount_minor: int, currency: str) -> None:
        """Ask for a payment; what becomes of it is told later."""
        ...

    async def find(self, reference: str, total: tuple[int, str] | None = None) -> ChargeStatus | None:
        """Ask what became of a charge, which must be of this total; None: there is none."""
        ...

    async def refund(self, reference: str) -> None:
        """Give a captured charge back."""
        ...


def begin(reference: str, settings: Settings) -> Literal["captured", "declined", "pending"]:
    """Return the payment's first state, for the booking transaction to record."""
    if settings.payment_mode == "async":
        return "pending"
    return simulator.decide(reference, settings.payment_success_rate)


class Charges:
    """Asks the provider to charge the orders that this process has just held, in the background.

    What it does not come to, because the process dies or too much waits, the worker does.
    """

    def __init__(self, provider: PaymentProvider) -> None:
        self._provider = provider
        self._waiting: asyncio.Queue[OrderRow] = asyncio.Queue(CHARGES_WAITING_MAX)

    def request(self, held: Collection[OrderRow]) -> None:
        """Note orders that are to be charged for."""
        for order in held:
            with contextlib.suppress(asyncio.QueueFull):
                self._waiting.put_nowait(order)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send the charges while the context lasts."""
        tasks = [asyncio.create_task(self._send(), name=f"charges-{n}") for n in range(CONNECTIONS_MAX)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            order = await self._waiting.get()
            if order.expires_at is not None and order.expires_at <= datetime.now(UTC):
                continue  # Too late: the worker may soon take it for a charge that nobody asks for.
            try:
                await self._provider.charge(order.reference, order.total_minor, order.currency)
            except ProviderError as error:
                _log.warning("the charge of %s is left to the worker: %s", order.reference, error)
            except Exception:  # noqa: BLE001 - whatever it is, the next charge is sent
                _log.exception("the charge of %s is left to the worker", order.reference)


async def settle(
    session: Session, news: Mapping[str, ChargeUpdate], amounts: Mapping[str, tuple[int, str]] | None = None
) -> None:
    """Bring orders into the states that news of their charges, by reference, leads to; what is no news does nothing.

    To be called in a read committed transaction. Of `amounts`, in minor units with the currency, each must be the
    order's total: what the provider tells of another one is not settled here.
    """
    locked = await session.run(orders.lock(sorted(news)))
    fitting = [order for order in locked if _fits(order, amounts or {})]
    late = [order.id for order in fitting if _is_late_capture(order, news[order.reference])]
    reclaimed = await orders.reclaim(session, late) if late else set()
    changes = [_settled(order, news[order.reference], reclaimed=order.id in reclaimed) for order in fitting]
    await orders.change(session, [change for change in changes if change is not None])


def _fits(order: LockedOrder, amounts: Mapping[str, tuple[int, str]]) -> bool:
    total = order.total_minor, order.currency
    told = amounts.get(order.reference, total)
    if told != total:
        _log.error("the provider tells of %s for %s, whose total is %s", told, order.reference, total)
    return told == total


_CHANGES: dict[tuple[ChargeUpdate, str, str], tuple[orders.Status | None, orders.PaymentStatus, str | None]] = {
    ("captured", "pending", "pending"): ("confirmed", "captured", "paid"),
    ("captured", "expired", "pending"): (None, "refunding", None),
    ("captured", "expired", "void"): (None, "refunding", None),
    ("captured", "cancelled", "pending"): (None, "refunding", None),
    ("captured", "cancelled", "void"): (None, "refunding", None),
    ("declined", "pending", "pending"): ("declined", "declined", "the payment was declined"),
    ("declined", "expired", "pending"): (None, "declined", None),
    ("declined", "cancelled", "pending"): (None, "declined", None),
    ("unknown", "expired", "pending"): (None, "void", None),
    ("unknown", "cancelled", "pending"): (None, "void", None),
    ("refunded", "expired", "pending"): (None, "void", None),
    ("refunded", "cancelled", "pending"): (None, "void", None),
    ("refunded", "expired", "refunding"): (None, "refunded", None),
    ("refunded", "cancelled", "refunding"): (None, "refunded", None),
}
"""By the news, the order's state and its payment's: the states that they come into, and why. All else is no news."""


def _is_late_capture(order: LockedOrder, news: ChargeUpdate) -> bool:
    """Return whether an order was paid after its hold, and its tickets are to be reclaimed: its event takes place."""
    late = news == "captured" and order.status == "expired" and order.payment in {"pending", "void"}
    return late and not order.called_off


def _settled(order: LockedOrder, news: ChargeUpdate, *, reclaimed: bool) -> Change | None:
    """Return what news of its charge does to an order; None: nothing."""
    if reclaimed:
        return Change(order.id, "confirmed", "captured", "paid late, and its tickets were still free")
    if news == "refunded" and order.status == "confirmed":
        _log.error("the provider gave the money of %s back, though it is confirmed: cancel it", order.reference)
    change = _CHANGES.get((news, order.status, order.payment))
    return Change(order.id, *change) if change else None


class _OpenPayment(msgspec.Struct, frozen=True):
    """A row of `payments.claim_open`; `wanted`: its order still waits for it.

    `abandoned`: its hold ended so long ago that no request for it can be on its way any more.
    """

    reference: str
    status: Literal["pending", "refunding"]
    amount_minor: int
    currency: str
    wanted: bool
    abandoned: bool


async def reconcile_payments(pool: Pool, settings: Settings, provider: PaymentProvider) -> int:
    """Take up with the provider what is open and due: ask, charge or give back; return how many payments."""
    parameters = {
        "limit": CONNECTIONS_MAX,
        "check_after_ms": settings.payment_check_after_ms,
        "request_max_s": settings.provider_request_max_s,
    }
    async with open_session(pool) as session:
        statement = Statement(queries.payments.claim_open, parameters, _OpenPayment)
        due = await session.run(statement)
    answers = await asyncio.gather(*(_take_up(payment, provider) for payment in due))
    news = {payment.reference: answer for payment, answer in zip(due, answers, strict=True) if answer is not None}
    if news:
        async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
            await settle(session, news)
    return len(due)


async def _take_up(payment: _OpenPayment, provider: PaymentProvider) -> ChargeUpdate | None:
    """Do what an open payment needs; return what is known of it then, None: nothing new."""
    try:
        if payment.status == "refunding":
            await provider.refund(payment.reference)
            return "refunded"
        if status := await provider.find(payment.reference, (payment.amount_minor, payment.currency)):
            return status
        if payment.abandoned:
            return "unknown"
        if payment.wanted:
            await provider.charge(payment.reference, payment.amount_minor, payment.currency)
    except ProviderError as error:
        _log.warning("the payment of %s is taken up again later: %s", payment.reference, error)
    except Exception:  # noqa: BLE001 - whatever it is, the others' news are not lost with it
        _log.exception("the payment of %s is taken up again later", payment.reference)
    return None
