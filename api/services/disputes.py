"""Disputes: payments that the banks of their buyers dispute, recorded as the provider reports them."""

import asyncio
import logging
from datetime import datetime
from typing import Final

import msgspec

from api.config import Settings
from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.payments.gateway import Dispute, Gateway
from api.payments.provider import CONCURRENT_REQUESTS_MAX, ProviderError
from api.services.isolation import run_singly

_log = logging.getLogger(__name__)


UNKNOWN: Final = "unknown"
"""The status of a dispute that the provider does not know."""
DECIDED: Final = ("won", "lost", "warning_closed", "prevented", UNKNOWN)
"""The statuses that never change. The worker fetches a dispute with another status every hour."""


class _Claimed(msgspec.Struct, frozen=True):
    """A row of `disputes.claim_changed`; `next_check_at` is the end of the lease."""

    id: str
    status: str | None
    """The last recorded status."""
    next_check_at: datetime


async def record_disputes(pool: Pool, settings: Settings, gateway: Gateway) -> int:
    """Fetch disputes that have changed, and store their states; return the number of disputes."""
    parameters = {"limit": CONCURRENT_REQUESTS_MAX, "check_after_ms": settings.payment_check_after_ms}
    async with open_session(pool) as session:
        due = await session.run(Statement(queries.disputes.claim_changed, parameters, _Claimed))
    fetched: dict[str, tuple[_Claimed, Dispute | None]] = {}
    await asyncio.gather(*(_fetch(dispute, gateway, fetched) for dispute in due))
    await run_singly("dispute", list(fetched), lambda key: _record(pool, *fetched[key]))
    return len(due)


async def _fetch(claimed: _Claimed, gateway: Gateway, fetched: dict[str, tuple[_Claimed, Dispute | None]]) -> None:
    """Fetch a dispute and add it to `fetched`, unless its state is unknown."""
    try:
        fetched[claimed.id] = claimed, await gateway.find_dispute(claimed.id)
    except ProviderError as error:
        _log.warning("Dispute %s not recorded, the worker retries it: %s", claimed.id, error)
    except Exception:  # noqa: BLE001 - an unexpected error must not stop the record of the other disputes
        _log.exception("Dispute %s not recorded, the worker retries it", claimed.id)


async def _record(pool: Pool, claimed: _Claimed, dispute: Dispute | None) -> int:
    status = UNKNOWN if dispute is None else dispute.status
    parameters = {
        "id": claimed.id,
        "claimed_until": claimed.next_check_at,
        "reference": dispute and dispute.reference,
        "amount_minor": dispute and dispute.amount.minor,
        "currency": dispute and dispute.amount.currency,
        "status": status,
        "reason": dispute and dispute.reason,
        "is_decided": status in DECIDED,
    }
    async with open_session(pool) as session:
        await session.run(Statement(queries.disputes.record_dispute, parameters))
    if status != claimed.status:
        _log.error("Dispute %s is %s: %s", claimed.id, status, dispute.reason if dispute else "no such dispute")
    return 1
