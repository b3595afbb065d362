"""Disputes: payments that the banks of their buyers dispute, recorded as the provider reports them."""

import asyncio
import logging

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.payments.gateway import Gateway
from api.payments.provider import CONCURRENT_REQUESTS_MAX, ProviderError

_log = logging.getLogger(__name__)


async def record_disputes(pool: Pool, settings: Settings, gateway: Gateway) -> int:
    """Fetch disputes that have changed, and store their states; return the number of disputes."""
    parameters = {"limit": CONCURRENT_REQUESTS_MAX, "check_after_ms": settings.payment_check_after_ms}
    async with open_session(pool) as session:
        due = await session.run(Statement(queries.disputes.claim_changed, parameters))
    await asyncio.gather(*(_record(pool, dispute_id, gateway) for (dispute_id,) in due))
    return len(due)


async def _record(pool: Pool, dispute_id: str, gateway: Gateway) -> None:
    try:
        dispute = await gateway.find_dispute(dispute_id)
    except ProviderError as error:
        _log.warning("Dispute %s not recorded, the worker retries it: %s", dispute_id, error)
        return
    parameters = {
        "id": dispute_id,
        "reference": dispute.reference,
        "amount_minor": dispute.amount.minor,
        "currency": dispute.amount.currency,
        "status": dispute.status,
        "reason": dispute.reason,
    }
    async with open_session(pool) as session:
        await session.run(Statement(queries.disputes.record_dispute, parameters))
    _log.error("Dispute %s is %s: %s", dispute_id, dispute.status, dispute.reason)
