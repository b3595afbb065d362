"""The inbox of the provider's webhooks: the API stores a webhook before it responds, then settles it.

The process that stored a webhook settles it at once. The worker settles the webhooks of a process that died. Webhooks
may arrive twice and in any order, because `payments.settle` ignores updates that change nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel

from api.config import Settings
from api.database import queries
from api.database.errors import CommitUnknownError
from api.database.pool import Pool
from api.database.replication import run_replicated
from api.database.session import Statement, open_session
from api.payments.provider import Amount
from api.payments.signatures import Webhook
from api.services import payments
from api.services.isolation import ROW_ERRORS, run_singly
from api.services.payments import ChargeUpdate

_log = logging.getLogger(__name__)

_SETTLED_MAX = 200
"""Webhooks that one transaction settles."""
_PURGED_MAX = 10_000
"""Webhooks that one statement deletes."""


class Inbox:
    """Stores webhooks, and settles them while it runs."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._stored = asyncio.Event()

    async def store(self, webhook: Webhook) -> None:
        """Store a webhook. After that the API may acknowledge it.

        Raises:
            psycopg.OperationalError: no connection was free, so the webhook is not stored.
            CommitUnknownError: the webhook may be stored. It is safe to store it again.
        """
        payload = msgspec.json.encode(webhook).decode()
        async with open_session(self._pool) as session:
            statement = Statement(queries.webhooks.insert_webhook, {"id": webhook.id, "payload": payload})
            try:
                # A repeated delivery writes nothing, and the standby may lack the first one.
                await run_replicated(session, statement)
            except psycopg.OperationalError as error:  # The connection may have been lost after the commit.
                raise CommitUnknownError(str(error)) from error
        self._stored.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Settle stored webhooks until the context ends."""
        task = asyncio.create_task(self._settle_stored(), name="inbox")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _settle_stored(self) -> None:
        while True:
            await self._stored.wait()
            self._stored.clear()
            try:
                while await settle_webhooks(self._pool, self._settings):
                    pass
            except psycopg.Error as error:
                _log.warning("Webhooks not settled, the worker retries them: %s", error)
            except Exception:  # noqa: BLE001 - an unexpected error must not stop the inbox
                _log.exception("Webhooks not settled, the worker retries them")


async def settle_webhooks(pool: Pool, _: Settings) -> int:
    """Settle a bounded number of stored webhooks; return how many. A webhook that fails does not stop the others."""
    try:
        return await _settle(pool)
    except ROW_ERRORS:
        async with open_session(pool) as session:
            ids = [webhook_id for webhook_id, _ in await session.run(_lock_open(only=None))]
        return await run_singly("webhook", ids, lambda webhook_id: _settle(pool, only=webhook_id))


def _lock_open(only: str | None) -> Statement[tuple[Any, ...]]:
    return Statement(queries.webhooks.lock_open, {"limit": _SETTLED_MAX, "only": only})


async def _settle(pool: Pool, only: str | None = None) -> int:
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        rows = await session.run(_lock_open(only))
        if not rows:
            return 0
        processed: list[str] = []
        first_of: dict[str, Webhook] = {}
        received: list[Webhook] = []
        for webhook_id, payload in rows:
            webhook = _read(webhook_id, payload)
            if webhook:
                received.append(webhook)
            if webhook and webhook.status:
                first = first_of.setdefault(webhook.reference, webhook)
                if msgspec.structs.replace(first, id=webhook.id) != webhook:
                    continue  # A transaction applies one update to each charge; the next one applies this update.
            processed.append(webhook_id)
        updates: dict[str, ChargeUpdate] = {
            reference: webhook.status for reference, webhook in first_of.items() if webhook.status
        }
        changed = {webhook.changed for webhook in received if webhook.changed}
        await payments.hasten(session, changed, others=updates)
        if disputed := {webhook.dispute_id for webhook in received if webhook.dispute_id}:
            await session.run(Statement(queries.disputes.note_disputes, {"ids": sorted(disputed)}))
        amounts = {reference: Amount(webhook.amount_minor, webhook.currency) for reference, webhook in first_of.items()}
        await payments.settle(session, updates, amounts)
        await session.run(Statement(queries.webhooks.mark_processed, {"ids": processed}))
    return len(processed)


def _read(webhook_id: str, payload: Any) -> Webhook | None:
    """Decode a stored webhook. An invalid one must not block the others."""
    try:
        return msgspec.convert(payload, Webhook)
    except msgspec.ValidationError as error:
        # The payload may contain personal data. The table has it under this id.
        _log.error("Stored webhook %r skipped, its payload is not valid: %s", webhook_id, error)
        return None


async def purge_webhooks(pool: Pool, settings: Settings) -> int:
    """Delete a bounded number of webhooks that were processed long ago; return how many."""
    parameters = {"days": settings.webhooks_kept_days, "limit": _PURGED_MAX}
    async with pool.connection() as connection:  # Read committed suffices for a single statement.
        cursor = await connection.execute(queries.webhooks.delete_processed.sql, parameters)
    return cursor.rowcount
