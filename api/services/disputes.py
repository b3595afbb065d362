"""Disputes: payments that the banks of their buyers dispute, recorded as the provider reports them."""

import asyncio
import logging
from datetime import datetime

import msgspec

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.payments.gateway import Gateway
from api.payments.provider import CONCURRENT_REQUESTS_MAX, ProviderError

_log = logging.getLogger(__name__)


class _Claimed(msgspec.Struct, frozen=True):
    """A row of `disputes.claim_changed`; `next_check_at` is the end of the lease."""

    id: str
    next_check_at: datetime


async def record_disputes(pool: Pool, settings: Settings, gateway: Gateway) -> int:
    """Fetch disputes that have changed, and store their states; return the number of disputes."""
    parameters = {"limit": CONCURRENT_REQUESTS_MAX, "check_after_ms": settings.payment_check_after_ms}
    async with open_session(pool) as session:
        due = await session.run(Statement(queries.disputes.claim_changed, parameters, _Claimed))
    await asyncio.gather(*(_record(pool, dispute, gateway) for dispute in due))
    return len(due)


async def _record(pool: Pool, claimed: _Claimed, gateway: Gateway) -> None:
    try:
        dispute = await gateway.find_dispute(claimed.id)
    except ProviderError as error:
        _log.warning("Dispute %s not recorded, the worker retries it: %s", claimed.id, error)
        return
    except Exception:  # noqa: BLE001 - an unexpected error must not stop the record of the other disputes
        _log.exception("Dispute %s not recorded, the worker retries it", claimed.id)
        return
    parameters = {
        "id": claimed.id,
        "claimed_until": claimed.next_check_at,
        "reference": dispute.reference,
        "amount_minor": dispute.amount.minor,
        "currency": dispute.amount.currency,
        "status": dispute.status,
        "reason": dispute.reason,
    }
    async with open_session(pool) as session:
        await session.run(Statement(queries.disputes.record_dispute, parameters))
    _log.error("Dispute %s is %s: %s", claimed.id, dispute.status, dispute.reason)
