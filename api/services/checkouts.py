"""Hosted pages of a payment provider: created for held orders, and closed before their tickets are released.

A page's address is shown only after its id is stored. So no buyer can pay on a page that a crash has separated from its
order, and a repeated request creates no second page.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.logs import order_label
from api.payments.gateway import Gateway
from api.payments.provider import (
    CONCURRENT_REQUESTS_MAX,
    Amount,
    ChargeStatus,
    ProviderError,
    RefundRequest,
    RefundResult,
)
from api.services import orders, payments
from api.services.isolation import ROW_ERRORS, run_singly

_log = logging.getLogger(__name__)


class _EndedCheckout(msgspec.Struct, frozen=True):
    """A row of `checkouts.claim_ended`: a page to close; `amount_minor` in minor units."""

    reference: str
    provider_id: str
    next_close_at: datetime
    """The end of the lease."""
    amount_minor: int
    currency: str


_Closed = Mapping[_EndedCheckout, ChargeStatus | None]
"""The statuses of closed pages; None for a page that nobody has paid."""


class Checkouts:
    """The payment provider with hosted pages, by the references of orders."""

    def __init__(self, pool: Pool, gateway: Gateway, settings: Settings) -> None:
        self._pool = pool
        self.gateway = gateway
        self._return_url = f"{settings.web_url}/booking/"

    def is_open(self) -> bool:
        """Return whether the circuit breaker is open: the provider is unavailable, so no booking should start."""
        return self.gateway.is_open()

    async def charge(self, reference: str, amount: Amount) -> None:
        """Create the page of an order and store it.

        Raises:
            ProviderError: the provider may have created the page.
            psycopg.OperationalError: the page may be stored.
        """
        checkout = await self.gateway.start(reference, amount, self._return_url + quote(reference, safe=""))
        parameters = {"reference": reference, "provider_id": checkout.id, "url": checkout.url}
        async with open_session(self._pool) as session:
            await session.run(Statement(queries.checkouts.insert_checkout, parameters))

    async def find(self, reference: str, expected: Amount | None = None) -> ChargeStatus | None:
        """Return the status of an order's payment, or None if it has no page, or a page that was closed unpaid.

        Raises:
            ProviderError: the status is unknown, or the amount is not the expected one.
        """
        checkout_id = await self._find_id(reference)
        return None if checkout_id is None else await self.gateway.find(checkout_id, reference, expected)

    async def refund(self, request: RefundRequest) -> RefundResult:
        """Refund a part of a captured payment, once for each key. A refund that the provider refuses has failed.

        Raises:
            ProviderError: the provider may have accepted the request, or the order has no page.
        """
        if (checkout_id := await self._find_id(request.reference)) is None:
            raise ProviderError("The order was paid through another provider.")
        return await self.gateway.refund(checkout_id, request)

    async def find_refund(self, request: RefundRequest) -> RefundResult | None:
        """Return the state of a refund, or None if the provider has no refund with this key.

        Raises:
            ProviderError: the state is unknown.
        """
        checkout_id = await self._find_id(request.reference)
        return None if checkout_id is None else await self.gateway.find_refund(checkout_id, request)

    async def close_ended(self, pool: Pool, settings: Settings) -> int:
        """Close the pages of orders whose hold ends or that have ended; return their number.

        A payment that was faster is settled. `expire_holds` waits for the result, but not for long.
        """
        parameters = {"limit": CONCURRENT_REQUESTS_MAX, "check_after_ms": settings.payment_check_after_ms}
        async with open_session(pool) as session:
            due = await session.run(Statement(queries.checkouts.claim_ended, parameters, _EndedCheckout))
        closed: dict[_EndedCheckout, ChargeStatus | None] = {}
        await asyncio.gather(*(self._close(checkout, closed) for checkout in due))
        try:
            await _settle(pool, closed)
        except ROW_ERRORS:
            by_id = {checkout.provider_id: checkout for checkout in closed}
            await run_singly("checkout", list(by_id), lambda key: _settle(pool, {by_id[key]: closed[by_id[key]]}))
        return len(due)

    async def _close(self, checkout: _EndedCheckout, closed: dict[_EndedCheckout, ChargeStatus | None]) -> None:
        """Close a page and add its status to `closed`, unless the status is unknown or not final."""
        label, amount = order_label(checkout.reference), Amount(checkout.amount_minor, checkout.currency)
        try:
            status = await self.gateway.close(checkout.provider_id, checkout.reference, amount)
        except ProviderError as error:
            _log.warning("Page of %s not closed, the worker retries it: %s", label, error)
        except Exception:  # noqa: BLE001 - an unexpected error must not lose the other pages' statuses
            _log.exception("Page of %s not closed, the worker retries it", label)
        else:
            if status != "processing":
                closed[checkout] = status

    async def _find_id(self, reference: str) -> str | None:
        async with open_session(self._pool) as session:
            rows = await session.run(Statement(queries.checkouts.find_checkout, {"reference": reference}))
        return rows[0][0] if rows else None


async def _settle(pool: Pool, closed: _Closed) -> int:
    if closed:
        updates = {checkout.reference: status for checkout, status in closed.items() if status is not None}
        async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
            await session.run(orders.lock(sorted(checkout.reference for checkout in closed)))
            await payments.settle(session, updates)
            parameters = {
                "provider_ids": [checkout.provider_id for checkout in closed],
                "claimed_until": [checkout.next_close_at for checkout in closed],
            }
            await session.run(Statement(queries.checkouts.mark_closed, parameters))
    return len(closed)
