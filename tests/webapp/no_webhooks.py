"""A provider that decides at once and sends no webhook. A payment stays open until the worker polls the provider."""

import itertools
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from api.payments import simulator
from tests.stack import PLAIN_HTTP
from tests.waiting import read_until

if TYPE_CHECKING:
    from tests.webapp.site import Site

HOLD_S = 300
SUCCESS_RATE = 0.5
ENVIRONMENT = {
    "PAYMENT_MODE": "async",
    "PAYMENT_SUCCESS_RATE": str(SUCCESS_RATE),
    "PSP_DELAY_MS": "0",
    "PSP_LOSS_RATE": "1",
    "PAYMENT_CHECK_AFTER_MS": "600000",
    "HOLD_SECONDS": str(HOLD_S),
}
_numbers = itertools.count(1)


def reference_for(outcome: simulator.Outcome) -> str:
    """Return a new reference whose payment has this outcome."""
    references = (f"held-{number}" for number in _numbers)
    return next(each for each in references if simulator.decide(each, SUCCESS_RATE) == outcome)


async def hold(
    site: "Site",
    tier: str = "VIP",
    quantity: int = 1,
    outcome: simulator.Outcome = "captured",
    user_id: str = "user-123",
) -> str:
    """Book in the system without webhooks, wait for the provider's decision, and return the reference."""
    reference = reference_for(outcome)
    body = {"tier": tier, "quantity": quantity, "userId": user_id, "bookingReference": reference}
    async with site.connect() as http:
        response = await http.post("/api/bookings", json=body, params={"event": site.event})
    assert response.status_code == 202, response.text
    assert await decided(site, reference) == outcome
    return reference


async def decided(site: "Site", reference: str) -> simulator.Outcome:
    """Wait until the provider has decided a payment; return the outcome, which the API has not received."""
    outcome = simulator.decide(reference, SUCCESS_RATE)
    async with httpx.AsyncClient(base_url=site.stack.simulator_url, timeout=30, verify=PLAIN_HTTP) as provider:
        await read_until(
            lambda: provider.get(f"/charges/{reference}"), lambda charge: charge.json().get("status") == outcome
        )
    return outcome


async def poll_provider(site: "Site", reference: str) -> None:
    """Make the worker's next poll of a payment due."""
    await _change(
        site,
        "update payments set next_check_at = now() from orders"
        " where orders.id = order_id and reference = %(reference)s",
        reference=reference,
    )


async def end_hold(site: "Site", reference: str, left_s: float = 0) -> None:
    """Move an order into the past, so that its hold ends in `left_s` seconds."""
    await _change(
        site,
        """
        with moved as (
            update orders
            set created_at = created_at - interval '1 h', expires_at = now() + %(left)s * interval '1 s'
            where reference = %(reference)s
            returning id, expires_at
        )

        update tickets set held_until = moved.expires_at
        from bookings inner join moved on order_id = moved.id
        where tickets.id = ticket_id and released_at is null
        """,
        reference=reference,
        left=left_s,
    )


async def _change(site: "Site", statement: str, **values: Any) -> None:
    async with await psycopg.AsyncConnection.connect(site.stack.database_url) as conn:
        cursor = await conn.execute(statement, values)
        assert cursor.rowcount >= 1
