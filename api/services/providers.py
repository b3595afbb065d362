"""The payment provider that the settings name."""

import contextlib
from collections.abc import AsyncIterator

from api.config import Settings
from api.database.pool import Pool
from api.payments.http_provider import open_provider
from api.payments.provider import PaymentProvider
from api.services.checkouts import Checkouts


@contextlib.asynccontextmanager
async def open_payments(settings: Settings, pool: Pool) -> AsyncIterator[PaymentProvider]:
    """Open connections to the payment provider until the context ends."""
    if settings.payment_provider == "simulator":
        async with open_provider(settings) as provider:
            yield provider
        return
    from api.payments.stripe_gateway import open_gateway  # noqa: PLC0415 - its import takes a second and 31 MB

    async with open_gateway(settings) as gateway:
        yield Checkouts(pool, gateway, settings)
