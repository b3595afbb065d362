"""`python -m api reconcile`: compares the provider's payments and refunds with those of the database."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
from psycopg import IsolationLevel

from api.config import Settings
from api.database.pool import Pool, open_pool
from api.database.session import open_session
from api.errors import SetupError
from api.payments.http_provider import open_provider
from api.payments.provider import ProviderError
from api.services.payments import hasten
from api.services.reconciliation import Difference, Listing, compare

_TIMEOUT_MS = 10_000
"""The shortest timeout of a request for a page of objects."""


async def reconcile(conninfo: str, settings: Settings, since: datetime) -> list[Difference]:
    """Return the differences since a time that remain after the next check of open payments and refunds.

    Raises:
        SetupError: the provider does not respond.
    """
    # A request of the command waits longer than one of the worker.
    patient = msgspec.structs.replace(settings, provider_timeout_ms=max(settings.provider_timeout_ms, _TIMEOUT_MS))
    async with open_pool(conninfo, settings) as pool:
        try:
            if settings.payment_provider == "stripe":
                from api.payments.stripe_gateway import open_gateway  # noqa: PLC0415 - its import takes a second

                async with open_gateway(patient) as gateway:
                    return await remaining(pool, gateway, settings, since, hosted=True)
            async with open_provider(patient) as provider:
                return await remaining(pool, provider, settings, since, hosted=False)
        except ProviderError as error:
            raise SetupError(f"The payment provider's objects cannot be listed: {error}") from error


async def remaining(
    pool: Pool, listing: Listing, settings: Settings, since: datetime, *, hosted: bool
) -> list[Difference]:
    """Compare, and compare again if there are differences: a payment may be on its way to the database.

    The worker checks old payments and refunds once an hour, so that after a lost webhook the way may be long. The
    differing ones become due at once.
    """
    first = await compare(pool, listing, since, hosted=hosted)
    if not first:
        return []
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        await hasten(session, [difference.subject for difference in first])
    await asyncio.sleep(2 * settings.payment_check_after_ms / 1000)
    return sorted(set(first) & set(await compare(pool, listing, since, hosted=hosted)))


def report(differences: Sequence[Difference]) -> str:
    """Format the differences for people."""
    if not differences:
        return "The provider and the database agree."
    lines = [f"{len(differences)} difference(s) between the provider and the database."]
    return "\n".join([*lines, *(f"  {each.subject}: {each.fact}" for each in differences)])
