"""The inbox of what the payment provider tells: stored before it is acknowledged, then worked off.

The process that stored a webhook works it off at once; what a process that died left behind, a worker does.
Webhooks may come twice and in any order: `payments.settle` lets only news change anything.
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
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.payments.signatures import Webhook
from api.services import payments
from api.services.payments import ChargeUpdate

_log = logging.getLogger(__name__)

_SETTLED_AT_ONCE = 200
_FORGOTTEN_AT_ONCE = 10_000


class Inbox:
    """Stores webhooks, and works off what is stored while it runs."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._stored = asyncio.Event()

    async def store(self, webhook: Webhook) -> None:
        """Store a webhook; it may then be acknowledged."""
        payload = msgspec.json.encode(webhook).decode()
        async with open_session(self._pool) as session:
            await session.run(Statement(queries.webhooks.insert_webhook, {"id": webhook.id, "payload": payload}))
        self._stored.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work off what is stored while the context lasts."""
        task = asyncio.create_task(self._work_off(), name="inbox")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _work_off(self) -> None:
        while True:
            await self._stored.wait()
            self._stored.clear()
            try:
                while await settle_webhooks(self._pool, self._settings):
                    pass
            except psycopg.Error as error:
                _log.warning("webhooks are left to the worker: %s", error)
            except Exception:  # noqa: BLE001 - whatever it is, what is stored next is worked off
                _log.exception("webhooks are left to the worker")


async def settle_webhooks(pool: Pool, _: Settings) -> int:
    """Work off some of the webhooks that are stored; return how many."""
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        rows = await session.run(Statement(queries.webhooks.lock_open, {"limit": _SETTLED_AT_ONCE}))
        if not rows:
            return 0
        done: list[str] = []
        told: dict[str, Webhook] = {}
        for webhook_id, payload in rows:
            webhook = _read(payload)
            if webhook and webhook.status:
                first = told.setdefault(webhook.reference, webhook)
                if msgspec.structs.replace(first, id=webhook.id) != webhook:
                    continue  # One after the other: the next round takes what else is told of this charge.
            done.append(webhook_id)
        news: dict[str, ChargeUpdate] = {reference: each.status for reference, each in told.items() if each.status}
        amounts = {reference: (each.amount_minor, each.currency) for reference, each in told.items()}
        await payments.settle(session, news, amounts)
        await session.run(Statement(queries.webhooks.mark_processed, {"ids": done}))
    return len(done)


def _read(payload: Any) -> Webhook | None:
    """Read a stored webhook; one that cannot be read any more must not hold up the others."""
    try:
        return msgspec.convert(payload, Webhook)
    except msgspec.ValidationError as error:
        _log.error("a stored webhook is passed over: %s: %s", error, payload)
        return None


async def purge_webhooks(pool: Pool, settings: Settings) -> int:
    """Delete some of the webhooks that were worked off long ago; return how many."""
    parameters = {"days": settings.webhooks_kept_days, "limit": _FORGOTTEN_AT_ONCE}
    async with pool.connection() as connection:  # One statement, for which read committed is right.
        cursor = await connection.execute(queries.webhooks.delete_processed.sql, parameters)
    return cursor.rowcount
