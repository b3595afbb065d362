"""A sale whose payments go through hosted pages of the simulated Stripe."""

from datetime import UTC, datetime

import msgspec
from psycopg import AsyncConnection

from api.database.pool import Pool
from api.payments.gateway import Checkout
from api.payments.provider import Amount
from api.payments.stripe_simulator.signatures import sign
from api.payments.stripe_webhooks import verify
from api.services import orders
from api.services.checkouts import Checkouts
from api.services.order_rows import OrderRow
from api.services.order_views import get_order
from api.services.payments import reconcile_payments
from api.services.refunds import request_refunds
from api.services.webhooks import Inbox, settle_webhooks
from tests.integration.asynchronous import ASYNC, OPEN, hold
from tests.stripe_shop import Shop

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_SECRET = f"whsec_{'a' * 24}"


class Sale:
    """A shop whose orders are in the test's database."""

    def __init__(self, pool: Pool, conn: AsyncConnection, stripe: Shop) -> None:
        self.pool, self.conn, self.stripe = pool, conn, stripe
        self.provider = Checkouts(pool, stripe.gateway, ASYNC)

    async def hold(self, quantity: int = 1) -> tuple[OrderRow, str]:
        """Hold tickets and create the page; return the order and the address of the page."""
        held = await hold(self.pool, "GA", quantity)
        await self.provider.charge(held.reference, Amount(held.total_minor, held.currency))
        url = await self.url(held)
        assert url
        return held, url

    async def url(self, order: OrderRow) -> str | None:
        body, _ = await get_order(self.pool, order.reference, OPEN)
        return body.payment_url or None

    async def pay(self, url: str, outcome: str = "captured") -> None:
        await self.stripe.pay(Checkout("", url), outcome)

    async def work(self) -> None:
        """Run the jobs of the worker once, in the order of a hold's end."""
        await self.provider.close_ended(self.pool, ASYNC)
        await orders.expire_holds(self.pool, ASYNC)
        await reconcile_payments(self.pool, ASYNC, self.provider)
        await request_refunds(self.pool, ASYNC, self.provider)

    async def make_due(self) -> None:
        await self.conn.execute("update payments set next_check_at = now() where status = 'pending'")

    async def captured(self) -> int:
        """Return the number of payments that Stripe has captured."""
        return len([payment async for payment in self.stripe.gateway.payments_since(LONG_AGO)])

    async def refunded(self) -> list[int]:
        """Return the amounts that Stripe has refunded, in minor units."""
        return [refund.amount.minor async for refund in self.stripe.gateway.refunds_since(LONG_AGO)]


async def deliver(sale: Sale, event_type: str, about: dict[str, object]) -> None:
    """Store a signed webhook as the route does, and settle it."""
    body = msgspec.json.encode({"id": f"evt_{event_type}", "type": event_type, "data": {"object": about}})
    await Inbox(sale.pool, ASYNC).store(verify((_SECRET,), body, sign(_SECRET, body, datetime.now(UTC))))
    assert await settle_webhooks(sale.pool, ASYNC) == 1
